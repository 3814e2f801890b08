#include "tools/attach/inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mount/mountpoint.h"

#define CROSS "GIT_DISCOVERY_ACROSS_FILESYSTEM"

struct search {
	const char *here;
	size_t len; /* of the longest path of a mount that HERE lies in */
	bool is_overlay;
};

static int search_each(void *arg, const struct mountpoint *mountpoint)
{
	struct search *s = arg;
	size_t len = strlen(mountpoint->path);

	/* The root is shorter than any that matters. */
	if (len >= s->len && !strncmp(s->here, mountpoint->path, len) && (s->here[len] == '/' || !s->here[len])) {
		s->len = len;
		s->is_overlay = !strcmp(mountpoint->type, "fuse.fuse-overlayfs") ||
		                (!strcmp(mountpoint->type, "overlay") && !strncmp(mountpoint->source, "revfs:", 6));
	}
	return 0;
}

bool inside_cross(void)
{
	char *here = getenv(CROSS) ? NULL : getcwd(NULL, 0);
	struct search search = {.here = here};
	bool crosses = here && !mountpoint_each(search_each, &search) && search.is_overlay && !setenv(CROSS, "1", 1);

	free(here);
	return crosses;
}
