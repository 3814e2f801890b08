"""Pages, and the trees of directories and lists of chunks that they form, as revfs-format(5) describes them."""
import re
import struct

from store import PAGE, need
from xxh3 import xxh3_64

DIRECTORY, FILE, LIST = 1, 2, 3
INLINE, ONE_CHUNK, CHUNK_LIST = 0, 1, 2
KINDS = {1: 'file', 2: 'directory', 3: 'symlink', 4: 'foreign'}


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), 'page ends early')
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(value < 1 << 64 and (byte or shift == 7), 'varint')
                return value

    def zigzag(self):
        value = self.varint()
        return -(value + 1) // 2 if value & 1 else value // 2


IGNORABLE = re.compile('[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f'
                       '\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a'
                       '\U000e0000-\U000e0fff]')


def is_git(name):
    parts = IGNORABLE.sub('', name.decode('utf-8', 'surrogateescape')).split('\\')
    return any(re.match(r'(\.git|git~1)[. ]*(:|\Z)', part, re.IGNORECASE | re.ASCII) for part in parts)


class Entry:
    """An entry of a directory, or the one of a file page."""
    def __init__(self, c, page_kind):
        in_file = page_kind == FILE
        self.name = self.key = c.take(c.varint())
        need(in_file == (not self.name) and len(self.name) < 256, 'length of a name')
        need(not set(b'/\0') & set(self.name) and self.name not in (b'.', b'..') and not is_git(self.name), 'name')
        flags = c.byte()
        self.kind, self.executable, self.form = KINDS.get(flags & 7), flags >> 3 & 1, flags >> 4 & 3
        need(self.kind and flags < 64 and self.form < 3, 'flags of an entry')
        need(not self.executable or self.kind == 'file', 'executable')
        need(not in_file or self.kind == 'file', 'kind in a file page')
        self.size = c.varint()
        content = Cursor(c.take(c.varint()))
        self.id, self.totals, self.inline, self.place, self.time = None, None, None, None, None
        if self.kind == 'directory':
            self.id, self.totals = content.take(32), [content.varint() for _ in range(3)]
            need(self.size == 0 and self.form == 0, 'size of a directory')
        elif self.kind == 'foreign':
            algorithm, digest = content.byte(), content.take(len(content.data) - 1)
            need(self.form == 0 and len(digest) == {1: 16, 2: 32}.get(algorithm), 'foreign digest')
        elif self.form == INLINE:
            self.inline = content.take(self.size)
            need(self.size <= 128, 'inline size')
        else:
            self.id = content.take(32)
            need(129 <= self.size and (self.form == CHUNK_LIST or self.size <= 262144), 'size of a content')
        need(content.at == len(content.data) and self.size < 1 << 63, 'content of an entry')
        need(self.kind != 'symlink' or 1 <= self.size <= 4095, 'size of a symlink')


class Chunk:
    """An entry of a list."""
    def __init__(self, c, _):
        self.length, self.id, self.times, self.place = c.varint(), c.take(32), c.varint(), None
        self.key = self.id
        need(1 <= self.length <= 262144 and self.times >= 1, 'chunk of a list')


class Reference:
    def __init__(self, c, kind):
        self.key = c.take(c.varint()) if kind == DIRECTORY else c.take(32)
        self.id, self.place = c.take(32), None
        self.totals = [c.varint() for _ in range(3 if kind == DIRECTORY else 2)]


class Page:
    def __init__(self, raw, hashed_len, kind, level):
        c = Cursor(raw[:hashed_len])
        fixed = struct.unpack('<4sBBBBBBHI', c.take(16))
        need(fixed[:3] == (b'RVPG', 1, kind) and fixed[3:5] == (1, 1), 'header of a page')
        need((level is None or fixed[5] == level) and fixed[5] <= 6 and fixed[6] == fixed[8] == 0, 'level of a page')
        self.kind, self.level, count = kind, fixed[5], fixed[7]
        need(count <= 2048 and (kind != FILE or (count, self.level) == (1, 0)), 'number of entries')
        self.items = [self.item(c) for _ in range(count)]
        need(c.at == hashed_len, 'bytes behind the entries')
        if len(raw) > hashed_len:
            self.tail(Cursor(raw[hashed_len:]))

    def item(self, c):
        return (Reference if self.level else Chunk if self.kind == LIST else Entry)(c, self.kind)

    def tail(self, c):
        need(c.take(5) == b'RVTL\1', 'tail')
        packs = [c.take(16) for _ in range(c.varint())]
        need(len(packs) <= 2048, 'packs of the tail')
        for item in self.items:
            pack = c.varint() if item.id else 0
            if pack:
                need(pack <= len(packs), 'pack of a place')
                item.place = packs[pack - 1], c.varint(), c.varint()
        for entry in self.items if not self.level and self.kind != LIST else []:
            nanoseconds = c.varint()
            if nanoseconds:
                need(nanoseconds <= 10 ** 9, 'nanoseconds')
                entry.time = c.zigzag() * 10 ** 9 + nanoseconds - 1
        need(c.at == len(c.data), 'bytes behind the tail')


def check_cut(shape, keys):
    """The numbers of items in the pages of each level must be those of the cut of these keys."""
    for level in range(len(shape)):
        pages, last_keys, n = [], [], 0
        for i, key in enumerate(keys):
            n += 1
            if n == 2048 or (n >= 64 and level < 6 and xxh3_64(key) >> 9 * level & 511 == 0) or i == len(keys) - 1:
                pages.append(n)
                last_keys.append(key)
                n = 0
        need((pages or [0]) == shape[level], 'cut of level %d' % level)
        need((len(pages) <= 1) == (level == len(shape) - 1), 'number of levels')
        keys = last_keys


def walk_pages(store, kind, page, shape):
    """The items of all leaves below a page."""
    shape[page.level].append(len(page.items))
    if not page.level:
        return list(page.items)
    below = []
    for ref in page.items:
        child = Page(*store.get(PAGE, ref.id, ref.place), kind, page.level - 1)
        items = walk_pages(store, kind, child, shape)
        need(items and items[-1].key == ref.key, 'key of a reference')
        need(totals_of(items) == ref.totals, 'totals of a reference')
        below += items
    return below


def totals_of(items):
    if items and isinstance(items[0], Chunk):
        return [len(items), sum(i.length * i.times for i in items)]
    files = sum(e.totals[1] if e.kind == 'directory' else 1 for e in items)
    sizes = (e.totals[2] if e.kind == 'directory' else 0 if e.kind == 'symlink' else e.size for e in items)
    return [len(items), files, sum(sizes)]


def read_tree(store, kind, raw):
    page = Page(*raw, kind, None)
    shape = [[] for _ in range(page.level + 1)]
    items = walk_pages(store, kind, page, shape)
    check_cut(shape, [i.key for i in items])
    return items
