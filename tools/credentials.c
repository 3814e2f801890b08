#include "tools/credentials.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/interrupt.h"
#include "cache/remote.h"
#include "fs/git/git.h"
#include "tools/aws/aws_chain.h"
#include "tools/fail.h"
#include "tools/url.h"

#define ANSWER_MAX ((size_t)64 << 10)

struct user {
	char *name; /* of the remote */
	char *profile;
	const struct git_where *where;
	char *filled;   /* what git gave last, to be approved or rejected; wiped */
	char said[512]; /* the last warning: it is not repeated */
	pthread_mutex_t lock;
	char why[REMOTE_WHY_SIZE]; /* under the lock: what the last look failed with, "" where it did not */
};

static void user_close(void *arg)
{
	struct user *u = arg;

	free(u->name);
	free(u->profile);
	credentials_wipe(u->filled);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static void set_why(struct user *u, const char *before, const char *why)
{
	pthread_mutex_lock(&u->lock);
	snprintf(u->why, sizeof(u->why), "%s%.250s", before, why);
	pthread_mutex_unlock(&u->lock);
}

static void user_why(void *arg, char *why, size_t size)
{
	struct user *u = arg;

	pthread_mutex_lock(&u->lock);
	snprintf(why, size, "%s", u->why);
	pthread_mutex_unlock(&u->lock);
}

static void say(struct user *u, const char *why)
{
	if (!*why || !strcmp(u->said, why))
		return;
	snprintf(u->said, sizeof(u->said), "%s", why);
	warn("no credentials for the remote '%s': %s", u->name, why);
}

/* --- AWS --- */

/* What passes by itself is tried again; what does not is the user's to mend, and was said. */
static int error_for_remote(int error)
{
	switch (-error) {
	case 0:
	case ENOENT:
	case EINTR:
	case ENOMEM:
	case EAGAIN:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EREMOTEIO:
		return error;
	default:
		return -EKEYREJECTED;
	}
}

static int aws_get(void *arg, const char *url, const struct credentials *refused, struct credentials *found)
{
	struct user *u = arg;
	struct aws_look look;
	int error;

	(void)url;
	(void)refused; /* files may say something else by now */
	aws_look_init(&look, u->profile);
	error = aws_chain_get(&look, found);
	if (error != -EINTR)
		set_why(u, "", error && error != -ENOENT ? look.why : "");
	if (error && error != -ENOENT && error != -EINTR)
		say(u, look.why);
	aws_look_release(&look);
	return error_for_remote(error);
}

/* The shared file alone names the server: it learns nothing of the user, and who reads as nobody may. */
static int unsigned_get(void *arg, const char *url, const struct credentials *refused, struct credentials *found)
{
	struct user *u = arg;
	char why[REMOTE_WHY_SIZE];

	(void)url;
	(void)refused;
	(void)found;
	snprintf(
	    why, sizeof(why),
	    "only the shared '.revfs/config' names its endpoint, which is asked as nobody until 'revfs remote trust "
	    "%s' confirms it",
	    u->name);
	set_why(u, "", why);
	return -ENOENT;
}

/* --- git --- */

/* Whether LINE is one that git is known to end with. */
static bool is_of_git(const char *line)
{
	static const char *const known[] = {"could not read Username", "could not read Password",
	                                    "Authentication failed", "unable to get password from user",
	                                    "refusing to work with credential missing"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strncmp(line, known[i], strlen(known[i])))
			return true;
	}
	return false;
}

/* What git says itself, and not what its helpers do, who share its stderr: that may be anything, a password, too. */
static void note_git(struct user *u, struct git_run *run)
{
	const char *at = run->errors ? run->errors : "";
	char line[REMOTE_WHY_SIZE] = "it has none";

	while (*at) {
		const size_t len = strcspn(at, "\n");

		if (!strncmp(at, "fatal: ", 7) && is_of_git(at + 7)) {
			snprintf(line, sizeof(line), "%.*s", (int)(len - 7), at + 7);
			break;
		}
		at += len + (at[len] == '\n');
	}
	set_why(u, "'git credential': ", line);
}

/* Run `git credential VERB` on INPUT.  *OUTPUT (NULL: not wanted) is for credentials_wipe(); -ENOENT where git has
 * nothing. */
static int run_git(struct user *u, const char *verb, const char *input, char **output)
{
	const char *args[] = {"credential", verb, NULL};
	const bool asks = isatty(STDIN_FILENO);
	struct git_run run = {
	    .where = u->where,
	    .args = args,
	    .flags = asks ? GIT_RUN_PASS_ERRORS : GIT_RUN_NO_QUESTIONS,
	    .input = input,
	    .input_len = strlen(input),
	    .limit = ANSWER_MAX,
	};
	uint64_t limit = interrupt_limit(asks ? UINT32_MAX : CREDENTIALS_GIT_WAIT_S * UINT64_C(1000));
	int error = git_run(&run);

	if (interrupt_unlimit(limit) && error == -EINTR)
		error = -ETIMEDOUT;
	if (!error && run.status) {
		error = -ENOENT;
		note_git(u, &run);
	} else if (error != -EINTR) {
		set_why(u, error ? "cannot run 'git credential': " : "", error ? strerror(-error) : "");
	}
	if (!error && output) {
		*output = credentials_text(run.output, run.output_len);
		error = *output ? 0 : -ENOMEM;
	}
	if (run.output)
		explicit_bzero(run.output, run.output_len);
	git_run_release(&run);
	return error;
}

/* The value of KEY in lines "key=value"; NULL where there is none.  For credentials_wipe(). */
static char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (*text) {
		size_t line = strcspn(text, "\n");

		if (line > len && text[len] == '=' && !strncmp(text, key, len))
			return credentials_text(text + len + 1, line - len - 1);
		text += line + (text[line] == '\n');
	}
	return NULL;
}

static int take_filled(const char *filled, struct credentials *found)
{
	char *expires = value_of(filled, "password_expiry_utc");

	found->user = value_of(filled, "username");
	found->secret = value_of(filled, "password");
	found->expires = expires ? (time_t)strtoll(expires, NULL, 10) : 0;
	credentials_wipe(expires);
	if (found->user && found->secret)
		return 0;
	credentials_release(found);
	return -ENOENT;
}

/* What was refused, git forgets; where it does not, it may still give something else. */
static int git_get(void *arg, const char *url, const struct credentials *refused, struct credentials *found)
{
	struct user *u = arg;
	char *asked, *input = NULL;
	int error = refused && u->filled ? run_git(u, "reject", u->filled, NULL) : 0;

	if (error == -EINTR || error == -ENOMEM)
		return error;
	credentials_wipe(u->filled);
	u->filled = NULL;
	asked = url_without_password(url);
	error = asked && asprintf(&input, "url=%s\n", asked) >= 0 ? 0 : -ENOMEM;
	if (!error)
		error = run_git(u, "fill", input, &u->filled);
	if (!error)
		error = take_filled(u->filled, found);
	free(input);
	free(asked);
	return error;
}

/* Where it is not kept, the user is asked again another time. */
static void git_taken(void *arg, const char *url, const struct credentials *credentials)
{
	struct user *u = arg;

	(void)url;
	(void)credentials;
	if (u->filled)
		run_git(u, "approve", u->filled, NULL);
}

/* --- by the kind of remote --- */

int credentials_open(const struct repo *repo, const struct remotes_item *item, struct credentials_source *source)
{
	const bool is_s3 = !strncmp(item->url, "s3://", 5);
	struct user *u;

	*source = (struct credentials_source){0};
	if (!is_s3 && strncmp(item->url, "http://", 7) != 0 && strncmp(item->url, "https://", 8) != 0)
		return 0;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	u->name = strdup(item->name);
	u->profile = item->profile ? strdup(item->profile) : NULL;
	u->where = repo_where(repo);
	if (!u->name || (item->profile && !u->profile)) {
		user_close(u);
		return -ENOMEM;
	}
	*source = (struct credentials_source){
	    .get = item->endpoint_tracked ? unsigned_get
	           : is_s3                ? aws_get
	                                  : git_get,
	    .taken = is_s3 ? NULL : git_taken,
	    .why = user_why,
	    .close = user_close,
	    .arg = u,
	};
	return 0;
}
