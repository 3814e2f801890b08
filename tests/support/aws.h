/*
 * A world in which credentials of AWS are looked for: a home folder, no variable of AWS's, no metadata service but one
 * that a test starts.
 *
 * Everything here asserts that it works; to be called on the test's own thread.
 */
#ifndef TESTS_SUPPORT_AWS_H
#define TESTS_SUPPORT_AWS_H

/* Make it, in a scratch folder that is HOME. */
void aws_open(void);

/* End it, and the services. */
void aws_close(void);

/* Write the FORMATted text to the file NAME (".aws/config") of the home folder. */
__attribute__((format(printf, 2, 3))) void aws_write(const char *name, const char *format, ...);

/* Start the services of tests/servers/metadata; returns their URL, which stays valid until aws_close(). */
const char *aws_serve(void);

/* Let them do what WORDS say from now on ("" for nothing of the kind). */
void aws_plan(const char *words);

/* What they were asked since the last call, a line each; malloc'ed. */
char *aws_log(void);

/* Set VARIABLE to the FORMATted text. */
__attribute__((format(printf, 2, 3))) void aws_set(const char *variable, const char *format, ...);

#endif
