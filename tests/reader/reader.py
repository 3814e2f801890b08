#!/usr/bin/env python3
"""A reader of whole stores, written from revfs-format(5) alone: a second opinion on what that page says.

    reader.py GITDIR REVISION             a line for everything in the datasets of REVISION
    reader.py GITDIR REVISION OUT         and writes the datasets into the folder OUT

Lines are "kind mode size sha256 time path", of a symlink the SHA-256 of its target, "-" for what there is not; the path is
that of the work tree, what is not printable ASCII in it as %XX.  Every pack of the store and everything below the roots is
checked on the way: checksums, ids, totals, forms, the cuts of pages and chunks.  What is wrong is an error and status 1.
"""
import hashlib
import os
import re
import struct
import subprocess
import sys

from store import CHUNK, PAGE, Damage, Store, need
from tree import DIRECTORY, FILE, INLINE, LIST, ONE_CHUNK, read_tree, totals_of

GEAR = [int.from_bytes(hashlib.sha256(b'revfs chunker 1' + bytes([i])).digest()[:8], 'little') for i in range(256)]


def cut(data, at):
    n, h = len(data) - at, 0
    for i in range(16384, min(n, 262144)):
        h = (h << 1) + GEAR[data[at + i]] & 0xFFFFFFFFFFFFFFFF
        if not h >> (46 if i < 65536 else 50):
            return i + 1
    return min(n, 262144)


def content(store, entry):
    if entry.form == INLINE:
        return entry.inline
    if entry.form == ONE_CHUNK:
        data = store.get(CHUNK, entry.id, entry.place)[0]
        lengths = [len(data)]
    else:
        chunks = read_tree(store, LIST, store.get(PAGE, entry.id, entry.place))
        need(all(a.id != b.id for a, b in zip(chunks, chunks[1:])), 'equal neighbours in a list')
        lengths = [c.length for c in chunks for _ in range(c.times)]
        need(len(lengths) > 1, 'list of one chunk')
        pieces = [(store.get(CHUNK, c.id, c.place)[0], c) for c in chunks]
        need(all(len(piece) == c.length for piece, c in pieces), 'length of a chunk')
        data = b''.join(piece * c.times for piece, c in pieces)
    need(len(data) == entry.size, 'size of a content')
    at = 0
    for length in lengths:
        need(cut(data, at) == length, 'cut of a content')
        at += length
    need(entry.kind != 'symlink' or b'\0' not in data, 'NUL in a symlink')
    return data


def show(entry, path, data):
    print(entry.kind, '-' if entry.kind != 'file' else '755' if entry.executable else '644', entry.size,
          '-' if data is None else hashlib.sha256(data).hexdigest(),
          '-' if entry.time is None else '%d.%09d' % divmod(entry.time, 10 ** 9),
          ''.join(chr(b) if 33 <= b < 127 and b != 37 else '%%%02X' % b for b in path))


class Reader:
    def __init__(self, store, commit_time, out):
        self.store, self.commit_time, self.out = store, commit_time, out

    def place(self, path):
        target = os.path.join(self.out, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        return target

    def entry(self, entry, path, depth=0):
        data = content(self.store, entry) if entry.kind in ('file', 'symlink') else None
        show(entry, path, data)
        if entry.kind == 'directory':
            totals = self.directory(self.store.get(PAGE, entry.id, entry.place), path, depth + 1)
            need(totals == entry.totals, 'totals of a directory')
        if self.out is None or entry.kind == 'foreign':
            return
        target = self.place(path)
        if entry.kind == 'symlink':
            os.symlink(data, target)
        elif entry.kind == 'file':
            with open(target, 'wb') as f:
                f.write(data)
            os.chmod(target, 0o755 if entry.executable else 0o644)
        time = self.commit_time if entry.time is None else entry.time
        os.utime(target, ns=(time, time), follow_symlinks=False)

    def directory(self, raw, path, depth=0):
        """Reads what is in a directory; answers its totals."""
        need(depth < 1024, 'too deep')
        if self.out is not None:
            os.mkdir(self.place(path))
        entries = read_tree(self.store, DIRECTORY, raw)
        need(all(a.name < b.name for a, b in zip(entries, entries[1:])), 'order of names')
        for entry in entries:
            self.entry(entry, path + b'/' + entry.name, depth)
        return totals_of(entries)

    def dataset(self, path, pointer):
        kind, root, files, size = read_pointer(pointer)
        raw = self.store.root(root)
        if kind == 'directory':
            totals = self.directory(raw, path)[1:]
        else:
            entry, = read_tree(self.store, FILE, raw)
            self.entry(entry, path)
            totals = [1, entry.size]
        need(totals == [files, size], 'numbers of the pointer')


def read_pointer(text):
    need(len(text) <= 4096 and text.endswith(b'\n'), 'length of the pointer')
    lines = [line.removesuffix(b'\r').decode().split(' ', 1) for line in text[:-1].split(b'\n')]
    need([line[0] for line in lines[:5]] == ['revfs', 'type', 'root', 'files', 'bytes'], 'lines of the pointer')
    version, kind, root, files, size = (line[1] for line in lines[:5])
    need(version == '1' and kind in ('directory', 'file') and re.fullmatch('sha256:[0-9a-f]{64}', root), 'pointer')
    need(re.fullmatch('0|[1-9][0-9]*', files) and re.fullmatch('0|[1-9][0-9]*', size), 'numbers of the pointer')
    return kind, bytes.fromhex(root[7:]), int(files), int(size)


def pointers(git, revision):
    """The path of each dataset of a revision, and its pointer file."""
    for line in git('ls-tree', '-r', '-z', '--full-tree', revision).split(b'\0'):
        info, _, path = line.partition(b'\t')
        if path.endswith(b'.revfs') and os.path.basename(path) != b'.revfs' and info.startswith(b'100'):
            yield path[:-6], git('cat-file', 'blob', info.split()[2].decode())


def main(gitdir, revision, out=None):
    def git(*command):
        return subprocess.run(('git', '--git-dir', gitdir) + command, check=True, stdout=subprocess.PIPE).stdout
    common = git('rev-parse', '--path-format=absolute', '--git-common-dir').rstrip(b'\n')
    time = int(git('show', '-s', '--format=%ct', revision + '^{commit}')) * 10 ** 9
    path = b'the store'
    try:
        reader = Reader(Store(os.path.join(os.fsdecode(common), 'revfs')), time, out and os.fsencode(out))
        for path, pointer in pointers(git, revision):
            reader.dataset(path, pointer)
    except (Damage, OSError, ValueError, struct.error) as error:
        return '%s: %s' % (os.fsdecode(path), error)


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
