#include "tests/support/aws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/service.h"

extern char **environ;

static struct service service;

/* What the machine that runs the test says of AWS is not the test's. */
static void clear_variables(void)
{
	static const char *const others[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"};

	for (size_t i = 0; environ[i];) {
		char name[256];
		size_t len = strcspn(environ[i], "=");

		if (strncmp(environ[i], "AWS_", 4) != 0 || len >= sizeof(name)) {
			i++;
			continue;
		}
		memcpy(name, environ[i], len);
		name[len] = '\0';
		unsetenv(name);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		unsetenv(others[i]);
}

void aws_open(void)
{
	const char *home = scratch_open();

	clear_variables();
	aws_set("HOME", "%s", home);
	aws_set("AWS_EC2_METADATA_DISABLED", "true");
	scratch_sh("mkdir .aws");
}

void aws_close(void)
{
	service_stop(&service);
	clear_variables();
	scratch_close();
}

void aws_write(const char *name, const char *format, ...)
{
	char *path = scratch_path(name);
	FILE *file = fopen(path, "w");
	va_list args;

	assert_non_null(file);
	va_start(args, format);
	assert_true(vfprintf(file, format, args) >= 0);
	va_end(args);
	assert_int_equal(fclose(file), 0);
	free(path);
}

const char *aws_serve(void)
{
	service_start(&service, "metadata", ".", NULL);
	return service.url;
}

void aws_plan(const char *words)
{
	service_plan(&service, *words ? words : NULL);
}

char *aws_log(void)
{
	return service_log(&service);
}

void aws_set(const char *variable, const char *format, ...)
{
	char *value;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&value, format, args);
	va_end(args);
	assert_true(len >= 0);
	assert_int_equal(setenv(variable, value, 1), 0);
	free(value);
}
