"""Others that keep versions of data or show what is elsewhere, through the same link: restic, rclone, DVC.

Restoring with restic takes seconds and is measured each time; the rest takes minutes, and is measured once in full mode.
"""
import os
import shutil
import subprocess
import sys
import time

from link_push import PUSH, Bucket, kept_programs
from link_rows import FIRST, FOLDER, reading_of
from link_world import Link, Mounted, Nginx, free_port, read
from measure import Skip, note, remove, run, wait_until


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program}: it is not installed")


class Restic:
    """A repository behind `rclone serve restic`, since its own server is in no distribution that CI has."""

    def __init__(self, work, files, program):
        need("restic")
        need("rclone")
        self.work, self.files = work, files
        self.repository, self.target = os.path.join(work, "link-restic"), os.path.join(work, "link-target")
        self.cache = os.path.join(work, "cache-restic")
        remove(self.repository)
        port = free_port()
        self.server = subprocess.Popen(["rclone", "serve", "restic", "--addr", f"127.0.0.1:{port}", self.repository],
                                       env={**os.environ, "RCLONE_CONFIG": "/dev/null"}, stderr=subprocess.DEVNULL)
        self.link = Link(program, work, "restic", port)
        self.near = f"rest:http://127.0.0.1:{port}/"
        self.far = f"rest:{self.link.url}/"
        self.env = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": self.cache}
        wait_until("rclone serve", lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", self.link.url],
                                                          check=False).returncode == 0)
        self.restic(self.near, "init", "--repository-version", "2")
        self.restic(self.near, "backup", "data", cwd=files.project)

    def restic(self, url, *arguments, cwd=None):
        return run(["restic", "-q", "-r", url, *arguments], cwd=cwd, env=self.env)[0]

    def restore(self, results):
        for path in (self.target, self.cache):
            remove(path)
        results.add(FOLDER, "restic", self.restic(self.far, "restore", "latest", "--target", self.target))
        remove(self.target)

    def mount(self, results):
        """The first byte alone: reading everything takes it many minutes."""
        daemon = None

        def mount(point, cache):
            nonlocal daemon
            self.env["RESTIC_CACHE_DIR"] = cache
            daemon = subprocess.Popen(["restic", "-q", "-r", self.far, "mount", point], env={**os.environ, **self.env},
                                      stdout=subprocess.DEVNULL)
            wait_until("restic mount", lambda: os.path.ismount(point) or daemon.poll() is not None)

        mounted = Mounted(self.work, "restic", mount, os.path.join("snapshots", "latest", "data"))
        begin = time.monotonic()
        with mounted:
            read(os.path.join(mounted.top, "050", "0050"))
            results.add(FIRST, "restic", time.monotonic() - begin)
        daemon.wait(60)  # it gives its lock back

    def end(self):
        self.link.end()
        self.server.terminate()
        self.server.wait(10)
        remove(self.repository)


def rclone(results, work, files, program):
    """The plain files behind nginx: what there is to see without versions."""
    need("rclone")
    plain = Nginx(work, files.project, program)
    config = {"RCLONE_CONFIG": "/dev/null"}
    source = f":http,url='{plain.url}':data"
    target = os.path.join(work, "link-target")
    try:
        def mount(point, cache):
            run(["rclone", "mount", "--daemon", "--read-only", "--vfs-cache-mode", "full", "--cache-dir", cache, source,
                 point], env=config)

        reading_of(results, "rclone", plain, Mounted(work, "rclone", mount, ""), files.large_size)
        results.add(FOLDER, "rclone", run(["rclone", "copy", "--transfers", "32", source, target], env=config)[0])
    finally:
        plain.end()
        remove(target)


def dvc_program():
    """DVC, from a virtual environment that is kept."""
    top = os.path.join(kept_programs(), "dvc")
    program = os.path.join(top, "bin", "dvc")
    if not os.path.exists(program):
        note("installing DVC")
        pip = os.path.join(top, "bin", "pip")
        for command in ([sys.executable, "-m", "venv", top], [pip, "install", "-q", "dvc[s3]"]):
            if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
                raise Skip("DVC: it can't be installed here")
    return program


def dvc_environment(folder):
    """Nothing of the user's, and what it keeps itself is below FOLDER."""
    return {"DVC_NO_ANALYTICS": "1", "DVC_GLOBAL_CONFIG_DIR": os.path.join(folder, "dvc-config"),
            "DVC_SYSTEM_CONFIG_DIR": os.path.join(folder, "dvc-config"),
            "DVC_SITE_CACHE_DIR": os.path.join(folder, "dvc-site")}


class Dvc:
    """A remote of its own, a folder behind nginx and a bucket."""

    def __init__(self, work, files):
        self.program = dvc_program()
        self.work, self.files = work, files
        self.project, self.clone, self.store = (os.path.join(work, "link-dvc-" + name)
                                                for name in ("project", "clone", "store"))
        for path in (self.project, self.clone, self.store):
            remove(path)
        self.env = dvc_environment(work)
        run(["git", "init", "-q", "-b", "main", self.project])
        run(["cp", "-a", files.folder, os.path.join(self.project, "data")])
        self.dvc("init", "-q")
        self.dvc("add", "-q", "data")
        self.dvc("remote", "add", "-q", "-d", "near", self.store)
        run(["git", "add", "-A"], cwd=self.project)
        run(["git", "commit", "-q", "-m", "data"], cwd=self.project)
        self.dvc("push", "-q")

    def dvc(self, *arguments, cwd=None, env=None):
        return run([self.program, *arguments], cwd=cwd or self.project, env={**self.env, **(env or {})})[0]

    def pull(self, results, row, url, *what):
        for path in (self.clone, self.env["DVC_SITE_CACHE_DIR"]):
            remove(path)
        run(["git", "clone", "-q", self.project, self.clone])
        self.dvc("remote", "add", "-q", "-d", "far", url, cwd=self.clone)
        results.add(row, "DVC", self.dvc("pull", "-q", "-r", "far", *what, cwd=self.clone))

    def pulls(self, results, program):
        server = Nginx(self.work, self.store, program)
        try:
            self.pull(results, FIRST, server.url, os.path.join("data", "050", "0050"))
            server.forget()
            self.pull(results, FOLDER, server.url)
        finally:
            server.end()

    def push(self, results, program):
        bucket = Bucket(self.work, program, True)
        try:
            self.dvc("remote", "add", "-q", "bucket", "s3://lab/dvc")
            self.dvc("remote", "modify", "-q", "bucket", "endpointurl", bucket.url)
            took = self.dvc("push", "-q", "-r", "bucket", env=bucket.env)
            results.add(PUSH, "DVC", self.files.bytes() / 1e6 / took)
        finally:
            bucket.end()
            remove(bucket.folder)

    def end(self):
        for path in (self.project, self.clone, self.store):
            remove(path)


def attempt(measurement):
    try:
        measurement()
    except Skip as why:
        note(f"SKIP {why}")


def measure_restic(results, work, files, program, rounds, full):
    restic = Restic(work, files, program)
    try:
        for _ in range(rounds):
            restic.restore(results)
        if full:
            restic.mount(results)
    finally:
        restic.end()


def measure_dvc(results, work, files, program):
    dvc = Dvc(work, files)
    try:
        dvc.pulls(results, program)
        dvc.push(results, program)
    finally:
        dvc.end()


def measure(results, work, files, program, rounds, full):
    attempt(lambda: measure_restic(results, work, files, program, rounds, full))
    if full:
        attempt(lambda: rclone(results, work, files, program))
        attempt(lambda: measure_dvc(results, work, files, program))
    else:
        for slow in ("restic mount", "rclone", "DVC"):
            note(f"SKIP {slow}: it takes minutes")
