#!/usr/bin/env python3
"""Random operations on a tree, each state snapshotted, every revision compared afterwards.

    model.py SEED STATES OPERATIONS [EVERY]

To be run in an empty folder, with `revfs` in PATH and the environment of tests/cli/harness.  The truth is a copy of the tree
after each round.  What git then names is read by `revfs export`, and one state in EVERY (default 10), counted from the last,
also by the reader that was written from revfs-format(5) alone, which is slow.  At the end `revfs checkout` goes from state to
state at random.
"""
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
READER = os.path.join(HERE, '..', 'reader', 'reader.py')
SIZES = (0, 1, 127, 128, 129, 5000, 16384, 16385, 70000, 262144, 262145, 900000, 1048576, 1048577, 2500000)
NAMES = (b'a', b'b', b'A', b'c d', b'\xff\xfe', b'new\nline', b'-x', b'"q"', b'.hidden', b'z' * 255, b'a.txt', b'a-', b'a0')


class Model:
    def __init__(self, seed, top=b'data'):
        self.random = random.Random(seed)
        self.top = top
        os.mkdir(self.top)

    def entries(self, kinds='fdl'):
        found = []
        for folder, directories, files in os.walk(self.top):
            for name in directories + files:
                path = os.path.join(folder, name)
                kind = 'l' if os.path.islink(path) else 'd' if os.path.isdir(path) else 'f'
                if kind in kinds:
                    found.append(path)
        return sorted(found)

    def folder(self):
        return self.random.choice([self.top] + self.entries('d'))

    def new_path(self):
        name = self.random.choice(NAMES) if self.random.random() < 0.5 else b'%d' % self.random.randrange(1000)
        return os.path.join(self.folder(), name)

    def bytes(self):
        size = self.random.choice(SIZES)
        if self.random.random() < 0.3:
            return bytes(size)
        if self.random.random() < 0.3:
            return (b'%d,' % self.random.randrange(1000)) * (size // 4)
        return self.random.randbytes(size)

    def remove(self, path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.remove(path)

    def create(self):
        path = self.new_path()
        self.remove(path)
        with open(path, 'wb') as f:
            f.write(self.bytes())

    def create_sparse(self):
        path = self.new_path()
        self.remove(path)
        with open(path, 'wb') as f:
            for _ in range(self.random.randrange(4)):
                f.seek(self.random.randrange(4000000))
                f.write(self.random.randbytes(self.random.randrange(100000)))
            f.truncate(self.random.randrange(6000000))

    def make_folder(self):
        path = self.new_path()
        self.remove(path)
        os.mkdir(path)

    def make_link(self):
        path = self.new_path()
        self.remove(path)
        os.symlink(self.random.choice((b'a', b'nowhere/' + b'x' * 150, b'./b/c')), path)

    def with_file(self, change):
        files = self.entries('f')
        if files:
            change(self.random.choice(files))

    def overwrite(self):
        def change(path):
            with open(path, 'r+b') as f:
                f.seek(self.random.randrange(os.path.getsize(path) + 1))
                f.write(self.random.randbytes(self.random.randrange(1, 2000)))
        self.with_file(change)

    def rewrite_same_size(self):
        def change(path):
            with open(path, 'r+b') as f:
                f.write(self.random.randbytes(os.path.getsize(path)))
        self.with_file(change)

    def insert(self):
        def change(path):
            with open(path, 'rb') as f:
                data = f.read()
            at = self.random.randrange(len(data) + 1)
            with open(path, 'wb') as f:
                f.write(data[:at] + self.random.randbytes(100) + data[at:])
        self.with_file(change)

    def append(self):
        def change(path):
            with open(path, 'ab') as f:
                f.write(self.random.randbytes(self.random.randrange(300000)))
        self.with_file(change)

    def truncate(self):
        self.with_file(lambda path: os.truncate(path, self.random.randrange(os.path.getsize(path) + 1)))

    def touch(self):
        self.with_file(lambda path: os.utime(path, ns=(0, self.random.randrange(2 ** 60))))

    def chmod(self):
        self.with_file(lambda path: os.chmod(path, self.random.choice((0o644, 0o755, 0o600))))

    def copy(self):
        def change(path):
            to = self.new_path()
            if to != path and not to.startswith(path):
                self.remove(to)
                if os.path.exists(path):
                    shutil.copyfile(path, to)
        self.with_file(change)

    def delete(self):
        entries = self.entries()
        if entries:
            self.remove(self.random.choice(entries))

    def rename(self):
        entries = self.entries()
        if not entries:
            return
        path, to = self.random.choice(entries), self.new_path()
        if (to + b'/').startswith(path + b'/') or (path + b'/').startswith(to + b'/'):
            return
        self.remove(to)
        self.move(path, to)

    def move(self, path, to):
        os.rename(path, to)

    def turn_kind(self):
        entries = self.entries()
        if not entries:
            return
        path = self.random.choice(entries)
        folder = os.path.isdir(path) and not os.path.islink(path)
        self.remove(path)
        if folder:
            with open(path, 'wb') as f:
                f.write(self.bytes())
        else:
            os.mkdir(path)
            with open(os.path.join(path, b'inner'), 'wb') as f:
                f.write(b'inner')

    def many(self):
        path = self.new_path()
        self.remove(path)
        os.mkdir(path)
        for i in range(self.random.randrange(700)):
            with open(os.path.join(path, b'%05d' % i), 'wb') as f:
                f.write(b'%d' % i)

    def step(self):
        operations = (
            [self.create] * 5 + [self.overwrite] * 3 + [self.delete] * 3 + [self.rename] * 3 + [self.append] * 2 +
            [self.insert] * 2 + [self.create_sparse, self.make_folder, self.make_link, self.rewrite_same_size,
                                 self.truncate, self.touch, self.chmod, self.copy, self.turn_kind, self.many])
        self.random.choice(operations)()


def describe(top):
    """Everything that a revision keeps, by path."""
    found = {}
    for folder, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, top)
            if os.path.islink(path):
                found[key] = ('link', os.readlink(path))
            elif os.path.isdir(path):
                found[key] = ('folder',)
            else:
                with open(path, 'rb') as f:
                    found[key] = ('file', bool(os.stat(path).st_mode & 0o100), f.read())
    return found


def compare(what, want, got):
    for path in sorted(want.keys() | got.keys()):
        if want.get(path) != got.get(path):
            sys.exit('%s: %r differs: %.80r, not %.80r' % (what, path, got.get(path), want.get(path)))


def run(*command, check=True):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode:
        sys.exit('%r: status %d: %r %r' % (command, done.returncode, done.stdout, done.stderr))
    return done


def main():
    seed, states, operations, every = (int(argument) for argument in (sys.argv[1:] + ['10'])[:4])
    print('seed', seed, flush=True)
    run('git', 'init', '-q', '-b', 'main', '.')
    model = Model(seed)
    for state in range(states):
        for _ in range(operations):
            model.step()
        options = ('--full',) if model.random.random() < 0.1 else ()
        run('revfs', 'snapshot', '--force', '-m', 'state', *options, 'data')
        run('git', 'tag', 's%d' % state)  # where nothing changed, one more name
        run('cp', '-a', 'data', 'truth%d' % state)
    has_export = run('revfs', 'export', '-h', check=False).returncode == 0
    for state in range(states):
        want = describe(b'truth%d' % state)
        if (states - 1 - state) % every == 0:
            run(sys.executable, '-B', READER, '.git', 's%d' % state, 'read')
            compare('state %d, reader' % state, want, describe(b'read/data'))
            shutil.rmtree('read')
        if has_export:
            run('revfs', 'export', 's%d:data' % state, 'out')
            compare('state %d, export' % state, want, describe(b'out'))
            shutil.rmtree('out')
    for _ in range(states):
        state = model.random.randrange(states)
        run('git', 'checkout', '-q', 's%d' % state)
        run('revfs', 'checkout')
        compare('state %d, checkout' % state, describe(b'truth%d' % state), describe(b'data'))
        said = run('revfs', 'status').stdout
        if said != b'data: unchanged\n':
            sys.exit('state %d: status says %r' % (state, said))
    print('same: %d states' % states)


if __name__ == '__main__':
    main()
