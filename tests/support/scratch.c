#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[1024];

static const char *open_below(const char *tmp)
{
	static const char *const settings[][2] = {
	    {"LC_ALL", "C"},
	    {"TZ", "UTC"},
	    {"GIT_CONFIG_NOSYSTEM", "1"},
	    {"GIT_CONFIG_GLOBAL", "/dev/null"},
	    {"GIT_AUTHOR_NAME", "A U Thor"},
	    {"GIT_AUTHOR_EMAIL", "author@example.com"},
	    {"GIT_COMMITTER_NAME", "C O Mitter"},
	    {"GIT_COMMITTER_EMAIL", "committer@example.com"},
	    {"GIT_AUTHOR_DATE", "1700000000 +0000"},
	    {"GIT_COMMITTER_DATE", "1700000000 +0000"},
	};
	static const char *const cleared[] = {
	    "GIT_DIR",         "GIT_WORK_TREE",        "GIT_INDEX_FILE",
	    "GIT_COMMON_DIR",  "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	    "REVFS_GIT_READER"};

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		assert_return_code(setenv(settings[i][0], settings[i][1], 1), 0);
	for (size_t i = 0; i < sizeof(cleared) / sizeof(*cleared); i++)
		unsetenv(cleared[i]);
	assert_true(snprintf(folder, sizeof(folder), "%s/revfs-test.XXXXXX", tmp && strlen(tmp) < 1000 ? tmp : "/tmp") >
	            0);
	assert_non_null(mkdtemp(folder));
	return folder;
}

const char *scratch_open(void)
{
	return open_below(getenv("TMPDIR"));
}

const char *scratch_open_in_memory(void)
{
	static const char memory[] = "/dev/shm";

	return open_below(access(memory, W_OK | X_OK) == 0 ? memory : getenv("TMPDIR"));
}

/* Runs SCRIPT and gives what it printed, malloc'ed. */
static char *run(const char *script, int *status)
{
	char *command, *output = NULL;
	size_t len = 0;
	FILE *pipe;
	int c;
	FILE *memory = open_memstream(&output, &len);

	assert_non_null(memory);
	assert_true(asprintf(&command, "cd '%s' && { %s\n}", folder, script) > 0);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while ((c = getc(pipe)) != EOF)
		putc(c, memory);
	*status = pclose(pipe);
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
	assert_int_equal(fclose(memory), 0);
	free(command);
	return output;
}

__attribute__((format(printf, 1, 0))) static char *format_script(const char *format, va_list ap)
{
	char *script;

	assert_true(vasprintf(&script, format, ap) >= 0);
	return script;
}

void scratch_sh(const char *format, ...)
{
	char *script, *output;
	va_list ap;
	int status;

	va_start(ap, format);
	script = format_script(format, ap);
	va_end(ap);
	output = run(script, &status);
	if (status)
		fail_msg("exit status %d of: %s\n%s", status, script, output);
	free(output);
	free(script);
}

char *scratch_output(const char *format, ...)
{
	char *script, *output;
	va_list ap;
	int status;

	va_start(ap, format);
	script = format_script(format, ap);
	va_end(ap);
	output = run(script, &status);
	if (status)
		fail_msg("exit status %d of: %s\n%s", status, script, output);
	free(script);
	if (*output && output[strlen(output) - 1] == '\n')
		output[strlen(output) - 1] = '\0';
	return output;
}

int scratch_try(const char *format, ...)
{
	char *script;
	va_list ap;
	int status;

	va_start(ap, format);
	script = format_script(format, ap);
	va_end(ap);
	free(run(script, &status));
	free(script);
	return status;
}

char *scratch_path(const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

void scratch_close(void)
{
	char *command;

	assert_true(folder[0]);
	assert_true(asprintf(&command, "chmod -R u+rwX '%s' 2>&- ; rm -rf '%s'", folder, folder) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	folder[0] = '\0';
}
