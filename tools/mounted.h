/*
 * Paths in a mount (revfs-mount(1)) as what they show: a repository, a commit and a path in it.
 */
#ifndef TOOLS_MOUNTED_H
#define TOOLS_MOUNTED_H

struct mounted {
	char *repository; /* its folder */
	char *target;     /* "COMMIT:path" */
};

/*
 * Find what PATH shows, by its extended attributes; links on the way are followed.  0 (mounted_release() frees);
 * -ENOENT where it lies in no mount of this user's, or not below a revision; -ENOMEM.
 */
int mounted_find(const char *path, struct mounted *mounted);

/* Free what it holds; allowed on a zeroed one. */
void mounted_release(struct mounted *mounted);

#endif
