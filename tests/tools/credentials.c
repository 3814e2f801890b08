/* The user's credentials for a remote. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "cache/interrupt.h"
#include "tests/support/aws.h"
#include "tests/support/scratch.h"
#include "tools/command.h"
#include "tools/credentials.h"

#define URL "http://example.org/store"

static struct repo *repo;
static struct credentials_source source;
static struct credentials found;

/* Nobody may be asked, whoever runs the test. */
static int set_up(void **state)
{
	char *path;
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	memset(&globals, 0, sizeof(globals));
	assert_true(null >= 0);
	assert_int_equal(dup2(null, STDIN_FILENO), STDIN_FILENO);
	if (null != STDIN_FILENO)
		close(null);
	aws_open();
	scratch_sh("git init -q -b main repo && touch log");
	path = scratch_path("repo");
	assert_int_equal(repo_open(path, REPO_ANY, &repo, NULL), 0);
	free(path);
	return 0;
}

static void close_source(void)
{
	if (source.close)
		source.close(source.arg);
	source = (struct credentials_source){0};
}

static int tear_down(void **state)
{
	(void)state;
	interrupt_watch(NULL, NULL);
	scratch_sh("touch stop");
	credentials_release(&found);
	close_source();
	repo_close(repo);
	aws_close();
	return 0;
}

/* A helper that notes what it is told, and answers with the words in the files `user` and `word`. */
static void set_helper(void)
{
	aws_write("helper",
	          "cd '%s'\n"
	          "echo \"$1\" >>log\n"
	          "sed 's/^/  /' >>log\n"
	          "while [ -e hangs ] && [ ! -e stop ]; do sleep 0.02; done\n"
	          "[ \"$1\" != get ] || [ ! -e word ] || "
	          "printf 'username=%%s\\npassword=%%s\\n' \"$(cat user)\" \"$(cat word)\"\n",
	          getenv("HOME"));
	aws_write("user", "ada");
	scratch_sh("git -C repo config credential.helper \"!sh '$PWD/helper'\"");
}

static void open_source(const char *url, const char *profile)
{
	const struct remotes_item item = {.name = "lab", .url = (char *)url, .profile = (char *)profile};

	close_source();
	assert_int_equal(credentials_open(repo, &item, &source), 0);
}

static int get(const char *url, const struct credentials *refused)
{
	credentials_release(&found);
	return source.get(source.arg, url, refused, &found);
}

static void expect_log(const char *expected)
{
	char *log = scratch_output("cat log");

	assert_string_equal(log, expected);
	free(log);
}

/* Why the last look failed, for those who see no warning. */
static void expect_why(const char *expected)
{
	char why[REMOTE_WHY_SIZE];

	source.why(source.arg, why, sizeof(why));
	assert_string_equal(why, expected);
}

static void kinds_without_credentials_have_no_source(void **state)
{
	static const char *const urls[] = {"/srv/store", "file:///srv/store", "ssh://host/store"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		open_source(urls[i], NULL);
		assert_null(source.get);
		assert_null(source.close);
	}
}

static void git_knows_the_password_of_a_server(void **state)
{
	(void)state;
	set_helper();
	aws_write("word", "a=b c");
	open_source(URL, NULL);
	assert_int_equal(get(URL, NULL), 0);
	assert_string_equal(found.user, "ada");
	assert_string_equal(found.secret, "a=b c");
	assert_null(found.token);
	expect_log("get\n  protocol=http\n  host=example.org");
	source.taken(source.arg, URL, &found);
	expect_log("get\n  protocol=http\n  host=example.org\n"
	           "store\n  protocol=http\n  host=example.org\n  username=ada\n  password=a=b c");
}

static void git_forgets_what_was_refused(void **state)
{
	struct credentials wrong = {0};

	(void)state;
	set_helper();
	aws_write("word", "wrong");
	open_source(URL, NULL);
	assert_int_equal(get(URL, NULL), 0);
	assert_int_equal(credentials_copy(&wrong, &found), 0);
	aws_write("word", "right");
	assert_int_equal(get(URL, &wrong), 0);
	assert_string_equal(found.secret, "right");
	expect_log("get\n  protocol=http\n  host=example.org\n"
	           "erase\n  protocol=http\n  host=example.org\n  username=ada\n  password=wrong\n"
	           "get\n  protocol=http\n  host=example.org");
	credentials_release(&wrong);
}

static void git_without_a_password_has_none_and_asks_nobody(void **state)
{
	(void)state;
	open_source(URL, NULL);
	aws_set("GIT_TERMINAL_PROMPT", "1");
	assert_int_equal(get(URL, NULL), -ENOENT);
	assert_null(found.user);
	set_helper();
	assert_int_equal(get(URL, NULL), -ENOENT);
	unsetenv("GIT_TERMINAL_PROMPT");
	/* And nothing is to be kept. */
	scratch_sh(": >log");
	source.taken(source.arg, URL, &found);
	expect_log("");
}

static void password_of_the_url_does_not_go_to_helpers(void **state)
{
	static const char url[] = "https://grace:hopper@example.org:8443/store";

	(void)state;
	set_helper();
	aws_write("user", "grace");
	aws_write("word", "right");
	open_source(url, NULL);
	assert_int_equal(get(url, NULL), 0);
	assert_string_equal(found.secret, "right");
	expect_log("get\n  protocol=https\n  host=example.org:8443\n  username=grace");
}

/* What helpers print goes the same way as git's own words: it may be a secret, and is not told. */
static void words_of_helpers_are_not_told(void **state)
{
	(void)state;
	aws_write("helper",
	          "echo 'fatal: the password is tremendous' >&2\necho 'x fatal: could not read Username' >&2\n");
	scratch_sh("git -C repo config credential.helper \"!sh '$PWD/helper'\"");
	open_source(URL, NULL);
	assert_int_equal(get(URL, NULL), -ENOENT);
	expect_why("'git credential': could not read Username for 'http://example.org': terminal prompts disabled");
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void helper_that_hangs_can_be_given_up(void **state)
{
	uint64_t before;
	int error;

	(void)state;
	set_helper();
	aws_write("hangs", "%s", "");
	open_source(URL, NULL);
	before = interrupt_limit(200);
	error = get(URL, NULL);
	assert_true(interrupt_unlimit(before));
	assert_int_equal(error, -ETIMEDOUT);
	interrupt_watch(always, NULL);
	assert_int_equal(get(URL, NULL), -EINTR);
}

/* Call the source with stderr in the file `said`. */
static int get_saying(void)
{
	char *path = scratch_path("said");
	int said = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), real = dup(STDERR_FILENO), error;

	assert_true(said >= 0 && real >= 0);
	dup2(said, STDERR_FILENO);
	error = get("s3://bucket/store", NULL);
	dup2(real, STDERR_FILENO);
	close(said);
	close(real);
	free(path);
	return error;
}

static void expect_said(const char *expected)
{
	char *said = scratch_output("cat said");

	assert_string_equal(said, expected);
	free(said);
}

static void bucket_gets_those_of_its_profile(void **state)
{
	(void)state;
	aws_set("AWS_ACCESS_KEY_ID", "AKIAENV");
	aws_set("AWS_SECRET_ACCESS_KEY", "word");
	aws_write(".aws/credentials", "[x]\naws_access_key_id = AKIAX\naws_secret_access_key = y\n");
	open_source("s3://bucket/store", NULL);
	assert_int_equal(get_saying(), 0);
	assert_string_equal(found.user, "AKIAENV");
	open_source("s3://bucket/store", "x");
	assert_int_equal(get_saying(), 0);
	assert_string_equal(found.user, "AKIAX");
	expect_said("");
}

static void bucket_without_any_is_asked_as_nobody(void **state)
{
	(void)state;
	open_source("s3://bucket/store", NULL);
	assert_int_equal(get_saying(), -ENOENT);
	expect_said("");
}

static void what_is_wrong_with_settings_is_said_once(void **state)
{
	static const char said[] =
	    "revfs: warning: no credentials for the remote 'lab': there is no profile 'x' in AWS's files";
	char both[512];

	(void)state;
	open_source("s3://bucket/store", "x");
	assert_int_equal(get_saying(), -EKEYREJECTED);
	assert_int_equal(get_saying(), -EKEYREJECTED);
	expect_said(said);
	aws_write(".aws/config", "[profile x]\nrole_arn = r\naws_secret_access_key = tremendous\n");
	assert_int_equal(get_saying(), -EKEYREJECTED);
	aws_write(".aws/config", "[profile x]\naws_secret_access_key = tremendous\n");
	assert_int_equal(get_saying(), -EKEYREJECTED);
	assert_int_equal(scratch_try("grep -q tremendous said"), 1);
	assert_int_equal(scratch_try("test $(wc -l <said) = 3"), 0);
	snprintf(both, sizeof(both), "grep -qxF \"%s\" said", said);
	assert_int_equal(scratch_try("%s", both), 0);
	expect_why("the profile 'x' has aws_secret_access_key, and no aws_access_key_id");
	aws_write(".aws/config", "[profile x]\naws_access_key_id = AKIAX\naws_secret_access_key = tremendous\n");
	assert_int_equal(get_saying(), 0);
	expect_why("");
}

static void failure_that_may_pass_is_tried_again(void **state)
{
	(void)state;
	aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/x");
	open_source("s3://bucket/store", NULL);
	assert_int_equal(get_saying(), -ECONNREFUSED);
	expect_why("cannot ask the container's service: Connection refused");
	expect_said("revfs: warning: no credentials for the remote 'lab': cannot ask the container's service: "
	            "Connection refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(kinds_without_credentials_have_no_source),
	    TEST(git_knows_the_password_of_a_server),
	    TEST(git_forgets_what_was_refused),
	    TEST(git_without_a_password_has_none_and_asks_nobody),
	    TEST(password_of_the_url_does_not_go_to_helpers),
	    TEST(words_of_helpers_are_not_told),
	    TEST(helper_that_hangs_can_be_given_up),
	    TEST(bucket_gets_those_of_its_profile),
	    TEST(bucket_without_any_is_asked_as_nobody),
	    TEST(what_is_wrong_with_settings_is_said_once),
	    TEST(failure_that_may_pass_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
