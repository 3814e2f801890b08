/*
 * One operation on a bucket, for the suite of S3 services:
 *
 *     s3_client ENDPOINT URL put PATH FILE | replace PATH FILE | get PATH FILE | stat PATH | remove PATH | list FOLDER
 *
 * Who asks is S3_USER and S3_SECRET in the environment; nobody without.  Prints sizes, a line each; an error by its
 * name, and ends with 1 then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/remote.h"

static int from_environment(void *arg, const char *url, const struct credentials *refused, struct credentials *found)
{
	const struct credentials set = {.user = getenv("S3_USER"), .secret = getenv("S3_SECRET")};

	(void)arg;
	(void)url;
	(void)refused;
	return set.user && set.secret ? credentials_copy(found, &set) : -ENOENT;
}

static int put(struct remote *remote, const char *path, const char *file, bool replace)
{
	struct remote_body body = {.fd = open(file, O_RDONLY | O_CLOEXEC)};
	struct stat st;
	int error;

	if (body.fd < 0 || fstat(body.fd, &st))
		return -errno;
	body.len = (uint64_t)st.st_size;
	error = remote_put(remote, path, &body, replace);
	close(body.fd);
	return error;
}

static int get(struct remote *remote, const char *path, const char *file)
{
	size_t len;
	void *data;
	int error = remote_read_file(remote, path, (size_t)1 << 30, &data, &len);
	FILE *out;

	if (error)
		return error;
	out = fopen(file, "we");
	if (!out || fwrite(data, 1, len, out) != len || fclose(out))
		error = -EIO;
	free(data);
	return error;
}

static int tell(void *arg, const char *path, const struct remote_stat *st)
{
	(void)arg;
	printf("%s %llu\n", path, (unsigned long long)st->size);
	return 0;
}

static int stat_file(struct remote *remote, const char *path)
{
	struct remote_stat st;
	int error = remote_stat(remote, path, &st);

	if (!error)
		printf("%llu\n", (unsigned long long)st.size);
	return error;
}

static int run(struct remote *remote, const char *verb, const char *path, const char *file)
{
	if (!strcmp(verb, "put") && file)
		return put(remote, path, file, false);
	if (!strcmp(verb, "replace") && file)
		return put(remote, path, file, true);
	if (!strcmp(verb, "get") && file)
		return get(remote, path, file);
	if (!strcmp(verb, "stat"))
		return stat_file(remote, path);
	if (!strcmp(verb, "remove"))
		return remote_remove(remote, path);
	return !strcmp(verb, "list") ? remote_list(remote, path, tell, NULL) : -EINVAL;
}

int main(int argc, char **argv)
{
	struct remote_setup setup = {.io = io_system(), .name = "s3", .credentials = {.get = from_environment}};
	struct remote *remote;
	int error;

	if (argc < 5)
		return 2;
	setup.endpoint = argv[1];
	setup.url = argv[2];
	error = remote_open(&setup, &remote);
	if (!error) {
		error = run(remote, argv[3], argv[4], argv[5]);
		remote_close(remote);
	}
	if (error)
		puts(strerrorname_np(-error));
	return error != 0;
}
