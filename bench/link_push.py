"""Pushing through the link to an S3 service: all of it, beside curl with the same bytes; and what changed since."""
import os
import subprocess

from link_world import Link
from measure import Skip, note, remove, run, wait_until

PUSH = "push to S3, MB/s"
SENT = "1 % changed: sent, MB"
NEW = "1 % changed: new packs, MB"
USER, SECRET = "ada", "secret-of-ada"
SERVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "servers")


def kept_programs():
    """Where programs are that are built or installed for measurements and tests alone."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("REVFS_TESTS_CACHE") or os.path.join(cache, "revfs-tests")


class Bucket:
    """versitygw with the empty bucket `lab`, and the link before it."""

    def __init__(self, work, link, may_build):
        program = os.path.join(kept_programs(), "versitygw")
        if not may_build and not os.path.exists(program):
            raise Skip(f"pushing to S3: {program} is not there, and building it takes minutes")
        self.folder, ready = os.path.join(work, "s3"), os.path.join(work, "s3-ready")
        remove(self.folder)
        remove(ready)
        os.makedirs(os.path.join(self.folder, "lab"))
        self.process = subprocess.Popen([os.path.join(SERVERS, "versitygw"), self.folder, ready, USER, SECRET],
                                        stderr=subprocess.DEVNULL)
        wait_until("versitygw", lambda: os.path.exists(ready) or self.process.poll() is not None, 900)
        if self.process.poll() is not None:
            raise Skip("pushing to S3: versitygw can't be had here")
        with open(ready) as f:
            self.link = Link(link, work, "s3", int(f.read().strip().rsplit(":", 1)[1]))
        self.url = self.link.url
        self.env = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}

    def empty(self):
        remove(os.path.join(self.folder, "lab"))
        os.makedirs(os.path.join(self.folder, "lab"))

    def end(self):
        self.link.end()
        self.process.terminate()
        self.process.wait(10)


def packs(project):
    top = os.path.join(project, ".git", "revfs", "packs")
    return {os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names}


def total(paths):
    return sum(os.path.getsize(path) for path in paths)


def curl_pushes(bucket, paths):
    """The least that it takes: four files at a time, their bytes neither hashed nor looked at again."""
    return run(["curl", "-s", "-f", "--parallel", "--parallel-max", "4", "--aws-sigv4", "aws:amz:us-east-1:s3",
                "-u", f"{USER}:{SECRET}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-H", "Expect:", "-o", "/dev/null",
                "-T", "{" + ",".join(sorted(paths)) + "}", f"{bucket.url}/lab/curl/"])[0]


def push(revfs, bucket, project):
    return run([revfs, "-q", "push", "bucket"], cwd=project, env=bucket.env)[0]


def round_of(results, bucket, files, revfs, version):
    project, before = files.project, packs(files.project)
    for name, value in (("url", f"s3://lab/{version}"), ("endpoint", bucket.url)):
        run(["git", "config", f"revfs.remote.bucket.{name}", value], cwd=project)
    took = curl_pushes(bucket, before)
    results.add(PUSH, "curl", total(before) / 1e6 / took)
    bucket.empty()
    results.add(PUSH, "revfs", total(before) / 1e6 / push(revfs, bucket, project))
    files.change_a_hundredth(version)
    run([revfs, "-q", "snapshot", "-m", f"change {version}"], cwd=project)
    sent = bucket.link.sent()
    push(revfs, bucket, project)
    results.add(SENT, "revfs", (bucket.link.sent() - sent) / 1e6)
    results.add(NEW, "revfs", total(packs(project) - before) / 1e6)
    bucket.empty()


def measure(results, work, files, revfs, link, rounds, full):
    try:
        bucket = Bucket(work, link, full)
    except Skip as why:
        note(f"SKIP {why}")
        return
    try:
        for number in range(rounds):
            round_of(results, bucket, files, revfs, number + 1)
    finally:
        bucket.end()
        remove(bucket.folder)
