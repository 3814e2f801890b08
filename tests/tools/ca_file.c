/* The authorities that git trusts, for a server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "tests/support/scratch.h"
#include "tools/ca_file.h"

#define URL "https://example.org/store"

static struct repo *repo;

static int set_up(void **state)
{
	char *path;

	(void)state;
	scratch_open();
	unsetenv("GIT_SSL_CAINFO");
	scratch_sh("git init -q repo && git -C repo config http.https://example.org/.sslCAInfo /lab.pem");
	path = scratch_path("repo");
	assert_int_equal(repo_open(path, REPO_ANY, &repo, NULL), 0);
	free(path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	interrupt_watch(NULL, NULL);
	repo_close(repo);
	scratch_close();
	return 0;
}

static void setting_is_that_for_the_server(void **state)
{
	char *path;

	(void)state;
	assert_int_equal(ca_file_find(repo, URL, &path), 0);
	assert_string_equal(path, "/lab.pem");
	free(path);
	assert_int_equal(ca_file_find(repo, "https://example.com/", &path), 0);
	assert_null(path);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

/* Else the server's certificate would be one that nobody trusts. */
static void who_gives_up_does_not_learn_that_there_is_none(void **state)
{
	char *path;

	(void)state;
	interrupt_watch(always, NULL);
	assert_int_equal(ca_file_find(repo, URL, &path), -EINTR);
	assert_null(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(setting_is_that_for_the_server, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_gives_up_does_not_learn_that_there_is_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
