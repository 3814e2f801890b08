#include "tools/output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/utf8.h"

/* Seconds of 0000-01-01T00:00:00Z and of 9999-12-31T23:59:59Z: RFC 3339 has no other years. */
#define FIRST_SECOND (-62167219200)
#define LAST_SECOND 253402300799

static bool needs_quotes(const char *path)
{
	for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
		if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
			return true;
	}
	return false;
}

/* Write one byte of a quoted name to OUT, which has room for 4.  Returns how many were needed. */
static size_t quote_byte(unsigned char byte, char out[4])
{
	static const char letters[] = "abtnvfr"; /* of the bytes 7 to 13 */

	if ((byte >= 7 && byte <= 13) || byte == '"' || byte == '\\') {
		out[0] = '\\';
		out[1] = byte >= 7 && byte <= 13 ? letters[byte - 7] : (char)byte;
		return 2;
	}
	if (byte >= 0x20 && byte < 0x7f) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = (char)('0' + (byte >> 6));
	out[2] = (char)('0' + ((byte >> 3) & 7));
	out[3] = (char)('0' + (byte & 7));
	return 4;
}

char *output_quoted(const char *path)
{
	size_t len = strlen(path);
	char *text, *to;

	if (!needs_quotes(path))
		return strdup(path);
	if (len > (SIZE_MAX - 3) / 4 || !(text = malloc(4 * len + 3)))
		return NULL;
	to = text;
	*to++ = '"';
	for (size_t i = 0; i < len; i++)
		to += quote_byte((unsigned char)path[i], to);
	*to++ = '"';
	*to = '\0';
	return text;
}

void output_name(FILE *out, const char *path, bool z)
{
	char bytes[4];

	if (z) {
		fwrite(path, 1, strlen(path) + 1, out);
		return;
	}
	if (!needs_quotes(path)) {
		fputs(path, out);
		return;
	}
	putc('"', out);
	for (; *path; path++)
		fwrite(bytes, 1, quote_byte((unsigned char)*path, bytes), out);
	putc('"', out);
}

size_t output_utf8_length(const char *text)
{
	return utf8_length(text);
}

static bool is_utf8(const char *text)
{
	while (*text) {
		size_t len = output_utf8_length(text);
		if (len == 0)
			return false;
		text += len;
	}
	return true;
}

char *output_replace_invalid(const char *text)
{
	char *clean = malloc(3 * strlen(text) + 1);
	char *to = clean;

	if (!clean)
		return NULL;
	while (*text) {
		size_t len = output_utf8_length(text);
		if (len > 0) {
			to = mempcpy(to, text, len);
			text += len;
		} else {
			to = mempcpy(to, "\xef\xbf\xbd", 3);
			text++;
		}
	}
	*to = '\0';
	return clean;
}

/* Percent signs and what is not UTF-8 as %XX; malloc'ed. */
static char *percent_encode(const char *path)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = malloc(3 * strlen(path) + 1);
	char *to = text;

	if (!text)
		return NULL;
	while (*path) {
		size_t len = output_utf8_length(path);
		if (len > 0 && *path != '%') {
			to = mempcpy(to, path, len);
			path += len;
		} else {
			*to++ = '%';
			*to++ = digits[(unsigned char)*path >> 4];
			*to++ = digits[(unsigned char)*path & 15];
			path++;
		}
	}
	*to = '\0';
	return text;
}

void output_json_path(json_t *object, const char *key, const char *path)
{
	char name[64];

	if (is_utf8(path)) {
		json_object_set_new_nocheck(object, key, json_string_nocheck(path));
		return;
	}
	char *text = percent_encode(path);
	if (!text)
		return;
	json_object_set_new(object, key, json_string(text));
	free(text);
	snprintf(name, sizeof(name), "%s_encoding", key);
	json_object_set_new(object, name, json_string("percent"));
}

char *output_rfc3339(const struct timespec *time, char text[40])
{
	time_t seconds = time->tv_sec;
	long nanoseconds = time->tv_nsec;
	struct tm tm;

	if (seconds < FIRST_SECOND || seconds > LAST_SECOND) {
		seconds = seconds < 0 ? FIRST_SECOND : LAST_SECOND;
		nanoseconds = 0;
	}
	gmtime_r(&seconds, &tm);
	int len = snprintf(text, 40, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	                   tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (nanoseconds > 0 && nanoseconds < 1000000000)
		len += snprintf(text + len, 40 - (size_t)len, ".%09ld", nanoseconds);
	snprintf(text + len, 40 - (size_t)len, "Z");
	return text;
}

void output_json(FILE *out, json_t *value)
{
	json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putc('\n', out);
	json_decref(value);
}

char *output_size(uint64_t bytes, char text[32])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(text, 32, "%" PRIu64 " %s", bytes, bytes == 1 ? "byte" : "bytes");
	else
		snprintf(text, 32, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024, units[unit]);
	return text;
}

char *output_count(uint64_t count, char text[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = text;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

int output_write(const void *data, size_t len)
{
	const char *next = data;
	int ret = output_finish();

	while (!ret && len > 0) {
		ssize_t written = write(STDOUT_FILENO, next, len);
		if (written >= 0) {
			next += written;
			len -= (size_t)written;
		} else if (errno == EAGAIN) {
			/* Somebody else made the pipe non-blocking. */
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			ret = -errno;
		}
	}
	return ret;
}

bool output_failed(void)
{
	return ferror(stdout);
}

int output_finish(void)
{
	/* A write that failed before and left nothing behind shows only in the stream's flag. */
	errno = 0;
	if (fflush(stdout))
		return errno ? -errno : -EIO;
	return ferror(stdout) ? -EIO : 0;
}
