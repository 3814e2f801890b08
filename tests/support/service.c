#include "tests/support/service.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

#define OPTIONS_MAX 16
#define WAIT_S 30

/* The text of a file, malloc'ed; NULL where it is not there. */
static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &room, '\0', file) < 0 && text)
		*text = '\0';
	fclose(file);
	return text;
}

static char *beside(const struct service *service, const char *suffix)
{
	char *path;

	assert_true(asprintf(&path, "%s%s", service->ready, suffix) > 0);
	return path;
}

void service_start(struct service *service, const char *program, const char *folder, const char *const *options)
{
	static unsigned number;
	const char *arguments[OPTIONS_MAX + 4] = {NULL};
	const struct timespec moment = {.tv_nsec = 5000000};
	char *path, name[32], *top = scratch_path(folder);
	const time_t until = time(NULL) + WAIT_S;

	snprintf(name, sizeof(name), "service%u", number++);
	service->ready = scratch_path(name);
	assert_true(asprintf(&path, "tests/servers/%s", program) > 0);
	arguments[0] = path;
	arguments[1] = top;
	arguments[2] = service->ready;
	for (size_t i = 0; options && options[i]; i++) {
		assert_true(i < OPTIONS_MAX);
		arguments[3 + i] = options[i];
	}
	assert_return_code(setenv("no_proxy", "*", 1), 0); /* it is on this machine */
	service->pid = fork();
	assert_true(service->pid >= 0);
	if (!service->pid) {
		execv(path, (char *const *)arguments);
		_exit(127);
	}
	free(path);
	free(top);
	while (!(service->url = read_text(service->ready))) {
		assert_true(time(NULL) < until);
		assert_int_equal(waitpid(service->pid, NULL, WNOHANG), 0);
		nanosleep(&moment, NULL);
	}
}

void service_plan(const struct service *service, const char *plan)
{
	char *path = beside(service, ".plan"), *fresh = beside(service, ".fresh");
	FILE *file;

	unlink(path);
	if (plan) {
		file = fopen(fresh, "we");
		assert_non_null(file);
		fputs(plan, file);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(rename(fresh, path), 0);
	}
	free(path);
	free(fresh);
}

char *service_log(const struct service *service)
{
	char *path = beside(service, ".log"), *text = read_text(path);

	unlink(path);
	free(path);
	return text ? text : strdup("");
}

size_t service_count(const struct service *service, const char *beginning)
{
	char *path = beside(service, ".log"), *text = read_text(path);
	size_t count = 0;

	free(path);
	for (const char *line = text; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
		count += !strncmp(line, beginning, strlen(beginning));
	free(text);
	return count;
}

void service_stop(struct service *service)
{
	if (service->pid) {
		kill(service->pid, SIGKILL);
		waitpid(service->pid, NULL, 0);
	}
	free(service->ready);
	free(service->url);
	*service = (struct service){0};
}
