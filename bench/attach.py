"""Attached datasets: how soon many files are there, what a snapshot of one changed file costs, and reading them.

A folder per thousand files.  Each peer has a copy of its own, which is recorded once and measured with one file changed.
"""
import os
import random
import shutil
import subprocess
import time

import data as data_set
from link_peers import dvc_environment, dvc_program
from measure import Results, Skip, drop_caches, note, output, remove, run

IN_ONE_FOLDER = 1000
READ_FOLDERS = 40
READ_TIMES = 5  # as often as all else: each takes part of a second
ALL = "all of them for the first time, s"
ATTACH = "attach and the first ls, ms"
COLD = "the same, nothing in memory, ms"
ONE = "one of them changed, ms"
COMMIT = "Git's commit of as much, ms"
TINY = "tiny files, 2 threads, files/s"
PHOTOS = "photographs of 10-110 KB, 2 threads, files/s"
LARGE = "a large file, MB/s"
PHOTOS_COUNT, PHOTOS_TIMES = 1000, 10
LARGE_FILE, LARGE_SIZE, LARGE_TIMES = "large", 64 << 20, 10
MOUNT, KERNEL, FUSE, PLAIN = "the mount itself", "kernel overlay", "fuse-overlayfs", "plain files"
KERNEL_PLAIN = "kernel overlay of plain files"


def name_of(number):
    return f"{number // IN_ONE_FOLDER:04}/record-{number:07}.txt"


def create(folder, count):
    for first in range(0, count, IN_ONE_FOLDER):
        path = os.path.join(folder, os.path.dirname(name_of(first)))
        os.makedirs(path)
        top = os.open(path, os.O_RDONLY)
        for i in range(first, first + IN_ONE_FOLDER):
            f = os.open(os.path.basename(name_of(i)), os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=top)
            os.write(f, b"the content of record %d\n" % i)
            os.close(f)
        os.close(top)


class Project:
    """A repository with the folder `data` of that many files."""

    def __init__(self, work, name, count):
        self.count = count
        self.folder = os.path.join(work, "attach-" + name)
        self.data = os.path.join(self.folder, "data")
        remove(self.folder)
        run(["git", "init", "-q", "-b", "main", self.folder])
        create(self.data, count)

    def run(self, *command, env=None):
        return run(list(command), cwd=self.folder, env=env)

    def change(self, number):
        with open(os.path.join(self.data, name_of(self.count // 2 + number)), "a") as f:
            f.write("a second line\n")


class Revfs(Project):
    name = "revfs"

    def __init__(self, work, count, revfs):
        super().__init__(work, self.name, count)
        self.revfs = revfs
        self.media = os.path.join(self.folder, "media")
        self.plain, self.plain_media = (os.path.join(self.folder, ".git", name) for name in ("plain", "plain-media"))

    def attach(self):
        self.run(self.revfs, "-q", "attach", "data")

    def detach(self):
        self.run(self.revfs, "-q", "detach", "data")

    def check_attach(self):
        """Whether it can be done here, and whether by the kernel; where it can't revfs says why."""
        if subprocess.run([self.revfs, "-q", "attach", "data"], cwd=self.folder, check=False).returncode != 0:
            raise Skip("attached datasets: they can't be had here")
        self.by_kernel = output(["stat", "-f", "-c", "%T", self.data]).strip() == "overlayfs"
        self.detach()

    def end(self):
        """Whatever went wrong: nothing is removed while it is mounted."""
        subprocess.run([self.revfs, "-q", "detach", "-f"], cwd=self.folder, check=False)

    def time_attach(self, results, row):
        begin = time.monotonic()
        self.attach()
        names = output(["ls", self.data]).split()
        results.add(row, self.name, (time.monotonic() - begin) * 1000)
        if len(names) != self.count // IN_ONE_FOLDER:
            raise SystemExit("bench: wrong names")

    def create_media(self):
        """Another dataset, attached and as plain files."""
        self.photos = [f"{i:04}.jpg" for i in range(PHOTOS_COUNT)]
        os.mkdir(self.media)
        for i, name in enumerate(self.photos):
            with open(os.path.join(self.media, name), "wb") as f:
                f.write(data_set.photograph(i, 1))
        with open(os.path.join(self.media, LARGE_FILE), "wb") as f:
            f.write(data_set.floats(random.Random("large"), LARGE_SIZE))
        self.run(self.revfs, "-q", "snapshot", "-m", "media", "media")
        os.rename(self.media, self.plain_media)
        self.detach()
        self.run(self.revfs, "-q", "attach", "data", "media")

    def below(self, name):
        commit = output(["git", "rev-parse", "HEAD"], cwd=self.folder).strip()
        return os.path.join(self.folder, ".git", "revfs", "attached", "mount", "@" + commit, name)

    def give_up_plain(self):
        os.rename(self.data, self.plain)

    def record(self, number):
        return self.run(self.revfs, "-q", "snapshot", "-m", f"change {number}", "data")

    def time_commit(self, results, number):
        """Git alone, with a file as small as a pointer."""
        with open(os.path.join(self.folder, "note"), "w") as f:
            f.write(f"{number}\n")
        self.run("git", "add", "note")
        seconds, cpu = self.run("git", "commit", "-q", "-m", f"note {number}", "note")
        results.add(COMMIT, self.name, seconds * 1000, cpu)


class Dvc(Project):
    name = "dvc add"

    def __init__(self, work, count):
        self.program = dvc_program()
        super().__init__(work, "dvc", count)
        self.env = dvc_environment(os.path.join(self.folder, ".git"))
        self.run(self.program, "init", "-q", env=self.env)

    def record(self, number):
        return self.run(self.program, "add", "-q", "data", env=self.env)


class GitLfs(Project):
    name = "git add, LFS"

    def __init__(self, work, count):
        if not shutil.which("git-lfs"):
            raise Skip("git-lfs: it is not installed")
        super().__init__(work, "git-lfs", count)
        self.run("git", "lfs", "install", "--local")
        with open(os.path.join(self.folder, ".gitattributes"), "w") as f:
            f.write("data/** filter=lfs diff=lfs merge=lfs -text\n")

    def record(self, number):
        return self.run("git", "add", "data")


def time_all(results, project):
    results.add(ALL, project.name, *project.record("all"))


def time_changes(results, project, rounds):
    for number in range(rounds):
        project.change(number)
        seconds, cpu = project.record(number)
        results.add(ONE, project.name, seconds * 1000, cpu)


def time_attach(results, project):
    project.time_attach(results, ATTACH)
    project.detach()
    try:
        drop_caches()
    except Skip as why:
        note(f"SKIP {why}")
        return
    project.time_attach(results, COLD)
    project.detach()


def time_peer(results, make, rounds):
    try:
        project = make()
    except Skip as why:
        note(f"SKIP {why}")
        return
    time_all(results, project)
    time_changes(results, project, rounds)
    remove(project.folder)


class Reading:
    """Through the mount that is below, and through overlays above it: tiny files, photographs, a large file.

    An overlay takes its time to open a file, and none to read on: the smaller the files, the more one sees of it, be
    they below a mount or plain.
    """

    def __init__(self, work, project, program):
        self.work, self.program, self.points, self.places = work, program, [], {}
        self.make_media(project)

    def mount_all(self, project):
        self.places[MOUNT] = (project.below("data"), project.below("media"))
        plain = (project.plain, project.plain_media)
        if project.by_kernel:
            self.places[KERNEL] = (project.data, project.media)
            self.places[KERNEL_PLAIN] = tuple(self.mount(below, ["mount", "-t", "overlay", "overlay"]) for below in plain)
        else:
            note(f"SKIP {KERNEL}: attach does without it here")
        if shutil.which("fuse-overlayfs"):
            self.places[FUSE] = tuple(self.mount(below, ["fuse-overlayfs"]) for below in self.places[MOUNT])
        else:
            note(f"SKIP {FUSE}: it is not installed")
        self.places[PLAIN] = plain

    def make_media(self, project):
        project.create_media()
        tiny = [name_of(i) for i in range(min(project.count, READ_FOLDERS * IN_ONE_FOLDER))]
        photos = project.photos * PHOTOS_TIMES
        self.rows = {
            TINY: (0, self.write_list("tiny", tiny), 2, len(tiny)),
            PHOTOS: (1, self.write_list("photos", photos), 2, len(photos)),
            LARGE: (1, self.write_list("large", [LARGE_FILE] * LARGE_TIMES), 1, LARGE_TIMES * LARGE_SIZE / 1e6),
        }

    def write_list(self, name, files):
        """Shuffled."""
        path = os.path.join(self.work, "attach-list-" + name)
        files = list(files)
        random.Random("shuffle").shuffle(files)
        with open(path, "w") as f:
            f.write("".join(file + "\n" for file in files))
        return path

    def mount(self, below, command):
        top = os.path.join(self.work, f"attach-above-{len(self.points)}")
        remove(top)
        for name in ("upper", "work", "mnt"):
            os.makedirs(os.path.join(top, name))
        run([*command, "-o", f"lowerdir={below},upperdir={top}/upper,workdir={top}/work", f"{top}/mnt"])
        self.points.append(f"{top}/mnt")
        return self.points[-1]

    def read(self, place, row):
        which, files, threads, amount = self.rows[row]
        seconds, cpu = run([self.program, "files", self.places[place][which], files, str(threads)])
        return amount / seconds, cpu

    def measure(self, results, rounds):
        order = list(self.places)
        for row in self.rows:
            for place in order:
                self.read(place, row)
            for number in range(rounds):
                for i in range(len(order)):
                    place = order[(number + i) % len(order)]
                    results.add(row, place, *self.read(place, row))

    def end(self):
        for point in self.points:
            run(["umount", point] if os.geteuid() == 0 else ["fusermount3", "-u", point])


def measure(work, revfs, reader, count, rounds):
    """What ask() takes, or None where nothing can be attached."""
    results, reads = Results(), Results()
    project = Revfs(work, count, revfs)
    time_all(results, project)
    project.give_up_plain()
    try:
        project.check_attach()
        for _ in range(rounds):
            time_attach(results, project)
        project.attach()
        time_changes(results, project, rounds)
        for number in range(rounds):
            project.time_commit(results, number)
        reading = Reading(work, project, reader)
        try:
            reading.mount_all(project)
            reading.measure(reads, READ_TIMES * rounds)
        finally:
            reading.end()
    except Skip as why:
        note(f"SKIP {why}")
        return None
    finally:
        project.end()
        remove(project.folder)
    for make in (lambda: Dvc(work, count), lambda: GitLfs(work, count)):
        time_peer(results, make, rounds)
    results.print(f"An attached dataset of {count:,} files, {IN_ONE_FOLDER:,} to a folder")
    reads.print("Reading what is attached, warm, shuffled")
    return results, reads, count


def ask(measured, asked):
    """What was asked of them: ASKED(what, how much, value, whether it is met, unit) for each."""
    results, reads, count = measured
    asked("attach, to the first ls", "at most 200 ms", results.median(ATTACH, "revfs"), lambda v: v <= 200, " ms")
    took, commit = results.median(ONE, "revfs"), results.median(COMMIT, "revfs")
    asked("snapshot of one changed file", "at most 100 ms and Git's commit", took - commit, lambda v: v <= 100, " ms")
    for peer, times in ((Dvc.name, 50), (GitLfs.name, 20)):
        # Of a million; what peers take goes with the number of files.
        least = times * count / 1_000_000
        asked("the same, speed", f"at least {least:g} times '{peer}'s", results.ratio(ONE, peer, "revfs"),
              lambda v, least=least: v >= least, " times")
    for what, row in (("tiny files", TINY), ("photographs", PHOTOS), ("a large file", LARGE)):
        asked(f"kernel overlay, {what}", "at least 0.9 of the mount's", reads.ratio(row, KERNEL, MOUNT),
              lambda v: v >= 0.9, " times")
    ours, plain = reads.ratio(TINY, KERNEL, MOUNT), reads.ratio(TINY, KERNEL_PLAIN, PLAIN)
    asked("the same, beside plain files", "at least 0.9 of what plain ones keep", ours / plain if ours and plain else None,
          lambda v: v >= 0.9, " times")
