/*
 * A server of tests/servers/ beside a test: started, told what to do wrong, ended.
 *
 * Everything here asserts that it works; to be called on the test's own thread, with the scratch folder open and from
 * the top of the source tree.
 */
#ifndef TESTS_SUPPORT_SERVICE_H
#define TESTS_SUPPORT_SERVICE_H

#include <stddef.h>
#include <sys/types.h>

struct service {
	pid_t pid;
	char *ready; /* the path where it writes its URL; its log and its plan stand beside */
	char *url;
};

/* Start tests/servers/PROGRAM for the folder FOLDER of the scratch folder with OPTIONS (NULL behind the last), and wait
 * until it answers. */
void service_start(struct service *service, const char *program, const char *folder, const char *const *options);

/* Have it do what the lines PLAN say; NULL: nothing out of the ordinary. */
void service_plan(const struct service *service, const char *plan);

/* What it wrote down so far, malloc'ed; it is emptied. */
char *service_log(const struct service *service);

/* How many lines of its log begin with BEGINNING.  The log stays. */
size_t service_count(const struct service *service, const char *beginning);

/* End it; one that was not started is ignored. */
void service_stop(struct service *service);

#endif
