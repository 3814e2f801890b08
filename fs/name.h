/*
 * Names of entries: which bytes may be a name, and which names would be `.git` to some file system.
 */
#ifndef FS_NAME_H
#define FS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE_MAX 255

/*
 * Whether LEN bytes at NAME may name an entry: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`, and not `.git` in any
 * spelling that a file system takes for it.
 */
bool name_is_valid(const char *name, size_t len);

/* The same without the question of `.git`: what a name in a page must be, or the page is damaged. */
bool name_is_component(const char *name, size_t len);

/*
 * Whether the name is `.git` in a spelling that HFS+ or a case-folding ext4 (ignorable code points, case) or NTFS
 * (`git~1`, trailing dots and blanks, streams, and a backslash that separates) takes for it.
 */
bool name_is_dotgit(const char *name, size_t len);

/* memcmp order; where one is the beginning of the other, the shorter is first. */
int name_cmp(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
