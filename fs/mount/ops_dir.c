#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "fs/mount/ops.h"

/* An answer to READDIR or READDIRPLUS while it is filled. */
struct answer {
	fuse_req_t req;
	struct view *view;
	char *data;
	size_t size;
	size_t len;
};

static int answer_add(void *arg, const struct view_item *item)
{
	struct answer *answer = arg;
	struct stat attr = {.st_ino = item->ino, .st_mode = item->type};
	size_t len = fuse_add_direntry(answer->req, answer->data + answer->len, answer->size - answer->len, item->name,
	                               &attr, (off_t)item->cookie);

	if (len > answer->size - answer->len)
		return 1;
	answer->len += len;
	return 0;
}

static int answer_add_plus(void *arg, const struct view_item *item)
{
	struct answer *answer = arg;
	struct fuse_entry_param param = {0};
	struct view_entry entry;
	size_t len = fuse_add_direntry_plus(answer->req, NULL, 0, item->name, NULL, 0);
	int err;

	/* Only what fits is counted. */
	if (len > answer->size - answer->len)
		return 1;
	err = view_take_item(answer->view, item, &entry);
	if (err)
		return err;
	param.ino = entry.id;
	param.attr = entry.attr;
	param.attr_timeout = entry.attr_timeout_s;
	param.entry_timeout = entry.entry_timeout_s;
	answer->len += fuse_add_direntry_plus(answer->req, answer->data + answer->len, answer->size - answer->len,
	                                      item->name, &param, (off_t)item->cookie);
	return 0;
}

/* Un-count what an answer counted that did not arrive. */
static void answer_forget(const struct answer *answer)
{
	size_t at = 0;

	while (at < answer->len) {
		const struct fuse_direntplus *entry = (const void *)(answer->data + at);

		if (entry->entry_out.nodeid)
			view_forget(answer->view, entry->entry_out.nodeid, 1);
		at += FUSE_DIRENTPLUS_SIZE(entry);
	}
}

static int list(struct call *call, view_each add, bool counted)
{
	struct answer answer = {.req = call->req, .view = ops_begin(call), .data = ops_scratch(), .size = call->size};
	int err = call->offset < 0 ? -EINVAL : view_list(answer.view, call->ino, (uint64_t)call->offset, add, &answer);

	call->kind = COUNTERS_READDIR;
	/* An error behind entries is told when the kernel comes back for what is behind them. */
	if (err && answer.len == 0)
		return ops_failed(call, err);
	if (fuse_reply_buf(call->req, answer.data, answer.len) == -ENOENT && counted)
		answer_forget(&answer);
	return 0;
}

static int run_readdir(struct call *call)
{
	return list(call, answer_add, false);
}

void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	ops_call(req, run_readdir, ino, NULL, size < OPS_READ_MAX ? size : OPS_READ_MAX, offset);
}

static int run_readdirplus(struct call *call)
{
	return list(call, answer_add_plus, true);
}

void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	ops_call(req, run_readdirplus, ino, NULL, size < OPS_READ_MAX ? size : OPS_READ_MAX, offset);
}
