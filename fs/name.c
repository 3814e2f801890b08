#include "fs/name.h"

#include <stdint.h>
#include <string.h>

/*
 * Code points that file systems pass over when they compare names: the Default_Ignorable_Code_Point property of Unicode
 * 15, which case-folding ext4 and f2fs go by and which holds all that HFS+ ignores.
 */
static const struct {
	uint32_t first;
	uint32_t last;
} ignorable[] = {
    {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},   {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},   {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
    {0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_ignorable(uint32_t code)
{
	for (size_t i = 0; i < sizeof(ignorable) / sizeof(ignorable[0]); i++)
		if (code >= ignorable[i].first && code <= ignorable[i].last)
			return true;
	return false;
}

/* The length of the UTF-8 sequence at NAME (LEN bytes, first one not ASCII), or 0 where there is none. */
static size_t read_code(const char *name, size_t len, uint32_t *code)
{
	const uint8_t *p = (const uint8_t *)name;
	size_t more = p[0] >= 0xf0 && p[0] < 0xf8 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc2 ? 1 : 0;

	if (more == 0 || p[0] >= 0xf8 || len <= more)
		return 0;
	*code = p[0] & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	return more + 1;
}

/* Copy NAME without its ignorable code points, in lower case, up to SIZE bytes; returns the count. */
static size_t fold(const char *name, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size;) {
		uint8_t c = (uint8_t)name[i];
		uint32_t code;
		size_t skip = c < 0x80 ? 0 : read_code(name + i, len - i, &code);

		if (skip > 0 && is_ignorable(code)) {
			i += skip;
			continue;
		}
		out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
		i++;
	}
	return n;
}

/* One component, as NTFS separates them: `.git` or `git~1`, then dots and blanks to the end or to a stream's colon. */
static bool component_is_dotgit(const char *name, size_t len)
{
	char folded[NAME_SIZE_MAX];
	size_t n = fold(name, len, folded, sizeof(folded));
	size_t at;

	if (n >= 4 && memcmp(folded, ".git", 4) == 0)
		at = 4;
	else if (n >= 5 && memcmp(folded, "git~1", 5) == 0)
		at = 5;
	else
		return false;
	while (at < n && (folded[at] == '.' || folded[at] == ' '))
		at++;
	return at == n || folded[at] == ':';
}

bool name_is_dotgit(const char *name, size_t len)
{
	const char *end = name + len;

	for (;;) {
		const char *separator = memchr(name, '\\', (size_t)(end - name));
		const char *stop = separator ? separator : end;
		uint8_t first = name < stop ? (uint8_t)*name : 'x';

		/* Most names are told apart by their first byte. */
		if ((first == '.' || first == 'g' || first == 'G' || first >= 0x80) &&
		    component_is_dotgit(name, (size_t)(stop - name)))
			return true;
		if (!separator)
			return false;
		name = separator + 1;
	}
}

bool name_is_component(const char *name, size_t len)
{
	if (len == 0 || len > NAME_SIZE_MAX)
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

bool name_is_valid(const char *name, size_t len)
{
	return name_is_component(name, len) && !name_is_dotgit(name, len);
}

int name_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t common = a_len < b_len ? a_len : b_len;
	int order = common > 0 ? memcmp(a, b, common) : 0;

	if (order != 0)
		return order;
	return (a_len > b_len) - (a_len < b_len);
}
