/* Registrations: what a running process shows is told, and what one that ended left is told for a while. */
#include "fs/registration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define AGE_S 1000

static struct fault fault;
static struct store *store;
static char told[4096];

static int setup(void **state)
{
	char *path;

	(void)state;
	scratch_open();
	path = scratch_path("store");
	fault_init(&fault, sample_io());
	assert_int_equal(store_open(&fault.io, path, STORE_CREATE, 0, &store), 0);
	free(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(store);
	scratch_close();
	return 0;
}

static struct oid commit_of(unsigned n)
{
	struct oid oid;
	uint8_t bytes[20];

	memset(bytes, (int)n, sizeof(bytes));
	oid_set(&oid, bytes, sizeof(bytes));
	return oid;
}

static struct id root_of(unsigned n)
{
	struct id id;

	memset(&id, (int)n, sizeof(id));
	return id;
}

static int tell(void *arg, const struct oid *commit, const struct id *root)
{
	size_t len = strlen(told);

	assert_true(!commit != !root);
	snprintf(told + len, sizeof(told) - len, "%c%u ", commit ? 'c' : 'r',
	         commit ? commit->bytes[0] : root->bytes[0]);
	return arg ? 7 : 0;
}

static int each(void)
{
	told[0] = '\0';
	return registration_each(store, AGE_S, tell, NULL);
}

static void assert_told(const char *expected)
{
	assert_int_equal(each(), 0);
	assert_string_equal(told, expected);
}

static struct registration *registered(unsigned commit, unsigned root)
{
	struct oid oid = commit_of(commit);
	struct id id = root_of(root);
	struct registration *r;

	assert_int_equal(registration_open(store, &r), 0);
	assert_int_equal(registration_add_commit(r, &oid), 0);
	assert_int_equal(registration_add_root(r, &id), 0);
	return r;
}

/* As if a process had been killed: the file stays, without its lock. */
static void leave_file(void)
{
	struct registration *r = registered(1, 2);

	scratch_sh("cp store/registered/* left");
	registration_close(r);
	scratch_sh("cp left store/registered/00112233445566778899aabbccddeeff");
}

static void nothing_is_registered_in_a_new_store(void **state)
{
	(void)state;
	assert_told("");
	assert_int_equal(registration_sweep(store, 0), 0);
}

static void what_is_added_is_told_until_it_is_closed(void **state)
{
	struct registration *r = registered(1, 2);
	struct oid commit = commit_of(3);

	(void)state;
	assert_told("c1 r2 ");
	assert_int_equal(registration_add_commit(r, &commit), 0);
	assert_told("c1 r2 c3 ");
	/* However long it lives. */
	fault.clock_ns += UINT64_C(1000000000) * 10 * AGE_S;
	assert_told("c1 r2 c3 ");
	assert_int_equal(registration_sweep(store, AGE_S), 0);
	assert_told("c1 r2 c3 ");
	registration_close(r);
	assert_told("");
	scratch_sh("test -z \"$(ls store/registered store/tmp | grep -v :)\"");
	registration_close(NULL);
}

static void the_same_again_is_not_written(void **state)
{
	struct registration *r = registered(1, 2);
	struct id root = root_of(2);

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(registration_add_root(r, &root), 0);
	assert_told("c1 r2 ");
	registration_close(r);
}

static void what_was_left_is_told_for_a_while(void **state)
{
	(void)state;
	leave_file();
	assert_told("c1 r2 ");
	assert_int_equal(registration_sweep(store, AGE_S), 0);
	fault.clock_ns += UINT64_C(1000000000) * (AGE_S + 10);
	assert_told("");
	assert_int_equal(registration_sweep(store, AGE_S), 1);
	scratch_sh("test -z \"$(ls store/registered)\"");
}

/* A file that seems old but whose process lives is that of a clock that goes wrong. */
static void locked_file_is_never_swept(void **state)
{
	struct registration *r = registered(1, 2);

	(void)state;
	scratch_sh("touch -d '10 years ago' store/registered/*");
	assert_told("c1 r2 ");
	assert_int_equal(registration_sweep(store, 0), 0);
	registration_close(r);
}

static void answer_ends_the_walk(void **state)
{
	struct registration *r = registered(1, 2);

	(void)state;
	told[0] = '\0';
	assert_int_equal(registration_each(store, AGE_S, tell, &fault), 7);
	assert_string_equal(told, "c1 ");
	registration_close(r);
}

static void other_names_are_passed_over(void **state)
{
	(void)state;
	leave_file();
	scratch_sh("cd store/registered && echo x >readme && mkdir d && echo x >0011");
	assert_told("c1 r2 ");
}

/* A line that was being written, and one whose neighbour was: the rest counts. */
static void half_written_lines_are_passed_over(void **state)
{
	(void)state;
	leave_file();
	scratch_sh("cd store/registered && printf 'commit 0303' >>00112233445566778899aabbccddeeff");
	assert_told("c1 r2 ");
	scratch_sh("cd store/registered && f=00112233445566778899aabbccddeeff && cp ../../left $f && "
	           "head -c 48 /dev/zero >>$f && echo commit $(printf '05%%.0s' $(seq 20)) >>$f");
	assert_told("c1 r2 c5 ");
}

/* Whoever collects must not take for dead what he cannot read. */
static void lines_that_are_not_understood_are_ebadmsg(void **state)
{
	static const char *const lines[] = {"tree 00", "commit 01", "commit ", "root zz", "commits", "commit  "};

	(void)state;
	leave_file();
	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		scratch_sh("f=store/registered/00112233445566778899aabbccddeeff && cp left $f && echo '%s' >>$f",
		           lines[i]);
		assert_int_equal(each(), -EBADMSG);
	}
	scratch_sh("echo 'revfs-registered 2' >store/registered/00112233445566778899aabbccddeeff");
	assert_int_equal(each(), -EBADMSG);
	scratch_sh(": >store/registered/00112233445566778899aabbccddeeff");
	assert_int_equal(each(), -EBADMSG);
}

/* A damaged file tells what is in it, or is refused; what it tells is never less than whole lines. */
static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	char *path = scratch_path("store/registered/00112233445566778899aabbccddeeff");
	FILE *file = fopen(path, "w");
	int r;

	(void)arg;
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	free(path);
	r = each();
	assert_true(r == 0 || r == -EBADMSG);
}

static void damaged_files_do_no_harm(void **state)
{
	static const char text[] = "revfs-registered 1\ncommit 0101010101010101010101010101010101010101\n";

	(void)state;
	leave_file();
	damage_each((const uint8_t *)text, sizeof(text) - 1, try_damaged, NULL);
}

static void failing_calls_leave_nothing_behind(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < FAULT_CALLS; kind++) {
		for (uint64_t nth = 1; nth < 4; nth++) {
			struct registration *r = NULL;
			int64_t open_files = fault.open_files;
			int error;

			fault_set(&fault, kind, nth, 1, -EIO);
			error = registration_open(store, &r);
			fault_clear(&fault);
			assert_true(error == 0 || error == -EIO);
			if (!error)
				registration_close(r);
			assert_int_equal(fault.open_files, open_files);
			scratch_sh("test -z \"$(ls store/registered store/tmp 2>/dev/null | grep -v :)\"");
		}
	}
}

/* What cannot be looked at may be alive. */
static void unreadable_file_is_an_error(void **state)
{
	(void)state;
	leave_file();
	for (uint64_t nth = 1; nth < 3; nth++) {
		fault_set(&fault, FAULT_OPEN, nth, 1, -EIO);
		assert_int_equal(each(), -EIO);
		fault_clear(&fault);
	}
	fault_set(&fault, FAULT_READ, 1, 1, -EIO);
	assert_int_equal(each(), -EIO);
	fault_clear(&fault);
	assert_told("c1 r2 ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_is_registered_in_a_new_store),
	    TEST(what_is_added_is_told_until_it_is_closed),
	    TEST(the_same_again_is_not_written),
	    TEST(what_was_left_is_told_for_a_while),
	    TEST(locked_file_is_never_swept),
	    TEST(answer_ends_the_walk),
	    TEST(other_names_are_passed_over),
	    TEST(half_written_lines_are_passed_over),
	    TEST(lines_that_are_not_understood_are_ebadmsg),
	    TEST(damaged_files_do_no_harm),
	    TEST(failing_calls_leave_nothing_behind),
	    TEST(unreadable_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
