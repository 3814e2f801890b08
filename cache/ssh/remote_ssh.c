/*
 * Remotes that are folders of other machines, reached through the user's ssh: what runs there is `revfs serve`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/remote.h"
#include "cache/ssh/peer.h"
#include "cache/ssh/ssh_child.h"
#include "cache/ssh/ssh_url.h"

#define ARGUMENTS 20

struct ssh {
	struct peer *peer;
	struct ssh_url url;
	char *shell_command;    /* for sh; NULL: ssh itself is run */
	char *destination;      /* [USER@]HOST */
	char *there;            /* what the shell on the other side is to run */
	struct ssh_child child; /* the peer's thread's */
};

/* --- what is run --- */

static int ssh_start(void *arg, int *fd, int *aside, char why[PEER_WHY_SIZE])
{
	struct ssh *s = arg;
	const char *argv[ARGUMENTS];
	size_t n = 0;
	int error;

	if (s->shell_command) {
		argv[n++] = "/bin/sh";
		argv[n++] = "-c";
		argv[n++] = s->shell_command;
	}
	argv[n++] = "ssh"; /* for a shell its name */
	argv[n++] = "-o";
	argv[n++] = "BatchMode=yes";
	argv[n++] = "-o";
	argv[n++] = "ConnectTimeout=15";
	argv[n++] = "-o";
	argv[n++] = "ServerAliveInterval=10";
	argv[n++] = "-T";
	if (s->url.port) {
		argv[n++] = "-p";
		argv[n++] = s->url.port;
	}
	argv[n++] = s->destination;
	argv[n++] = s->there;
	argv[n] = NULL;
	error = ssh_child_start(argv, &s->child);
	if (error == -ENOENT) {
		snprintf(why, PEER_WHY_SIZE, "there is no program 'ssh'");
		return -EPROTO;
	}
	*fd = s->child.fd;
	*aside = s->child.aside;
	return error;
}

static void ssh_hear(void *arg, const char *text, size_t len)
{
	struct ssh *s = arg;

	ssh_child_hear(&s->child, text, len);
}

/* Who closed the connection is whose reason counts: we, or ssh. */
static int ssh_end(void *arg, const struct peer_end *end, char why[PEER_WHY_SIZE])
{
	struct ssh *s = arg;
	const bool by_itself = end->error == 0 || end->error == -ECONNRESET;
	int status = ssh_child_end(&s->child, !by_itself);

	if (*end->said) {
		snprintf(why, PEER_WHY_SIZE, "not 'revfs serve' speaks there, but something that says '%s'", end->said);
		return -EPROTO;
	}
	ssh_child_last_line(&s->child, why, PEER_WHY_SIZE);
	if (!by_itself)
		return end->error;
	return end->greeted ? -ECONNRESET : ssh_child_failure(status, s->child.tail);
}

static const struct peer_line line = {
    .open = ssh_start,
    .hear = ssh_hear,
    .close = ssh_end,
};

/* --- the kind --- */

static void ssh_close(void *state)
{
	struct ssh *s = state;

	peer_close(s->peer);
	ssh_url_release(&s->url);
	free(s->shell_command);
	free(s->destination);
	free(s->there);
	free(s);
}

/* What is to be run, there and here, in words of a shell. */
static int compose(struct ssh *s, const struct remote_setup *setup)
{
	const char *program = setup->program ? setup->program : "revfs";
	char *path = ssh_url_quote(s->url.path);
	int error = path ? 0 : -ENOMEM;

	/* ssh takes options behind the host, too. */
	if (!error && (!*program || *program == '-'))
		error = -EINVAL;
	if (!error && asprintf(&s->destination, "%s%s%s", s->url.user ? s->url.user : "", s->url.user ? "@" : "",
	                       s->url.host) < 0) {
		s->destination = NULL;
		error = -ENOMEM;
	}
	if (!error && asprintf(&s->there, "%s serve --stdio %s", program, path) < 0) {
		s->there = NULL;
		error = -ENOMEM;
	}
	if (!error && setup->ssh_command && asprintf(&s->shell_command, "%s \"$@\"", setup->ssh_command) < 0) {
		s->shell_command = NULL;
		error = -ENOMEM;
	}
	free(path);
	return error;
}

static int ssh_open(const struct remote_setup *setup, void **state)
{
	struct ssh *s = calloc(1, sizeof(*s));
	struct peer_setup peer = {
	    .io = setup->io,
	    .line = &line,
	    .arg = s,
	    .stall_ms = PEER_STALL_MS,
	    .work_ms = PEER_WORK_MS,
	};
	int error;

	if (!s)
		return -ENOMEM;
	error = ssh_url_parse(setup->url, &s->url);
	if (!error)
		error = compose(s, setup);
	if (!error)
		error = peer_open(&peer, &s->peer);
	if (error) {
		ssh_close(s);
		return error;
	}
	*state = s;
	return 0;
}

static ssize_t ssh_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                        const struct arrival *arrival)
{
	struct ssh *s = state;

	(void)arrival;
	return peer_read(s->peer, path, offset, data, len);
}

static int ssh_stat(void *state, const char *path, struct remote_stat *st)
{
	struct ssh *s = state;

	return peer_stat(s->peer, path, st);
}

static int ssh_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	struct ssh *s = state;

	return peer_put(s->peer, path, body, replace);
}

static int ssh_remove(void *state, const char *path)
{
	struct ssh *s = state;

	return peer_remove(s->peer, path);
}

static int ssh_list(void *state, const char *folder, remote_each each, void *arg)
{
	struct ssh *s = state;

	return peer_list(s->peer, folder, each, arg);
}

static void ssh_why(void *state, char why[REMOTE_WHY_SIZE])
{
	struct ssh *s = state;

	peer_why(s->peer, why);
}

const struct remote_kind remote_kind_ssh = {
    .name = "ssh",
    .open = ssh_open,
    .close = ssh_close,
    .read = ssh_read,
    .stat = ssh_stat,
    .put = ssh_put,
    .remove = ssh_remove,
    .list = ssh_list,
    .why = ssh_why,
};
