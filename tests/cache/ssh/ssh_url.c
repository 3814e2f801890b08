/* URLs of folders on other machines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/ssh/ssh_url.h"

static void assert_same(const char *got, const char *expected)
{
	if (!expected) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, expected);
}

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *user, *host, *port, *path;
	} cases[] = {
	    {"ssh://h/srv/store", NULL, "h", NULL, "/srv/store"},
	    {"ssh://ada@lab.example.org:2222/srv/x", "ada", "lab.example.org", "2222", "/srv/x"},
	    {"ssh://[2001:db8::1]:22/x", NULL, "2001:db8::1", "22", "/x"},
	    {"ssh://ada@[::1]/x", "ada", "::1", NULL, "/x"},
	    {"ssh://h/~/store", NULL, "h", NULL, "store"},
	    {"ssh://h/~//store/", NULL, "h", NULL, "store/"},
	    {"ssh://h/~", NULL, "h", NULL, "."},
	    {"ssh://h/~/", NULL, "h", NULL, "."},
	    {"ssh://h/a%20b%2fc%zz%4", NULL, "h", NULL, "/a b/c%zz%4"},
	    {"ssh://h/it's $HOME", NULL, "h", NULL, "/it's $HOME"},
	    {"ssh://h/-x", NULL, "h", NULL, "/-x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ssh_url url;

		assert_int_equal(ssh_url_parse(cases[i].text, &url), 0);
		assert_same(url.user, cases[i].user);
		assert_same(url.host, cases[i].host);
		assert_same(url.port, cases[i].port);
		assert_same(url.path, cases[i].path);
		ssh_url_release(&url);
	}
}

static void what_could_be_taken_for_something_else_is_refused(void **state)
{
	static const char *const cases[] = {
	    "ssh://",
	    "ssh:///x",
	    "ssh://h",
	    "ssh://h/",
	    "http://h/x",
	    "h:x",
	    "ssh://-oProxyCommand=x/y",
	    "ssh://%2doProxyCommand=x/y",
	    "ssh://-l@h/x",
	    "ssh://@h/x",
	    "ssh://ada:secret@h/x",
	    "ssh://a@b@h/x",
	    "ssh://h;id/x",
	    "ssh://h%0aid/x",
	    "ssh://$(id)/x",
	    "ssh://`id`@h/x",
	    "ssh://h:/x",
	    "ssh://h:0/x",
	    "ssh://h:65536/x",
	    "ssh://h:22x/x",
	    "ssh://h:-1/x",
	    "ssh://[::1/x",
	    "ssh://[::1]22/x",
	    "ssh://h/~ada/x",
	    "ssh://h/~/-x",
	    "ssh://h/a%00b",
	    "ssh://h/a%0ab",
	    "ssh://h/a\nb",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ssh_url url;

		if (ssh_url_parse(cases[i], &url) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
		assert_null(url.host);
	}
}

static void quotes_hold_every_sign(void **state)
{
	static const char *const cases[][2] = {
	    {"", "''"},           {"/srv/store", "'/srv/store'"},
	    {"a'b", "'a'\\''b'"}, {"$(id) `id` \"", "'$(id) `id` \"'"},
	    {"a!b", "'a'\\!'b'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *quoted = ssh_url_quote(cases[i][0]);

		assert_same(quoted, cases[i][1]);
		free(quoted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(urls_are_taken_apart),
	    cmocka_unit_test(what_could_be_taken_for_something_else_is_refused),
	    cmocka_unit_test(quotes_hold_every_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
