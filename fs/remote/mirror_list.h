/*
 * What a remote has, as it lists it: the files of a store by their ids.  Belongs to one thread.
 */
#ifndef FS_MIRROR_LIST_H
#define FS_MIRROR_LIST_H

#include "cache/id_set.h"
#include "cache/remote.h"

struct mirror_file {
	struct id id; /* of a pack as pack_check_key() has it */
	uint64_t size;
};

struct mirror_files {
	struct mirror_file *files; /* sorted by id */
	size_t count, room;
};

struct mirror_list {
	struct mirror_files roots, packs, moved;
	struct id_set condemned_packs, condemned_roots;
};

/* Read the list (zeroed) of REMOTE: roots, then what is condemned, then the rest.  Names that are none of a store's are
 * passed over.  0; -ENOTSUP for a condemned list of a later version; errors of the remote; -ENOMEM. */
int mirror_list_read(struct mirror_list *list, struct remote *remote);

/* Add what REMOTE has condemned.  The same. */
int mirror_list_read_condemned(struct mirror_list *list, struct remote *remote);

/* The file of ID, or NULL. */
const struct mirror_file *mirror_files_find(const struct mirror_files *files, const struct id *id);

/* Free what it holds. */
void mirror_list_release(struct mirror_list *list);

#endif
