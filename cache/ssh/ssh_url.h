/*
 * URLs of folders on other machines: ssh://[USER@]HOST[:PORT]/PATH, as git reads them.
 */
#ifndef CACHE_SSH_URL_H
#define CACHE_SSH_URL_H

struct ssh_url {
	char *user; /* NULL: ssh knows */
	char *host;
	char *port; /* decimal; NULL: ssh knows */
	char *path; /* absolute, or from the home folder there: "data" for "/~/data" */
};

/*
 * Take TEXT apart; %XX stands for a byte.  Whatever ssh or a shell could take for something else than a user, a host or
 * a path is refused.  Returns 0 (ssh_url_release() frees); -EINVAL; -ENOMEM.
 */
int ssh_url_parse(const char *text, struct ssh_url *url);

/* Free; allowed on a zeroed one. */
void ssh_url_release(struct ssh_url *url);

/* TEXT in quotes, as one word of a shell; malloc'ed, or NULL. */
char *ssh_url_quote(const char *text);

#endif
