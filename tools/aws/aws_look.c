#include "tools/aws/aws_look.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void aws_look_init(struct aws_look *look, const char *profile)
{
	*look = (struct aws_look){.profile = profile};
}

void aws_look_release(struct aws_look *look)
{
	http_close(look->http);
	look->http = NULL;
}

int aws_look_fail(struct aws_look *look, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(look->why, sizeof(look->why), format, args);
	va_end(args);
	return error;
}

const char *aws_look_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int aws_look_take(struct credentials *found, const char *id, const char *secret, const char *token)
{
	const struct credentials given = {.user = (char *)id, .secret = (char *)secret, .token = (char *)token};

	return credentials_copy(found, &given);
}
