/*
 * A scratch folder for a test, and git in a fixed world: no configuration of the user's, fixed names and dates.
 *
 * Everything here asserts that it works; to be called on the test's own thread.
 */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* Make the folder, set up the environment.  Returns its path, which stays valid until scratch_close(). */
const char *scratch_open(void);

/* The same, in memory where the machine has such a place: for tests that make files by the thousand. */
const char *scratch_open_in_memory(void);

/* Remove the folder with all that is in it. */
void scratch_close(void);

/* Run a shell script in the folder; fails the test where it does not exit with 0. */
__attribute__((format(printf, 1, 2))) void scratch_sh(const char *format, ...);

/* The same; returns what it printed without the final newline, malloc'ed. */
__attribute__((format(printf, 1, 2))) char *scratch_output(const char *format, ...);

/* The same; returns its exit status. */
__attribute__((format(printf, 1, 2))) int scratch_try(const char *format, ...);

/* "<folder>/NAME", malloc'ed. */
char *scratch_path(const char *name);

#endif
