/* The folder for what is written: made once, gone as a whole, whatever lies in it. */
#include "tools/attach/upper_folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static char *folder;

static int setup(void **state)
{
	(void)state;
	scratch_open_in_memory();
	folder = scratch_path("f");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(folder);
	scratch_close();
	return 0;
}

static void it_is_made_once(void **state)
{
	(void)state;
	assert_int_equal(upper_folder_is_empty(folder), -ENOENT);
	assert_int_equal(upper_folder_make(folder), 0);
	assert_int_equal(upper_folder_is_empty(folder), 1);
	scratch_sh("echo x >f/upper/x; mkdir -p f/dropped/a; echo >f/dropped/a/b");
	assert_int_equal(upper_folder_make(folder), 0);
	assert_int_equal(upper_folder_is_empty(folder), 0);
	scratch_sh("[ \"$(ls f)\" = \"$(printf 'upper\\nwork')\" ]");
}

static void what_stands_in_the_way_is_left(void **state)
{
	(void)state;
	scratch_sh("mkdir other; ln -s other f");
	assert_int_equal(upper_folder_make(folder), -ENOTDIR);
	scratch_sh("rm f; mkdir f; ln -s ../other f/upper");
	assert_int_equal(upper_folder_make(folder), -ENOTDIR);
	assert_true(upper_folder_is_empty(folder) < 0);
	scratch_sh("rm -r f; echo >f");
	assert_int_equal(upper_folder_make(folder), -ENOTDIR);
	scratch_sh("[ -z \"$(ls other)\" ]");
}

static void it_goes_whatever_is_in_it(void **state)
{
	(void)state;
	assert_int_equal(upper_folder_make(folder), 0);
	scratch_sh("echo precious >outside; mkdir keep; echo >keep/it; cd f/upper; ln -s ../../keep link; ln -s "
	           "../../outside l;"
	           "mkfifo pipe; mkdir -p shut/in; echo >shut/in/file; mkdir 0 1 2; echo >0/x; mkdir 1/0 1/1 2/0;"
	           "chmod 0 shut/in shut; mkdir ../work/work; chmod 0 ../work/work; printf x >'a\nb'");
	/* Deeper than any path can tell. */
	scratch_sh("cd f/upper; n=%0250d; for i in $(seq 300); do mkdir $n $n.b; cd -P $n; done; echo >file", 0);
	assert_int_equal(upper_folder_remove(folder), 0);
	scratch_sh("[ ! -e f ] && [ -e keep/it ] && [ \"$(cat outside)\" = precious ]");
	assert_int_equal(upper_folder_remove(folder), 0);
}

static void many_in_one_folder_go(void **state)
{
	(void)state;
	assert_int_equal(upper_folder_make(folder), 0);
	scratch_sh(
	    "cd f/upper; seq 5000 | xargs mkdir; seq 5000 | sed 's,$,/x,' | xargs touch; mkdir 7/d; touch 7/d/x");
	assert_int_equal(upper_folder_drop(folder), 0);
	scratch_sh("[ \"$(find f)\" = \"$(printf 'f\\nf/dropped')\" ]");
}

static void what_was_dropped_is_not_lost(void **state)
{
	(void)state;
	assert_int_equal(upper_folder_is_dropped(folder), 0);
	assert_int_equal(upper_folder_make(folder), 0);
	assert_int_equal(upper_folder_is_dropped(folder), 0);
	assert_int_equal(upper_folder_drop(folder), 0);
	assert_int_equal(upper_folder_is_dropped(folder), 1);
	assert_int_equal(upper_folder_drop(folder), 0);
	assert_int_equal(upper_folder_is_dropped(folder), 1);
	assert_int_equal(upper_folder_make(folder), 0);
	assert_int_equal(upper_folder_is_dropped(folder), 0);
	scratch_sh("rmdir f/upper");
	assert_int_equal(upper_folder_is_dropped(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_made_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_stands_in_the_way_is_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_goes_whatever_is_in_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_was_dropped_is_not_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_in_one_folder_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
