#include "tools/cache_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tools/command.h"
#include "tools/path.h"

/* The folder by the settings, else by the environment; malloc'ed, NULL where neither says. */
static char *find_path(struct config *config)
{
	const char *set = config_string(config, "cacheDir"), *home;

	if (set && *set)
		return strdup(set);
	home = getenv("XDG_CACHE_HOME");
	if (home && *home == '/')
		return path_join(home, "revfs");
	home = getenv("HOME");
	return home && *home == '/' ? path_join(home, ".cache/revfs") : NULL;
}

/* Make the folders above PATH. */
static void make_above(const char *path)
{
	char *copy = strdup(path);

	for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0700);
		*slash = '/';
	}
	free(copy);
}

/* The disk that PATH, or the nearest folder above that is there, lies on. */
static int find_disk(const char *path, struct statvfs *disk)
{
	char *copy = strdup(path), *slash;
	int error = copy ? -ENOENT : -ENOMEM;

	while (error == -ENOENT) {
		error = statvfs(copy, disk) ? -errno : 0;
		slash = strrchr(copy, '/');
		if (!slash || slash == copy)
			break;
		*slash = '\0';
	}
	free(copy);
	return error;
}

int cache_place_find(struct config *config, struct cache_place *place)
{
	int64_t set = 0;
	struct statvfs disk;
	int error;

	*place = (struct cache_place){.path = find_path(config)};
	if (!place->path)
		return fail(EXIT_NOT_FOUND, "there is no place for the cache: 'git config --global revfs.cacheDir DIR' "
		                            "names one");
	if (*place->path != '/')
		return fail_usage("cacheDir is '%s': a path from / on is wanted", place->path);
	make_above(place->path);
	error = config_integer(config, "cacheSize", &set);
	if (error == -EINVAL)
		return EXIT_USAGE;
	if (set < 0)
		return fail_usage("cacheSize is %lld: a number of bytes is wanted", (long long)set);
	error = find_disk(place->path, &disk);
	if (error)
		return fail(exit_code_of(error), "cannot find the disk of '%s': %s", place->path, error_text(error));
	place->limit_bytes = (uint64_t)disk.f_blocks * disk.f_frsize / 10;
	place->floor_bytes = (uint64_t)disk.f_blocks * disk.f_frsize / 20;
	if (set)
		place->limit_bytes = (uint64_t)set;
	return EXIT_DONE;
}

void cache_place_release(struct cache_place *place)
{
	free(place->path);
	place->path = NULL;
}

int cache_place_open(const struct cache_place *place, struct cached **cached)
{
	const struct cached_setup setup = {
	    .io = io_system(),
	    .path = place->path,
	    .limit_bytes = place->limit_bytes,
	    .floor_bytes = place->floor_bytes,
	};

	return cached_open(&setup, cached);
}

int cache_place_open_here(struct cached **cached)
{
	struct cache_place place = {0};
	struct repo *repo = NULL;
	struct config *config;
	int error, status;

	if (repo_open(".", REPO_ANY, &repo, NULL))
		repo = NULL;
	error = config_open(repo, &config);
	status = error ? (int)exit_code_of(error) : cache_place_find(config, &place);
	if (!error)
		config_close(config);
	error = status ? 0 : cache_place_open(&place, cached);
	if (error)
		status = fail(exit_code_of(error), "cannot open the cache '%s': %s", place.path, error_text(error));
	cache_place_release(&place);
	if (repo)
		repo_close(repo);
	return status;
}
