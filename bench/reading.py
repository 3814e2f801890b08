"""Reading one revision through a mount, beside the file system itself and other mounts of the same files."""
import os
import random
import shutil
import subprocess
import time

from measure import Results, Skip, drop_caches, note, output, process_cpu, remove, run, wait_until


class Mount:
    """A way to see the files of the data set.  mount() makes them appear below `seen`; a fresh one has nothing cached."""
    program = None
    slow = False  # takes minutes where others take seconds: measured once, and only what is cold

    def __init__(self, work, data):
        self.work, self.data = work, data
        self.point = os.path.join(work, "mnt-" + self.name.replace(" ", "-"))
        self.seen = self.point
        self.daemon = None
        if self.program and not shutil.which(self.program):
            raise Skip(f"{self.name}: no {self.program} here")
        os.makedirs(self.point, exist_ok=True)
        self.prepare()

    def prepare(self):
        pass

    def start(self, command, env=None):
        log = open(os.path.join(self.work, "daemon.log"), "w")
        self.daemon = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        wait_until(f"{self.name}: mounting", lambda: os.path.ismount(self.point) and os.path.isdir(self.seen))

    def unmount(self):
        if os.path.ismount(self.point):
            run(["fusermount3", "-u", self.point])
        if self.daemon:
            self.daemon.wait(60)
            self.daemon = None

    def cpu(self):
        return process_cpu(self.daemon.pid) if self.daemon else 0


class Itself(Mount):
    def __init__(self, work, data):
        self.name = output(["stat", "-f", "-c", "%T", data.folder]).strip().replace("ext2/ext3", "ext4")
        super().__init__(work, data)
        self.seen = data.folder

    def mount(self):
        pass

    def unmount(self):
        pass


class Revfs(Mount):
    name = "revfs"

    def __init__(self, work, data, revfs):
        self.revfs = revfs
        super().__init__(work, data)

    def prepare(self):
        self.project = os.path.join(self.work, "project")
        commit = output(["git", "log", "--format=%H", "--reverse", "--", "data.revfs"], cwd=self.project).split()[0]
        self.seen = os.path.join(self.point, "@" + commit, "data")

    def mount(self):
        self.start([self.revfs, "mount", "-f", self.project, self.point])


class Squashfuse(Mount):
    name = "squashfuse_ll"
    program = "squashfuse_ll"

    def prepare(self):
        self.image = os.path.join(self.work, "image.squashfs")
        if not shutil.which("mksquashfs"):
            raise Skip(f"{self.name}: no mksquashfs here")
        remove(self.image)
        run(["mksquashfs", self.data.folder, self.image, "-comp", "zstd",
             "-Xcompression-level", "3", "-quiet", "-no-progress"])

    def mount(self):
        self.start(["squashfuse_ll", "-f", self.image, self.point])


class Erofs(Mount):
    name = "EROFS"
    program = "mkfs.erofs"

    def prepare(self):
        with open("/proc/filesystems") as f:
            if "erofs" not in f.read().split():
                run("modprobe erofs || true")
        with open("/proc/filesystems") as f:
            if "erofs" not in f.read().split():
                raise Skip(f"{self.name}: the kernel does not have it")
        self.image = os.path.join(self.work, "image.erofs")
        remove(self.image)
        run(["mkfs.erofs", "-zlz4", self.image, self.data.folder])
        if subprocess.run(["mount", "-t", "erofs", "-o", "loop,ro", self.image, self.point], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip(f"{self.name}: mount(8) refuses")
        self.unmount()

    def mount(self):
        run(["mount", "-t", "erofs", "-o", "loop,ro", self.image, self.point])

    def unmount(self):
        if os.path.ismount(self.point):
            run(["umount", self.point])


class Borg(Mount):
    name = program = "borg"
    slow = True

    def prepare(self):
        self.repository = os.path.join(self.work, "borg")
        if not os.path.isdir(self.repository):
            raise Skip(f"{self.name}: no repository")
        if subprocess.run(["borg", "mount", "--help"], check=False, stdout=subprocess.PIPE).returncode != 0:
            raise Skip(f"{self.name}: built without mounting")
        self.seen = os.path.join(self.point, "data")
        self.env = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
                    "BORG_BASE_DIR": os.path.join(self.work, "borg-cache")}
        done = subprocess.run(["borg", "mount", f"{self.repository}::1", self.point], check=False,
                              env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Skip(f"{self.name}: {done.stderr.decode().strip().splitlines()[-1:]}")
        self.unmount()

    def mount(self):
        self.start(["borg", "mount", "-f", f"{self.repository}::1", self.point], self.env)


class Restic(Mount):
    name = program = "restic"
    slow = True

    def prepare(self):
        self.repository = os.path.join(self.work, "restic")
        if not os.path.isdir(self.repository):
            raise Skip(f"{self.name}: no repository")
        self.env = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": os.path.join(self.work, "restic-cache")}
        first = run_json(["restic", "-q", "-r", self.repository, "snapshots", "--json"], self.env)[0]["short_id"]
        self.seen = os.path.join(self.point, "ids", first, "data")

    def mount(self):
        self.start(["restic", "-q", "-r", self.repository, "mount", self.point], self.env)


def run_json(command, env):
    import json
    return json.loads(subprocess.run(command, env={**os.environ, **env}, check=True, stdout=subprocess.PIPE).stdout)


class Reader:
    """The measurements; each returns (value, CPU seconds of reader and daemon)."""

    def __init__(self, program, data, work):
        self.program, self.data, self.work = program, data, work
        shuffled = data.small_files()
        random.Random("shuffle").shuffle(shuffled)
        # Warm reads of a tenth of the data end in some 30 ms, within which nothing can be told: as many for any size.
        times = max(1, round(40_000 / len(shuffled)))
        self.lists = {"small": sorted(data.small_files()), "shuffled": shuffled, "warm": shuffled * times,
                      "large": data.large, "all": data.files()}
        for name, files in self.lists.items():
            with open(self.list(name), "w") as f:
                f.write("".join(file + "\n" for file in files))

    def list(self, name):
        return os.path.join(self.work, f"list-{name}")

    def timed(self, mount, command):
        before = mount.cpu()
        seconds, cpu = run(command)
        return seconds, cpu + mount.cpu() - before

    def read(self, mount, files, threads):
        return self.timed(mount, [self.program, "files", mount.seen, self.list(files), str(threads)])

    def find(self, mount):
        return self.timed(mount, ["find", mount.seen, "-printf", "%s %T@ %p\\n"])

    def warm_shuffled(self, mount):
        self.read(mount, "small", 2)
        seconds, cpu = self.read(mount, "warm", 2)
        return len(self.lists["warm"]) / seconds, cpu

    def large(self, mount):
        seconds, cpu = self.read(mount, "large", 1)
        return self.data.large_size * len(self.data.large) / 1e6 / seconds, cpu

    def random(self, mount):
        reads = 4000
        seconds, cpu = self.timed(mount, [self.program, "random", mount.seen, self.list("large"), str(reads)])
        return reads / seconds, cpu


FIND = "find + stat of all, cold, s"
WARM = "warm, shuffled, 2 threads, files/s"
IN_ORDER = "small files cold, in order, s"
SHUFFLED = "the same shuffled, 2 threads, s"
EVERYTHING = "everything cold, 1 thread, s"
LARGE = "large files cold, MB/s"
RANDOM = "4 KiB random, cold, IOPS"


def measure(work, data, revfs, reader_program, rounds, full):
    results = Results()
    reader = Reader(reader_program, data, work)
    mounts = []
    for make in (lambda: Itself(work, data), lambda: Revfs(work, data, revfs), lambda: Erofs(work, data),
                 lambda: Squashfuse(work, data), *((lambda: Borg(work, data), lambda: Restic(work, data)) if full else ())):
        try:
            mounts.append(make())
        except Skip as why:
            note(f"SKIP {why}")
    cold = [(FIND, reader.find), (IN_ORDER, lambda m: reader.read(m, "small", 1)),
            (SHUFFLED, lambda m: reader.read(m, "shuffled", 2)), (EVERYTHING, lambda m: reader.read(m, "all", 1)),
            (LARGE, reader.large), (RANDOM, reader.random)]
    slow_too = {FIND, EVERYTHING}
    try:
        drop_caches()
    except Skip as why:
        note(f"SKIP {why}")
        cold = []
    try:
        for number in range(rounds):
            note(f"reading, round {number + 1} of {rounds}")
            order = mounts[number % len(mounts):] + mounts[:number % len(mounts)]
            for row, measurement in [(WARM, reader.warm_shuffled), *cold]:
                for mount in order:
                    if mount.slow and (number > 0 or row not in slow_too):
                        continue
                    mount.mount()
                    if row != WARM:
                        drop_caches()
                    time.sleep(0.2)  # let what a mount does behind its first answer end
                    results.add(row, mount.name, *measurement(mount))
                    mount.unmount()
    finally:
        for mount in mounts:
            mount.unmount()
    results.print("Reading")
    return results, mounts[0].name
