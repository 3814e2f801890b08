#include "tools/aws/aws_answer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tools/fail.h"

int aws_answer_parse(struct aws_look *look, const char *who, const char *text, json_t **answer)
{
	json_t *parsed = json_loads(text, 0, NULL);

	if (!json_is_object(parsed)) {
		aws_answer_free(parsed);
		return aws_look_fail(look, -EPROTO, "%s gave no JSON object", who);
	}
	*answer = parsed;
	return 0;
}

/* The strings are this value's own, whatever their type says. */
static void wipe(json_t *value)
{
	if (json_is_string(value))
		explicit_bzero((void *)(uintptr_t)json_string_value(value), json_string_length(value));
	for (size_t i = 0; i < json_array_size(value); i++)
		wipe(json_array_get(value, i));
	for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
		wipe(json_object_iter_value(at));
}

void aws_answer_free(json_t *answer)
{
	if (answer)
		wipe(answer);
	json_decref(answer);
}

/* Digits in a fixed number of places. */
static int parse_offset(const char *text, long *seconds)
{
	unsigned hours, minutes;
	int end = 0;

	if (!strcmp(text, "Z") || !strcmp(text, "z")) {
		*seconds = 0;
		return 0;
	}
	if ((*text != '+' && *text != '-') || strspn(text + 1, "0123456789:") != strlen(text + 1))
		return -EINVAL;
	if (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || text[1 + end] || hours > 23 || minutes > 59)
		return -EINVAL;
	*seconds = (long)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return 0;
}

int aws_answer_time(const char *text, time_t *time)
{
	struct tm parts = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	long offset;

	if (!end)
		return -EINVAL;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (parse_offset(end, &offset))
		return -EINVAL;
	*time = timegm(&parts) - offset;
	return 0;
}

/* STS counts seconds, the others write a time.  0 is that of "not known". */
static int take_time(const json_t *value, time_t *expires)
{
	if (!value || json_is_null(value))
		return 0;
	if (json_is_number(value)) {
		double seconds = json_number_value(value);

		if (!(seconds > 0 && seconds < 1e11))
			return -EINVAL;
		*expires = (time_t)seconds;
		return 0;
	}
	return json_is_string(value) ? aws_answer_time(json_string_value(value), expires) : -EINVAL;
}

int aws_answer_take(struct aws_look *look, const char *who, const json_t *object, struct credentials *found)
{
	const char *id = json_string_value(json_object_get(object, "AccessKeyId"));
	const char *secret = json_string_value(json_object_get(object, "SecretAccessKey"));
	const json_t *token = json_object_get(object, "SessionToken");
	time_t expires = 0;
	int error;

	if (!token)
		token = json_object_get(object, "Token");
	if (!id || !*id || !secret || !*secret)
		return aws_look_fail(look, -EPROTO, "%s gave no 'AccessKeyId' and 'SecretAccessKey'", who);
	if (token && !json_is_string(token) && !json_is_null(token))
		return aws_look_fail(look, -EPROTO, "%s gave a 'SessionToken' that is no string", who);
	if (take_time(json_object_get(object, "Expiration"), &expires))
		return aws_look_fail(look, -EPROTO, "%s gave an 'Expiration' that is no time", who);
	error = aws_look_take(found, id, secret, json_string_value(token));
	if (!error)
		found->expires = expires;
	return error;
}

int aws_answer_ask(struct aws_look *look, const char *who, struct aws_call *call, struct credentials *found)
{
	json_t *answer = NULL;
	int error = aws_http_call(look, call);

	if (error == -EINTR || error == -ENOMEM)
		return error;
	if (error)
		return aws_look_fail(look, error, "cannot ask %s: %s", who, error_text(error));
	if (call->status != 200)
		error = aws_look_fail(look, -EREMOTEIO, "%s answered with the status %ld", who, call->status);
	if (!error)
		error = aws_answer_parse(look, who, call->text ? call->text : "", &answer);
	if (!error)
		error = aws_answer_take(look, who, answer, found);
	aws_answer_free(answer);
	return error;
}
