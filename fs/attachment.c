#include "fs/attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cache/io.h"
#include "cache/wire.h"
#include "fs/line_path.h"
#include "fs/mount/mountpoint.h"
#include "fs/name.h"

#define FIRST_LINE "revfs-attached 1\n"
#define RECORD "record"
#define RECORD_SIZE_MAX 65536
#define LOCK "lock"

static const char *const dialects[] = {
    [LAYER_KERNEL] = "kernel", [LAYER_KERNEL_USER] = "kernel-user", [LAYER_FUSE] = "fuse"};

#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))

/* --- paths --- */

/* Whether PATH is names with a slash between each two. */
static bool is_relative(const char *path)
{
	for (;; path++) {
		size_t len = strcspn(path, "/");

		if (!name_is_component(path, len))
			return false;
		path += len;
		if (!*path)
			return true;
	}
}

static bool is_absolute(const char *path)
{
	return path[0] == '/' && (!path[1] || is_relative(path + 1));
}

static bool is_name(const char *name)
{
	struct pack_id id;

	return !pack_id_parse(name, strlen(name), &id);
}

void attachment_name(const char *worktree, const char *path, char name[ATTACHMENT_NAME_SIZE])
{
	struct buffer text = {0};
	char hex[ID_HEX_SIZE];
	struct id id = {0};

	buffer_append(&text, worktree, strlen(worktree) + 1);
	buffer_append(&text, path, strlen(path));
	if (!text.failed)
		id_of(text.data, text.len, &id);
	buffer_release(&text);
	snprintf(name, ATTACHMENT_NAME_SIZE, "%s", id_format(&id, hex));
}

/* Whether it says what attach says, nothing of which leads anywhere else. */
static bool is_sound(const struct attachment *a)
{
	const char *name = strrchr(a->folder, '/');
	char own[ATTACHMENT_NAME_SIZE];

	if (!is_absolute(a->worktree) || !is_relative(a->path) || !is_absolute(a->folder) || a->base.is_file ||
	    a->base.unknown_keys)
		return false;
	attachment_name(a->worktree, a->path, own);
	return !strcmp(own, a->name) && !strcmp(name + 1, a->name);
}

char *attachment_place(const struct attachment *attachment)
{
	const char *slash = attachment->worktree[1] ? "/" : "";
	char *place;

	return asprintf(&place, "%s%s%s", attachment->worktree, slash, attachment->path) < 0 ? NULL : place;
}

void attachment_release(struct attachment *attachment)
{
	free(attachment->name);
	free(attachment->worktree);
	free(attachment->path);
	free(attachment->folder);
	*attachment = (struct attachment){0};
}

/* --- the lines --- */

static void put_line(struct buffer *text, const char *key, const char *value)
{
	buffer_append(text, key, strlen(key));
	buffer_put8(text, ' ');
	line_path_put(text, value);
	buffer_put8(text, '\n');
}

static void format(const struct attachment *a, struct buffer *text)
{
	char hex[OID_HEX_MAX], pointer[POINTER_TEXT_MAX];

	buffer_append(text, FIRST_LINE, strlen(FIRST_LINE));
	put_line(text, "overlay", dialects[a->dialect]);
	put_line(text, "commit", oid_format(&a->commit, hex));
	put_line(text, "worktree", a->worktree);
	put_line(text, "path", a->path);
	put_line(text, "folder", a->folder);
	buffer_append(text, pointer, pointer_format(&a->base, pointer));
}

/* line_take(), the value undone. */
static char *take_line(char **text, const char *key)
{
	char *value = line_take(text, key);

	return value && line_path_take(value) ? value : NULL;
}

static bool take_dialect(char **text, enum layer_dialect *dialect)
{
	const char *value = take_line(text, "overlay");

	for (size_t i = LAYER_KERNEL; value && i < DIALECTS; i++) {
		if (!strcmp(value, dialects[i])) {
			*dialect = (enum layer_dialect)i;
			return true;
		}
	}
	return false;
}

static bool take_commit(char **text, struct oid *commit)
{
	const char *value = take_line(text, "commit");

	return value && !oid_parse(value, strlen(value), commit);
}

/* Parse a whole record, in place; the strings point into TEXT. */
static bool parse(char *text, size_t len, struct attachment *a)
{
	if (strlen(text) != len || strncmp(text, FIRST_LINE, strlen(FIRST_LINE)))
		return false;
	text += strlen(FIRST_LINE);
	if (!take_dialect(&text, &a->dialect) || !take_commit(&text, &a->commit))
		return false;
	a->worktree = take_line(&text, "worktree");
	a->path = a->worktree ? take_line(&text, "path") : NULL;
	a->folder = a->path ? take_line(&text, "folder") : NULL;
	return a->folder && !pointer_parse(text, strlen(text), &a->base, NULL, NULL) && is_sound(a);
}

/* --- records --- */

struct reading {
	int folder;
	struct attachments *found;
};

static int copy(const struct attachment *from, struct attachment *to)
{
	*to = *from;
	to->name = strdup(from->name);
	to->worktree = strdup(from->worktree);
	to->path = strdup(from->path);
	to->folder = strdup(from->folder);
	if (to->name && to->worktree && to->path && to->folder)
		return 0;
	attachment_release(to);
	return -ENOMEM;
}

static int add(struct attachments *found, const struct attachment *a)
{
	struct attachment *items = reallocarray(found->items, found->count + 1, sizeof(*items));
	int error;

	if (!items)
		return -ENOMEM;
	found->items = items;
	error = copy(a, &items[found->count]);
	if (!error)
		found->count++;
	return error;
}

static int read_record(void *arg, const char *name)
{
	struct reading *r = arg;
	struct attachment a = {.name = (char *)name};
	char path[ATTACHMENT_NAME_SIZE + sizeof("/" RECORD)];
	void *text;
	size_t len;
	int error;

	if (!is_name(name))
		return 0;
	snprintf(path, sizeof(path), "%s/" RECORD, name);
	error = io_read_file(io_system(), r->folder, path, RECORD_SIZE_MAX, &text, &len);
	/* A folder that is being made or removed has none. */
	if (error == -ENOENT || error == -ENOMEM)
		return error == -ENOENT ? 0 : error;
	if (error) {
		r->found->damaged++;
		return 0;
	}
	if (parse(text, len, &a))
		error = add(r->found, &a);
	else
		r->found->damaged++;
	free(text);
	return error;
}

static int order(const void *a, const void *b)
{
	const struct attachment *x = a, *y = b;
	int cmp = strcmp(x->worktree, y->worktree);

	return cmp ? cmp : strcmp(x->path, y->path);
}

/* Open revfs/attached below GIT_DIR. */
static int open_folder(const char *git_dir, bool make)
{
	const struct io *io = io_system();
	int top = io_open(io, AT_FDCWD, git_dir, O_RDONLY | O_DIRECTORY, 0), fd, error = 0;

	if (top < 0)
		return top;
	if (make) {
		error = io_mkdir(io, top, "revfs", 0777);
		if (!error || error == -EEXIST)
			error = io_mkdir(io, top, ATTACHMENTS_FOLDER, 0777);
		if (!error)
			error = io_fsync_dir(io, top, "revfs/.");
	}
	fd = error && error != -EEXIST ? error : io_open(io, top, ATTACHMENTS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
	io_close(io, top);
	return fd;
}

int attachments_read(const char *git_dir, struct attachments *attachments)
{
	struct reading r = {.folder = open_folder(git_dir, false), .found = attachments};
	int error;

	*attachments = (struct attachments){0};
	if (r.folder < 0)
		return r.folder == -ENOENT ? 0 : r.folder;
	error = io_list(io_system(), r.folder, ".", read_record, &r);
	io_close(io_system(), r.folder);
	if (error)
		attachments_release(attachments);
	else if (attachments->count)
		qsort(attachments->items, attachments->count, sizeof(attachments->items[0]), order);
	return error;
}

void attachments_release(struct attachments *attachments)
{
	for (size_t i = 0; i < attachments->count; i++)
		attachment_release(&attachments->items[i]);
	free(attachments->items);
	*attachments = (struct attachments){0};
}

const struct attachment *attachments_find(const struct attachments *attachments, const char *worktree, const char *path)
{
	struct attachment key = {.worktree = (char *)worktree, .path = (char *)path};

	if (!attachments->count)
		return NULL;
	return bsearch(&key, attachments->items, attachments->count, sizeof(key), order);
}

int attachments_lock(const char *git_dir, unsigned timeout_ms)
{
	const struct io *io = io_system();
	int folder = open_folder(git_dir, true), fd, error;

	if (folder < 0)
		return folder;
	fd = io_open(io, folder, LOCK, O_RDWR | O_CREAT, 0666);
	if (fd >= 0)
		io_share_file(io, folder, fd);
	io_close(io, folder);
	error = fd < 0 ? fd : io_lock(io, fd, true, timeout_ms);
	if (error && fd >= 0)
		io_close(io, fd);
	return error ? error : fd;
}

int attachment_write(const char *git_dir, const struct attachment *attachment)
{
	const struct io *io = io_system();
	struct buffer text = {0};
	char path[ATTACHMENT_NAME_SIZE + sizeof("/" RECORD)];
	int folder, error;

	if (attachment->dialect == LAYER_NONE || !is_sound(attachment))
		return -EINVAL;
	folder = open_folder(git_dir, true);
	if (folder < 0)
		return folder;
	error = io_mkdir(io, folder, attachment->name, 0777);
	if (!error)
		error = io_fsync_dir(io, folder, ".");
	format(attachment, &text);
	snprintf(path, sizeof(path), "%s/" RECORD, attachment->name);
	if (text.failed)
		error = -ENOMEM;
	if (!error)
		error = io_replace_file(io, folder, attachment->name, path, text.data, text.len, 0644);
	buffer_release(&text);
	io_close(io, folder);
	return error;
}

static int open_own(const char *git_dir, const struct attachment *attachment)
{
	const struct io *io = io_system();
	int folder = open_folder(git_dir, false), own;

	if (folder < 0)
		return folder;
	own = io_open(io, folder, attachment->name, O_RDONLY | O_DIRECTORY, 0);
	io_close(io, folder);
	return own;
}

static int forget_file(void *arg, const char *name)
{
	const int *own = arg;

	if (strcmp(name, RECORD) && unlinkat(*own, name, 0) && errno != ENOENT && errno != EISDIR && errno != EPERM)
		return -errno;
	return 0;
}

int attachment_forget(const char *git_dir, const struct attachment *attachment)
{
	const struct io *io = io_system();
	int own = open_own(git_dir, attachment), error;

	if (own < 0)
		return own == -ENOENT ? 0 : own;
	error = io_list(io, own, ".", forget_file, &own);
	io_close(io, own);
	return error;
}

int attachment_remove(const char *git_dir, const struct attachment *attachment)
{
	const struct io *io = io_system();
	int error = attachment_forget(git_dir, attachment), folder = open_folder(git_dir, false);
	int own = open_own(git_dir, attachment);

	if (!error && own >= 0)
		error = io_unlink(io, own, RECORD);
	if (error == -ENOENT)
		error = 0;
	if (!error && own >= 0)
		error = io_fsync(io, own);
	io_close(io, own);
	/* What is left of UPPER and WORK may lie there. */
	if (!error && folder >= 0 && unlinkat(folder, attachment->name, AT_REMOVEDIR) && errno != ENOENT &&
	    errno != ENOTEMPTY && errno != EEXIST)
		error = -errno;
	if (!error && folder >= 0)
		error = io_fsync(io, folder);
	io_close(io, folder);
	return error;
}

/* --- the kernel's table --- */

struct search {
	const struct attachment *attachment;
	const char *place;
	bool found;
};

/* Whether both are the same but for backslashes, of which the kernel shows some that were only to protect a sign. */
static bool is_same_path(const char *shown, const char *path)
{
	for (;; shown++, path++) {
		shown += strspn(shown, "\\");
		path += strspn(path, "\\");
		if (*shown != *path)
			return false;
		if (!*path)
			return true;
	}
}

/* Whether OPTIONS of an overlay have the folder UPPER of the attachment. */
static bool has_upper(const struct attachment *a, const char *options)
{
	char *text = strdup(options), *upper = NULL, *save = NULL, *option;
	bool has = false;

	if (text && asprintf(&upper, "%s/upper", a->folder) >= 0) {
		for (option = strtok_r(text, ",", &save); option; option = strtok_r(NULL, ",", &save)) {
			if (strncmp(option, "upperdir=", 9) != 0)
				continue;
			mountpoint_unescape(option);
			has = is_same_path(option + 9, upper);
		}
	} else {
		upper = NULL;
	}
	free(upper);
	free(text);
	return has;
}

static int look_at_mount(void *arg, const struct mountpoint *mountpoint)
{
	struct search *s = arg;

	if (strcmp(mountpoint->path, s->place) != 0)
		return 0;
	if (s->attachment->dialect == LAYER_FUSE)
		s->found = !strcmp(mountpoint->type, "fuse.fuse-overlayfs");
	else
		s->found = !strcmp(mountpoint->type, "overlay") && has_upper(s->attachment, mountpoint->options);
	return 0;
}

int attachment_is_mounted(const struct attachment *attachment)
{
	char *place = attachment_place(attachment);
	struct search s = {.attachment = attachment, .place = place};
	struct statvfs st;
	int error;

	if (!place)
		return -ENOMEM;
	error = mountpoint_each(look_at_mount, &s);
	/* The kernel keeps the mount of a process that died; it knows so only when asked for something. */
	if (!error && s.found && attachment->dialect == LAYER_FUSE && statvfs(place, &st) &&
	    (errno == ENOTCONN || errno == ECONNABORTED))
		error = -ENOTCONN;
	free(place);
	return error ? error : s.found;
}

static int look_for_shells(void *arg, const struct mountpoint *mountpoint)
{
	if (strncmp(mountpoint->source, ATTACHMENT_FOR_SHELLS, strlen(ATTACHMENT_FOR_SHELLS)) != 0)
		return 0;
	return look_at_mount(arg, mountpoint);
}

int attachment_is_mounted_for(const struct attachment *attachment, pid_t pid)
{
	char *place = attachment_place(attachment);
	struct search s = {.attachment = attachment, .place = place};
	int error = place ? 0 : -ENOMEM;

	if (!error && attachment->dialect != LAYER_FUSE)
		error = mountpoint_each_of(pid, look_for_shells, &s);
	free(place);
	return error ? error : s.found;
}
