#include "tools/fail.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"
#include "tools/output.h"

/* The first message of each exit status; under LOCK. */
static char *messages[EXIT_SYSTEM + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A name with an escape sequence in it must not move the cursor or change the colours of whoever reads the message. */
static void soften(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if ((*p < 0x20 && *p != '\t' && *p != '\n') || *p == 0x7f)
			*p = '?';
	}
}

/* Print the line at once, so that lines of several threads or processes do not mix. */
static void print_line(const char *prefix, const char *text)
{
	char *line = NULL;

	fflush(stdout);
	if (asprintf(&line, "%s%s\n", prefix, text) >= 0)
		fputs(line, stderr);
	else
		fprintf(stderr, "%s%s\n", prefix, text);
	free(line);
}

__attribute__((format(printf, 1, 0))) static char *compose(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return NULL;
	soften(text);
	return text;
}

/* Takes over TEXT. */
static void remember(enum exit_code code, char *text)
{
	pthread_mutex_lock(&lock);
	if (code <= EXIT_SYSTEM && !messages[code]) {
		messages[code] = text;
		text = NULL;
	}
	pthread_mutex_unlock(&lock);
	free(text);
}

int fail(enum exit_code code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = compose(format, args);
	va_end(args);
	print_line("revfs: ", text ? text : "out of memory");
	remember(code, text);
	return (int)code;
}

int fail_usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = compose(format, args);
	va_end(args);
	print_line("revfs: ", text ? text : "out of memory");
	if (globals.command)
		fprintf(stderr, "see 'revfs help %s'\n", globals.command->name);
	else
		fputs("see 'revfs help'\n", stderr);
	remember(EXIT_USAGE, text);
	return EXIT_USAGE;
}

void warn(const char *format, ...)
{
	if (globals.quiet)
		return;
	va_list args;
	va_start(args, format);
	char *text = compose(format, args);
	va_end(args);
	print_line("revfs: warning: ", text ? text : "out of memory");
	free(text);
}

void inform(const char *format, ...)
{
	if (globals.quiet)
		return;
	va_list args;
	va_start(args, format);
	char *text = compose(format, args);
	va_end(args);
	print_line("", text ? text : "out of memory");
	free(text);
}

void inform_verbose(const char *format, ...)
{
	if (globals.quiet || !globals.verbose)
		return;
	va_list args;
	va_start(args, format);
	char *text = compose(format, args);
	va_end(args);
	print_line("", text ? text : "out of memory");
	free(text);
}

enum exit_code exit_code_of(int error)
{
	switch (-error) {
	case 0:
		return EXIT_DONE;
	case ENOENT:
	case ENOTDIR:
	case ENODEV:
		return EXIT_NOT_FOUND;
	case EAGAIN:
	case EINTR:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case EREMOTEIO:
		return EXIT_TEMPORARY;
	case EKEYREJECTED:
	case ENOKEY:
		return EXIT_NOT_AUTHORISED;
	case EBADMSG:
	case ENODATA:
		return EXIT_DAMAGED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return EXIT_NO_SPACE;
	case EBUSY:
		return EXIT_BUSY;
	case EEXIST:
	case ENOTEMPTY:
	case EISDIR:
	case ENOTSUP:
		return EXIT_REFUSED;
	default:
		return EXIT_SYSTEM;
	}
}

const char *error_text(int error)
{
	switch (-error) {
	case EBADMSG:
		return "damaged data";
	case ENODATA:
		return "the data is missing from the store";
	case ENOTSUP:
		return "written by a later version of revfs, or in a form that this one does not know";
	case EFBIG:
		return "File too large, or above the file-size limit (ulimit -f)";
	case EBUSY:
		return "in use by another process";
	case EKEYREJECTED:
		return "not authorised";
	case ENOKEY:
		return "the server's certificate is not trusted";
	case EPROTO:
		return "an answer that makes no sense";
	case EHOSTDOWN:
		return "it is not there";
	case ENODEV:
		return "there is no such bucket";
	case ENOPKG:
		return "there is no 'git' in PATH";
	case EINTR:
		return "interrupted";
	default:
		return strerror(-error);
	}
}

void outcome_add(struct outcome *outcome, int status)
{
	if (status == EXIT_DONE || status == EXIT_PARTIAL)
		outcome->done = true;
	if (status != EXIT_DONE && !outcome->failure)
		outcome->failure = status;
}

int outcome_status(const struct outcome *outcome)
{
	return outcome->failure && outcome->done ? EXIT_PARTIAL : outcome->failure;
}

/* JSON is UTF-8: what is not becomes U+FFFD. */
static json_t *message_json(const char *text)
{
	json_t *value = json_string(text);
	if (value)
		return value;
	char *clean = output_replace_invalid(text);
	value = clean ? json_string(clean) : NULL;
	free(clean);
	return value;
}

void fail_print_json(int status)
{
	const char *text = NULL;

	pthread_mutex_lock(&lock);
	if (status > 0 && status <= EXIT_SYSTEM)
		text = messages[status];
	for (size_t i = 0; !text && i <= EXIT_SYSTEM; i++)
		text = messages[i];
	pthread_mutex_unlock(&lock);
	/* Status 1 without a message is an answer ("there are differences"), not a failure. */
	if (!text && status == EXIT_FOUND)
		return;
	json_t *inner = json_object();
	json_object_set_new(inner, "code", json_integer(status));
	json_object_set_new(inner, "message", message_json(text ? text : "failed"));
	json_t *outer = json_object();
	json_object_set_new(outer, "error", inner);
	output_json(stderr, outer);
}

void fail_forget(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i <= EXIT_SYSTEM; i++) {
		free(messages[i]);
		messages[i] = NULL;
	}
	pthread_mutex_unlock(&lock);
}
