/*
 * Walking a folder of the work tree in page order: names sorted as bytes within each directory, a directory followed at
 * once by what is in it.
 *
 * Nothing is entered through a symlink and no type is believed without lstat(2).  Memory is the names of the
 * directories on the way down; at most SCAN_OPEN_MAX of them are open, so that depth is not bounded by descriptors. A
 * struct scan belongs to one thread.  A struct scan_dir may be pinned and used by any.
 */
#ifndef FS_SCAN_H
#define FS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define SCAN_OPEN_MAX 64

struct scan;

/* An open directory, shared by reference, so that files in it can be opened after the walk has gone on. */
struct scan_dir;
int scan_dir_open(int dirfd, const char *path, struct scan_dir **dir); /* pinned once; 0 or -errno */
int scan_dir_fd(const struct scan_dir *dir);
struct scan_dir *scan_dir_pin(struct scan_dir *dir); /* returns DIR */
void scan_dir_unpin(struct scan_dir *dir);           /* NULL is ignored */

enum scan_event {
	SCAN_ENTRY = 1, /* anything but a directory */
	SCAN_ENTER,     /* a directory; what is in it follows, then SCAN_LEAVE */
	SCAN_LEAVE,     /* the end of the directory entered last */
	SCAN_FAILED,    /* ERROR met NAME, or, where NAME is NULL, the listing of the directory entered last */
};

struct scan_step {
	enum scan_event event;
	const char *name; /* SCAN_ENTRY, SCAN_ENTER, SCAN_FAILED; NUL-terminated, borrowed until the next call */
	size_t name_len;
	bool marked;          /* NAME stood behind the mark of scan_open_marked() */
	struct stat st;       /* SCAN_ENTRY, SCAN_ENTER */
	struct scan_dir *dir; /* the directory that holds NAME; borrowed until the next call */
	int error;            /* SCAN_FAILED: -errno; -ENAMETOOLONG where folders are nested too deep */
};

/*
 * Begin a walk of the directory PATH below DIRFD; its own name is not told, nor is its end.
 * Returns 0, -ENOTDIR, -ENOENT, -ENOMEM or -errno.
 */
int scan_open(int dirfd, const char *path, struct scan **scan);

/*
 * The same where names that begin with MARK (borrowed) speak of the name behind it: they are told without it (it may be
 * empty), in the order of what is left, before an equal name without the mark.  A marked directory must be skipped.
 */
int scan_open_marked(int dirfd, const char *path, const char *mark, struct scan **scan);

/* Free; directories that are pinned stay open. */
void scan_close(struct scan *scan);

/* The next step.  Names that vanish between listing and lstat are left out.  Returns 0, -ENOENT after the last,
 * -ENOMEM. */
int scan_next(struct scan *scan, struct scan_step *step);

/* After SCAN_ENTER, also behind scan_look(): do not go into that directory; SCAN_LEAVE follows at once. */
void scan_skip(struct scan *scan);

/*
 * After SCAN_ENTER: open that directory now, so that what is found out about *DIR (borrowed until the next call) holds
 * for what is listed.  Returns 0; -ENOMEM; or -errno as SCAN_FAILED would tell it: then skip it.
 */
int scan_look(struct scan *scan, struct scan_dir **dir);

/* The path, below where the walk began, of the name told last (or of the directory left). "" for the top. */
const char *scan_path(const struct scan *scan);

#endif
