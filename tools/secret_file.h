/*
 * Files of the user's that hold secrets, or say where they are: small, and read whole.
 */
#ifndef TOOLS_SECRET_FILE_H
#define TOOLS_SECRET_FILE_H

/* The largest that is read. */
#define SECRET_FILE_MAX (1u << 20)

/* The path that the variable VARIABLE (NULL: none) names, with "~/" for the home folder in front; else BELOW_HOME of
 * the home folder
 * ("" for none).  malloc'ed; NULL where there is neither, or no memory. */
char *secret_file_path(const char *variable, const char *below_home);

/*
 * Read the regular file PATH, or the one that a link there leads to.  *TEXT ends in a NUL byte and is for
 * credentials_wipe().  Returns 0; -ENOENT; -EFBIG; -EBADMSG where it is no regular file; -ENOMEM, -errno.
 */
int secret_file_read(const char *path, char **text);

#endif
