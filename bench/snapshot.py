"""Snapshotting: the first, with nothing changed, with a tenth changed; time, CPU, and what the repository grows by."""
import os
import shutil

from measure import Results, Skip, folder_bytes, note, remove, run


class Peer:
    """Something that keeps versions of WORK/project/data in a repository of its own below WORK."""
    program = None
    only_first = False

    def __init__(self, work):
        self.work = work
        self.project = os.path.join(work, "project")
        self.repository = os.path.join(work, self.name.replace(" ", "-"))
        if self.program and not shutil.which(self.program):
            raise Skip(f"{self.name}: no {self.program} here")

    def reset(self):
        remove(self.repository)

    def size(self):
        return folder_bytes(self.repository)


class Revfs(Peer):
    name = "revfs"

    def __init__(self, work, revfs):
        super().__init__(work)
        self.revfs = revfs
        self.repository = os.path.join(self.project, ".git")

    def reset(self):
        for name in (".git", ".gitignore", ".revfs", "data.revfs"):
            remove(os.path.join(self.project, name))
        run(["git", "init", "-q", "-b", "main", self.project])

    def snapshot(self, version):
        return run([self.revfs, "-q", "snapshot", "-m", f"version {version}", "data"], cwd=self.project)


class Restic(Peer):
    name = program = "restic"
    env = {"RESTIC_PASSWORD": "bench"}

    def reset(self):
        super().reset()
        self.env["RESTIC_CACHE_DIR"] = os.path.join(self.work, "restic-cache")
        remove(self.env["RESTIC_CACHE_DIR"])
        # Version 2 compresses, by default with what zstd calls level 3.
        run(["restic", "-q", "-r", self.repository, "init", "--repository-version", "2"], env=self.env)

    def snapshot(self, version):
        return run(["restic", "-q", "-r", self.repository, "backup", "data"], cwd=self.project, env=self.env)


class Borg(Peer):
    name = program = "borg"
    env = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}

    def reset(self):
        super().reset()
        self.env["BORG_BASE_DIR"] = os.path.join(self.work, "borg-cache")
        remove(self.env["BORG_BASE_DIR"])
        self.count = 0
        run(["borg", "init", "-e", "none", self.repository], env=self.env)

    def snapshot(self, version):
        self.count += 1
        return run(["borg", "create", "--compression", "zstd,3", f"{self.repository}::{self.count}", "data"],
                   cwd=self.project, env=self.env)


class Tar(Peer):
    name = "tar + zstd -3"
    program = "zstd"
    only_first = True

    def snapshot(self, version):
        os.makedirs(self.repository, exist_ok=True)
        return run(f"tar -cf - data | zstd -q -3 -T2 -o {self.repository}/{version}.tar.zst", cwd=self.project)


class GitLfs(Peer):
    name = program = "git-lfs"

    def reset(self):
        super().reset()
        self.git("init", "-q", "-b", "main")
        self.git("lfs", "install", "--local", "--force")

    def git(self, *arguments):
        return run(["git", *arguments], cwd=self.project,
                   env={"GIT_DIR": self.repository, "GIT_WORK_TREE": self.project})

    def snapshot(self, version):
        attributes = os.path.join(self.project, ".gitattributes")
        with open(attributes, "w") as f:
            f.write("data/** filter=lfs diff=lfs merge=lfs -text\n")
        both = [self.git("add", "-f", ".gitattributes", "data"),
                self.git("commit", "-q", "--allow-empty", "-m", f"version {version}")]
        remove(attributes)
        return sum(seconds for seconds, _ in both), sum(cpu for _, cpu in both)


def peers(work, revfs, full):
    found = []
    for make in (lambda: Revfs(work, revfs), lambda: Restic(work), lambda: Borg(work), lambda: Tar(work),
                 *((lambda: GitLfs(work),) if full else ())):
        try:
            found.append(make())
        except Skip as why:
            note(f"SKIP {why}")
    return found


def warm_up(data):
    """Every peer reads the input from memory: programs are compared here, not the disk."""
    run(f"find '{data.folder}' -type f -exec cat '{{}}' + >/dev/null")


def measure(work, data, revfs, rounds, full):
    """Each round anew and in another order.  Leaves data of version 1 and the peers' repositories with version 1."""
    results = Results()
    everyone = peers(work, revfs, full)
    for number in range(rounds):
        note(f"snapshots, round {number + 1} of {rounds}")
        order = everyone[number % len(everyone):] + everyone[:number % len(everyone)]
        sizes = {}
        for peer in order:
            peer.reset()
            warm_up(data)
            results.add("first, s", peer.name, *peer.snapshot(1))
            sizes[peer.name] = peer.size()
            results.add("size, MB", peer.name, sizes[peer.name] / 1e6)
        for peer in order:
            if not peer.only_first:
                warm_up(data)
                results.add("nothing changed, s", peer.name, *peer.snapshot(1))
                sizes[peer.name] = peer.size()
        data.turn(2)
        for peer in order:
            if not peer.only_first:
                warm_up(data)
                results.add("a tenth changed, s", peer.name, *peer.snapshot(2))
                results.add("growth, MB", peer.name, (peer.size() - sizes[peer.name]) / 1e6)
        data.turn(1)
    results.print("Snapshotting")
    return results
