#include "cache/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void credentials_release(struct credentials *credentials)
{
	wipe(credentials->user);
	wipe(credentials->secret);
	wipe(credentials->token);
	*credentials = (struct credentials){0};
}

int credentials_copy(struct credentials *to, const struct credentials *from)
{
	*to = (struct credentials){
	    .user = from->user ? strdup(from->user) : NULL,
	    .secret = from->secret ? strdup(from->secret) : NULL,
	    .token = from->token ? strdup(from->token) : NULL,
	    .expires = from->expires,
	};
	if ((from->user && !to->user) || (from->secret && !to->secret) || (from->token && !to->token)) {
		credentials_release(to);
		return -ENOMEM;
	}
	return 0;
}
