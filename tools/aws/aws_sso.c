#include "tools/aws/aws_sso.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/foreign.h"
#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_place.h"
#include "tools/fail.h"
#include "tools/secret_file.h"

#define WHO "AWS's SSO portal"
#define CACHE ".aws/sso/cache/"

/* What a profile says of its login, borrowed from it. */
struct login {
	const char *profile; /* its name */
	const char *key;     /* what the token's file is named after */
	const char *region, *account, *role;
};

static int has_none(struct aws_look *look, const struct login *login, const char *what)
{
	return aws_look_fail(look, -EINVAL, "the profile '%s' logs in by SSO, and has no %s", login->profile, what);
}

static int find_login(struct aws_look *look, const struct aws_profile *profile, struct login *login)
{
	const char *session = aws_profile_get(profile, "sso_session");
	const char *start =
	    session ? aws_profile_session(profile, "sso_start_url") : aws_profile_get(profile, "sso_start_url");

	if (!session && !start)
		return -ENOENT;
	*login = (struct login){
	    .profile = aws_profile_name(profile),
	    .key = session ? session : start,
	    .region = session ? aws_profile_session(profile, "sso_region") : aws_profile_get(profile, "sso_region"),
	    .account = aws_profile_get(profile, "sso_account_id"),
	    .role = aws_profile_get(profile, "sso_role_name"),
	};
	if (session && !start)
		return aws_look_fail(look, -EINVAL,
		                     "the profile '%s' logs in by SSO, and there is no sso-session '%.100s' with an "
		                     "sso_start_url in AWS's files",
		                     login->profile, session);
	if (!login->region)
		return has_none(look, login, "sso_region");
	if (!login->account)
		return has_none(look, login, "sso_account_id");
	return login->role ? 0 : has_none(look, login, "sso_role_name");
}

/* What stands before and behind the profile's name, and what to type. */
static int not_logged_in(struct aws_look *look, const struct login *login, const char *before, const char *behind)
{
	return aws_look_fail(look, -EKEYREJECTED, "%s the profile '%s'%s: type 'aws sso login --profile %s'", before,
	                     login->profile, behind, login->profile);
}

/* --- the token --- */

static int take_token(struct aws_look *look, const struct login *login, const char *text, char **token)
{
	json_t *answer = json_loads(text, 0, NULL);
	const char *given = json_string_value(json_object_get(answer, "accessToken"));
	const char *until = json_string_value(json_object_get(answer, "expiresAt"));
	time_t expires;
	int error = 0;

	/* What cannot be read is written anew by the next login, as what is too old is. */
	if (!given || !until || !aws_http_fits(given) || aws_answer_time(until, &expires))
		error = not_logged_in(look, login, "the cached login by SSO of", " is damaged");
	else if (expires <= time(NULL))
		error = not_logged_in(look, login, "the login by SSO of", " has expired");
	else if (asprintf(token, "x-amz-sso_bearer_token: %s", given) < 0)
		error = -ENOMEM;
	aws_answer_free(answer);
	return error;
}

/* *TOKEN: the header with it, for credentials_wipe(). */
static int find_token(struct aws_look *look, const struct login *login, char **token)
{
	char name[sizeof(CACHE) + FOREIGN_SHA1_HEX_SIZE + 8], hex[FOREIGN_SHA1_HEX_SIZE], *path, *text;
	int error = foreign_sha1(login->key, hex);

	if (error)
		return error;
	snprintf(name, sizeof(name), CACHE "%s.json", hex);
	path = secret_file_path(NULL, name);
	error = path ? secret_file_read(path, &text) : -ENOENT;
	if (!error) {
		error = take_token(look, login, text, token);
		credentials_wipe(text);
	} else if (error == -ENOENT) {
		error = not_logged_in(look, login, "nobody has logged in by SSO for", "");
	} else if (error != -ENOMEM) {
		aws_look_fail(look, error, "cannot read '%s': %s", path, error_text(error));
	}
	free(path);
	return error;
}

/* --- the portal --- */

static int find_url(struct aws_look *look, const struct aws_profile *profile, const struct login *login, char **url)
{
	const struct aws_field fields[] = {{"account_id", login->account}, {"role_name", login->role}};
	const char *endpoint = aws_place_own_endpoint(profile, "sso");
	char *host = NULL, *query;
	int error = 0;

	if (endpoint)
		host = strdup(endpoint);
	else
		error = aws_place_url("portal.sso", login->region, &host);
	if (error == -EINVAL)
		return aws_look_fail(look, error, "the sso_region of the profile '%s' is none: '%.100s'",
		                     login->profile, login->region);
	query = aws_http_form(fields, 2);
	if (!host || !query) {
		error = -ENOMEM;
	} else {
		size_t len = strlen(host);

		while (len && host[len - 1] == '/')
			len--;
		error = asprintf(url, "%.*s/federation/credentials?%s", (int)len, host, query) < 0 ? -ENOMEM : 0;
	}
	credentials_wipe(query);
	free(host);
	return error;
}

/* {"roleCredentials":{"accessKeyId":...,"expiration":<milliseconds>}}: the others' names, and their unit. */
static int take(struct aws_look *look, const char *text, struct credentials *found)
{
	json_t *answer = NULL, *given, *time, *renamed = NULL;
	int error = aws_answer_parse(look, WHO, text, &answer);

	if (error)
		return error;
	given = json_object_get(answer, "roleCredentials");
	time = json_object_get(given, "expiration");
	time = json_is_number(time) ? json_real(json_number_value(time) / 1000) : json_incref(time);
	renamed = json_pack("{sO?sO?sO?so?}", "AccessKeyId", json_object_get(given, "accessKeyId"), "SecretAccessKey",
	                    json_object_get(given, "secretAccessKey"), "SessionToken",
	                    json_object_get(given, "sessionToken"), "Expiration", time);
	error = renamed ? aws_answer_take(look, WHO, renamed, found) : -ENOMEM;
	json_decref(renamed);
	aws_answer_free(answer);
	return error;
}

static int refused(struct aws_look *look, const struct login *login, long status)
{
	if (status == 401)
		return not_logged_in(look, login, "the login by SSO of", " does not count any more");
	if (status == 429 || status >= 500 || status < 400)
		return aws_look_fail(look, -EREMOTEIO, WHO " answered with the status %ld", status);
	return aws_look_fail(look, -EKEYREJECTED, WHO " refused the role '%.100s' of the account '%.100s' (status %ld)",
	                     login->role, login->account, status);
}

static int ask(struct aws_look *look, const struct login *login, const char *url, const char *token,
               struct credentials *found)
{
	struct aws_call call = {
	    .url = url,
	    .headers = &token,
	    .header_count = 1,
	    .timeout_ms = AWS_SSO_WAIT_S * 1000,
	};
	int error = aws_http_call(look, &call);

	if (!error && call.status != 200)
		error = refused(look, login, call.status);
	else if (!error)
		error = take(look, call.text ? call.text : "", found);
	else if (error != -EINTR && error != -ENOMEM)
		aws_look_fail(look, error, "cannot ask " WHO ": %s", error_text(error));
	aws_call_release(&call);
	return error;
}

int aws_sso_get(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	struct login login;
	char *url = NULL, *token = NULL;
	int error = find_login(look, profile, &login);

	if (!error)
		error = find_url(look, profile, &login, &url);
	if (!error)
		error = find_token(look, &login, &token);
	if (!error)
		error = ask(look, &login, url, token, found);
	credentials_wipe(token);
	free(url);
	return error;
}
