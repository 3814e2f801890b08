#!/usr/bin/env python3
"""Damage each byte of a repository's store in turn, and read everything.

    damage.py REPOSITORY flip|cut commands|mount

`flip` turns one bit of each byte over, `cut` ends each file before each of its bytes.  The repository has the tag v1 with the
dataset `data`, which also lies in the work tree, unchanged.  `revfs` is in PATH.

commands: `archive` gives the right bytes, or fails with a message; `verify` finds what `archive` found, and all damage in a
file of a pack or a root.  `status` sees nothing changed, or says that the in-step record does not tell.
mount: every name, size, link and byte below @v1/data is right, or reading it is an error of input or output; the mount
answers afterwards, ordinary files of Git are as ever, and it can be unmounted.

Copies of the repository are worked on, one a processor.
"""
import errno
import os
import shutil
import subprocess
import sys
import threading

repository, mode, way = sys.argv[1:]
STORE = os.path.join('.git', 'revfs')


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wrong(what, done):
    return '%s: status %d, %.200r' % (what, done.returncode, done.stderr.decode(errors='replace'))


def failed_well(done):
    """With a status of the table and words: not by a signal, not silently."""
    return 0 < done.returncode <= 12 and bool(done.stderr or done.stdout)


class Commands:
    def __init__(self, repo):
        self.repo = repo
        self.right = self.archive().stdout
        if not self.right or self.verify().returncode != 0 or self.status().stdout != b'data: unchanged\n':
            raise SystemExit('the store is damaged from the beginning')

    def archive(self):
        return run('revfs', '-q', 'archive', 'v1:data', cwd=self.repo)

    def verify(self):
        return run('revfs', '-q', 'verify', cwd=self.repo)

    def status(self):
        return run('revfs', 'status', cwd=self.repo)

    def look(self, name):
        """What is wrong, or None; and whether the damage was noticed."""
        if name.startswith('worktree'):
            done = self.status()
            if done.returncode == 0 and done.stdout == b'data: unchanged\n':
                return None, False
            # Without its in-step record a dataset was never compared; with another root in it its pointer has moved.
            said = done.returncode == 0 and done.stdout.startswith(b'data: ') and name.endswith('.step')
            return None if said or failed_well(done) else wrong('status: %r' % done.stdout, done), True
        done = self.archive()
        noticed = done.returncode != 0
        if noticed and not (failed_well(done) and done.stderr):
            return wrong('archive', done), True
        if not noticed and done.stdout != self.right:
            return 'archive: wrong bytes, and no error', False
        checked = self.verify()
        if checked.returncode != 0 and not failed_well(checked):
            return wrong('verify', checked), True
        if checked.returncode == 0 and (noticed or name.startswith(('packs', 'roots'))):
            return 'verify does not find it', noticed
        return None, noticed or checked.returncode != 0


class Mount:
    def __init__(self, repo):
        self.repo = repo
        self.top = repo + '.mnt'
        os.mkdir(self.top)
        self.tree = self.walk(os.path.join(repo, 'data'))
        problem, noticed = self.look('')
        if problem or noticed:
            raise SystemExit('the store is damaged from the beginning: %s' % problem)

    def walk(self, top):
        """What is below TOP, by path: what a folder lists, a link's target, a file's bytes; None for an error."""
        found, todo = {}, ['']
        while todo:
            path = todo.pop()
            full = os.path.join(top, path)
            try:
                names = found[path] = sorted(os.listdir(full))
            except OSError as error:
                self.expect_eio(error)
                found[path] = None
                continue
            for name in names:
                below = os.path.join(path, name)
                full = os.path.join(top, below)
                try:
                    if os.path.islink(full):
                        found[below] = os.readlink(full)
                    elif os.path.isdir(full):
                        todo.append(below)
                    else:
                        with open(full, 'rb') as f:
                            found[below] = bool(os.stat(full).st_mode & 0o100), f.read()
                except OSError as error:
                    self.expect_eio(error)
                    found[below] = None
        return found

    def expect_eio(self, error):
        if error.errno != errno.EIO:
            raise error

    def compare(self):
        got = self.walk(os.path.join(self.top, '@v1', 'data'))
        noticed = None in got.values()
        for path, value in got.items():
            if value is not None and value != self.tree.get(path):
                return '%r is not what it was, and no error' % path, noticed
        if not noticed and got.keys() != self.tree.keys():
            return 'names are missing, and no error', noticed
        with open(os.path.join(self.top, '@v1', 'data.revfs'), 'rb') as f:
            if not f.read().startswith(b'revfs 1\n'):
                return 'the pointer file differs', noticed
        with open(os.path.join(self.top, '.revfs', 'status'), 'rb') as f:
            return (None if f.read() else 'there is no status'), noticed

    def look(self, name):
        done = run('revfs', '-q', 'mount', self.top, cwd=self.repo)
        if done.returncode != 0:
            return (None, True) if failed_well(done) else (wrong('mount', done), True)
        try:
            problem, noticed = self.compare()
        except OSError as error:
            problem, noticed = 'reading: %s' % error, True
        done = run('revfs', 'umount', self.top, cwd='/')
        if done.returncode != 0 and not problem:
            problem = wrong('umount', done)
        return problem, noticed


def store_files(repo):
    found = []
    for folder, _, names in os.walk(os.path.join(repo, STORE)):
        found += [os.path.relpath(os.path.join(folder, name), os.path.join(repo, STORE)) for name in names]
    return sorted(found)


class Work:
    """What is to be tried, handed out to threads, and what came of it."""

    def __init__(self, files):
        self.todo = [(name, at) for name, size in files for at in range(size)]
        self.total = len(self.todo)
        self.todo.reverse()
        self.lock = threading.Lock()
        self.noticed = {}
        self.problems = []

    def next(self):
        with self.lock:
            return self.todo.pop() if self.todo and len(self.problems) < 20 else None

    def tell(self, name, at, problem, noticed):
        with self.lock:
            kind = name.split('/')[0]
            seen, tried = self.noticed.get(kind, (0, 0))
            self.noticed[kind] = (seen + noticed, tried + 1)
            if problem:
                self.problems.append('%s, %s at %d: %s' % (name, mode, at, problem))


def damage(work, repo):
    try:
        reader = (Commands if way == 'commands' else Mount)(repo)
        while item := work.next():
            name, at = item
            path = os.path.join(repo, STORE, name)
            kept = path + '.kept'
            with open(path, 'rb') as f:
                content = f.read()
            damaged = content[:at]
            if mode == 'flip':
                damaged += bytes([content[at] ^ (1 << at % 8)]) + content[at + 1:]
            os.rename(path, kept)
            with open(path, 'wb') as f:
                f.write(damaged)
            os.chmod(path, 0o444)
            problem, noticed = reader.look(name)
            os.rename(kept, path)
            work.tell(name, at, problem, noticed)
        problem, noticed = reader.look('')
        if problem or noticed:
            raise SystemExit('whole again, the store is not what it was: %s' % problem)
    except BaseException as error:
        with work.lock:
            work.problems.append('%s: %r' % (repo, error))
        raise


def main():
    files = [(name, os.path.getsize(os.path.join(repository, STORE, name))) for name in store_files(repository)]
    work = Work(files)
    copies = [os.path.realpath('%s.%d' % (repository, i)) for i in range(os.cpu_count() or 1)]
    for copy in copies:
        shutil.copytree(repository, copy, symlinks=True)
    threads = [threading.Thread(target=damage, args=(work, copy)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if work.problems:
        sys.exit('\n'.join(work.problems))
    # A root's page is in a pack as well, so a mount does without its file.
    for kind in ('packs',) if way == 'mount' else ('packs', 'roots'):
        if not work.noticed[kind][0]:
            sys.exit('damage in %s was never noticed' % kind)
    print('%d damaged stores; noticed: %s' % (work.total, ', '.join(
        '%d of %d in %s' % (seen, tried, kind) for kind, (seen, tried) in sorted(work.noticed.items()))))


main()
