/*
 * Failing: exit codes, and the one way to print what went wrong.
 *
 * Thread-safe.
 */
#ifndef TOOLS_FAIL_H
#define TOOLS_FAIL_H

#include <stdbool.h>

/* Exit status, as revfs(1) documents. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FOUND = 1, /* a check found something */
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,   /* done in part, the failures were named */
	EXIT_NOT_FOUND = 4, /* no such revision, path, dataset */
	EXIT_TEMPORARY = 5,
	EXIT_NOT_AUTHORISED = 6,
	EXIT_DAMAGED = 7,
	EXIT_NO_SPACE = 8,
	EXIT_BUSY = 9,
	EXIT_NO_REPOSITORY = 10,
	EXIT_REFUSED = 11,
	EXIT_SYSTEM = 12,
};

/*
 * Print an error: "revfs: ", the message, a newline; remembered for the JSON line that a failing command ends with.
 * Control characters in it but tabs and newlines are printed as '?'.  Returns CODE, so that `return
 * fail(EXIT_NOT_FOUND,
 * ...)` reads well.  The message says what failed, on what, why, and what to type next.
 */
__attribute__((format(printf, 2, 3))) int fail(enum exit_code code, const char *format, ...);

/* The same for a usage error: the message and where help is found.  Returns EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int fail_usage(const char *format, ...);

/* A warning on stderr, unless quiet. */
__attribute__((format(printf, 1, 2))) void warn(const char *format, ...);

/* Information on stderr ("nothing changed"), unless quiet; no prefix. */
__attribute__((format(printf, 1, 2))) void inform(const char *format, ...);

/* The same with -v only. */
__attribute__((format(printf, 1, 2))) void inform_verbose(const char *format, ...);

/* The exit status that belongs to an -errno: -ENOSPC 8, -EBADMSG 7, -EBUSY 9, -ENOENT 4... */
enum exit_code exit_code_of(int error);

/* The text for an -errno in our own words (-EBADMSG: "damaged data"), else strerror's.  Static or thread-local. */
const char *error_text(int error);

/*
 * What became of a command that goes on after a failure: zero-initialise, count, and end with outcome_status(): 0 where
 * nothing failed, EXIT_PARTIAL where something was done, else the status of the first failure.
 */
struct outcome {
	bool done;
	int failure; /* of the first that failed, 0: none */
};

/* Count what ended with STATUS. */
void outcome_add(struct outcome *outcome, int status);

/* The exit status of the whole. */
int outcome_status(const struct outcome *outcome);

/* The line that ends a failing command with --json: the first message that was printed for STATUS. */
void fail_print_json(int status);

/* Forget the messages (tests). */
void fail_forget(void);

#endif
