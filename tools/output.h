/*
 * What goes to stdout: names quoted as git does, JSON, sizes and times for people.
 */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Write PATH as git does with core.quotePath: in double quotes with C escapes where needed.  Z: raw with a NUL byte. */
void output_name(FILE *out, const char *path, bool z);

/* The same as a malloc'ed string. */
char *output_quoted(const char *path);

/* TEXT with what is not UTF-8 replaced by U+FFFD, malloc'ed; for messages in JSON, never for names. */
char *output_replace_invalid(const char *text);

/* Length of the UTF-8 character at TEXT (1 to 4), or 0 where there is none. */
size_t output_utf8_length(const char *text);

/* Set KEY (and, where PATH is not UTF-8, "<KEY>_encoding":"percent") in OBJECT. */
void output_json_path(json_t *object, const char *key, const char *path);

/* "2026-01-31T12:00:00Z", with nanoseconds where they are not zero; held within the years 0 to 9999. */
char *output_rfc3339(const struct timespec *time, char text[40]);

/* Print one JSON document and a newline; takes over VALUE. */
void output_json(FILE *out, json_t *value);

/* "1.5 MiB", "312 bytes": powers of 1024. */
char *output_size(uint64_t bytes, char text[32]);

/* "1,234,567". */
char *output_count(uint64_t count, char text[32]);

/* Write LEN bytes to stdout, past its buffer.  Returns 0 or -errno. */
int output_write(const void *data, size_t len);

/*
 * Flush stdout.  Returns 0 or -errno (a full disk, a closed descriptor).  command_run() ends every command with it; one
 * that prints for long asks output_failed() now and then, so as not to work for nobody.
 */
int output_finish(void);

/* Whether something could not be written so far. */
bool output_failed(void);

#endif
