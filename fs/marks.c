#include "fs/marks.h"

#include <errno.h>
#include <string.h>

/* Whether MET is or has a whiteout of its name. */
static int is_whiteout(const struct marks *m, const struct scan_step *met, bool *is)
{
	enum layer_mark mark = LAYER_PLAIN;
	int error = 0;

	*is = met->marked;
	if (met->marked || met->event == SCAN_ENTER)
		return 0;
	error = layer_of_entry(m->dialect, scan_dir_fd(met->dir), met->name, &met->st, &mark);
	*is = mark == LAYER_WHITEOUT;
	return error;
}

int marks_say(struct marks *m, const struct scan_step *met, enum marks_say *say)
{
	bool is;
	int error;

	*say = MARKS_SHOWN;
	if (m->dialect == LAYER_NONE)
		return 0;
	*say = MARKS_NOTHING;
	if (met->marked && (!*met->name || layer_is_opaque_name(met->name)))
		return 0;
	/* A whiteout hides what is beside it, too. */
	if (m->hidden.len && !strcmp((const char *)m->hidden.data, met->name))
		return 0;
	error = is_whiteout(m, met, &is);
	if (error)
		return error;
	*say = is ? MARKS_HIDES : MARKS_SHOWN;
	if (!is)
		return 0;
	buffer_clear(&m->hidden);
	buffer_append(&m->hidden, met->name, met->name_len + 1);
	return m->hidden.failed ? -ENOMEM : 0;
}

int marks_enter(struct marks *m, struct scan *scan, bool *bare)
{
	enum layer_mark mark = LAYER_PLAIN;
	struct scan_dir *dir;
	int error;

	*bare = false;
	buffer_clear(&m->hidden);
	if (m->dialect == LAYER_NONE)
		return 0;
	error = scan_look(scan, &dir);
	if (!error)
		error = layer_of_directory(m->dialect, scan_dir_fd(dir), &mark);
	*bare = mark == LAYER_OPAQUE;
	return !error && mark == LAYER_ELSEWHERE ? -EREMOTE : error;
}

void marks_leave(struct marks *m)
{
	buffer_clear(&m->hidden);
}

void marks_release(struct marks *m)
{
	buffer_release(&m->hidden);
}
