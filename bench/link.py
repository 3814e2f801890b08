"""A fresh clone that reads through a slow link: 30 ms a round trip, 1 Gbit/s, in front of nginx.

10,000 files of 1 to 30 KB, an empty cache each time.  What it takes at least is measured with curl, which brings the
packed bytes over the same link.
"""
import os
import random
import shutil
import subprocess
import threading
import time

from measure import Results, Skip, note, remove, run, wait_until

ROUND_TRIP_MS, MBIT_S = 30, 1000
FOLDERS, IN_ONE_FOLDER, READERS = 100, 100, 8
LARGE = 256 << 20

BYTES = "packed bytes, s"
FIRST = "first byte, from mounting on, s"
ORDER = "all in listing order, s"
REQUESTS = "requests for that"
SHUFFLED = "all shuffled, 8 readers, s"
SEQUENTIAL = "256 MiB in order, MB/s"


def create(folder):
    rng = random.Random("files behind a link")
    words = [rng.randbytes(4).hex() + " " for _ in range(4000)]
    for d in range(FOLDERS):
        os.makedirs(os.path.join(folder, f"{d:03}"))
        for i in range(IN_ONE_FOLDER):
            size, text = rng.randrange(1000, 30_001), bytearray()
            while len(text) < size:
                text += rng.choice(words).encode() if rng.random() < 0.3 else rng.randbytes(12)
            with open(os.path.join(folder, f"{d:03}", f"{i:04}"), "wb") as f:
                f.write(text[:size])
    with open(os.path.join(folder, "large"), "wb") as f:
        for _ in range(LARGE >> 20):
            f.write(rng.randbytes(1 << 20))


class Server:
    """nginx over a folder, and the link before it."""

    def __init__(self, work, folder, link):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise Skip("the slow link: no nginx")
        self.log = os.path.join(work, "nginx.log")
        ready = os.path.join(work, "link")
        port = 20_000 + os.getpid() % 20_000
        conf = os.path.join(work, "nginx.conf")
        temp = "".join(f"{name}_temp_path {work}/nginx-temp; " for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
        with open(conf, "w") as f:
            f.write(f"worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx-error.log;\n"
                    f"user root; events {{ worker_connections 1024; }}\n"
                    f"http {{ access_log {self.log}; client_body_temp_path {work}/nginx-temp; {temp}\n"
                    f"keepalive_requests 1000000; sendfile on; autoindex on;\n"
                    f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
        env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.nginx = subprocess.Popen(["nginx", "-c", conf, "-e", f"{work}/nginx-error.log"], env=env)
        self.link = subprocess.Popen([link, ready, str(port), str(ROUND_TRIP_MS), str(MBIT_S)])
        wait_until("the link", lambda: os.path.exists(ready))
        with open(ready) as f:
            self.url = f"http://127.0.0.1:{f.read().strip()}"
        wait_until("nginx", lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", self.url], check=False).returncode == 0)

    def forget(self):
        open(self.log, "w").close()

    def requests(self):
        time.sleep(0.2)
        with open(self.log) as f:
            return sum(1 for _ in f)

    def end(self):
        for process in (self.link, self.nginx):
            process.terminate()
            process.wait(10)


def read(path):
    with open(path, "rb", buffering=0) as f:
        return len(f.read())


def read_in_order(top):
    for folder in sorted(os.listdir(top)):
        if os.path.isdir(os.path.join(top, folder)):
            for name in sorted(os.listdir(os.path.join(top, folder))):
                read(os.path.join(top, folder, name))


def read_shuffled(top):
    paths = [os.path.join(top, f"{d:03}", f"{i:04}") for d in range(FOLDERS) for i in range(IN_ONE_FOLDER)]
    random.Random("shuffled").shuffle(paths)
    threads = [threading.Thread(target=lambda part=paths[n::READERS]: [read(path) for path in part])
               for n in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def read_large(top):
    with open(os.path.join(top, "large"), "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass


class Mounted:
    """One way to see the files, mounted with nothing known of them yet."""

    def __init__(self, work, name, mount, top):
        self.cache = os.path.join(work, "cache-" + name)
        self.point = os.path.join(work, "mnt-link")
        self.mount, self.top = mount, os.path.join(self.point, top)

    def __enter__(self):
        remove(self.cache)
        os.makedirs(self.point, exist_ok=True)
        self.mount(self.point, self.cache)
        return self

    def __exit__(self, *_):
        run(["fusermount3", "-u", self.point])
        wait_until("unmounting", lambda: not os.path.ismount(self.point))


def measure_one(results, name, server, mounted):
    def once(what):
        with mounted:
            server.forget()
            return seconds(lambda: what(mounted.top))

    begin = time.monotonic()
    with mounted:
        read(os.path.join(mounted.top, "050", "0050"))
        results.add(FIRST, name, time.monotonic() - begin)
    results.add(ORDER, name, once(read_in_order))
    results.add(REQUESTS, name, server.requests())
    results.add(SHUFFLED, name, once(read_shuffled))
    results.add(SEQUENTIAL, name, LARGE / 1e6 / once(read_large))


def measure(work, revfs, link, rounds, full):
    results = Results()
    project, store, clone = (os.path.join(work, "link-" + name) for name in ("project", "store", "clone"))
    for path in (project, store, clone):
        remove(path)
    create(os.path.join(project, "data"))
    run(["git", "init", "-q", "-b", "main", project])
    run([revfs, "-q", "snapshot", "-m", "small", "data"], cwd=project)
    run([revfs, "remote", "add", "lab", store], cwd=project)
    run([revfs, "-q", "push"], cwd=project)
    run(["git", "clone", "-q", project, clone])
    # The packs of the small files alone, which is what has to come.
    packed = [os.path.join("packs", d, p) for d in os.listdir(os.path.join(store, "packs"))
              for p in os.listdir(os.path.join(store, "packs", d))]
    try:
        server = Server(work, store, link)
    except Skip as why:
        note(f"SKIP {why}")
        return None
    try:
        run(["git", "config", "revfs.remote.lab.url", server.url], cwd=clone)
        small = sum(os.path.getsize(os.path.join(project, "data", f"{d:03}", f"{i:04}"))
                    for d in range(FOLDERS) for i in range(IN_ONE_FOLDER))
        all_bytes = sum(os.path.getsize(os.path.join(store, path)) for path in packed)
        share = small / (small + LARGE)

        def mount_revfs(point, cache):
            run([revfs, "mount", point], cwd=clone, env={"XDG_CACHE_HOME": cache})

        revfs_mounted = Mounted(work, "revfs", mount_revfs, "@HEAD/data")
        for _ in range(rounds):
            urls = [f"{server.url}/{path}" for path in packed]
            took, _ = run(["curl", "-s", "--parallel", "--parallel-max", "4", *sum((["-o", "/dev/null", url] for url in urls), [])])
            results.add(BYTES, "curl", took * share)
            results.add(SEQUENTIAL, "curl", all_bytes / 1e6 / took)
            measure_one(results, "revfs", server, revfs_mounted)
    finally:
        server.end()
    if not full:
        note("SKIP rclone mount: it takes minutes")
    elif shutil.which("rclone"):
        plain = Server(work, project, link)
        try:
            def mount_rclone(point, cache):
                run(["rclone", "mount", "--daemon", "--read-only", "--vfs-cache-mode", "full", "--cache-dir", cache,
                     f":http,url='{plain.url}':data", point], env={"RCLONE_CONFIG": "/dev/null"})

            rclone = Mounted(work, "rclone", mount_rclone, "")
            measure_one(results, "rclone mount", plain, rclone)
        finally:
            plain.end()
    else:
        note("SKIP rclone mount: it is not installed")
    for path in (project, store, clone):
        remove(path)
    results.print(f"Through a link of {ROUND_TRIP_MS} ms and {MBIT_S} Mbit/s; {FOLDERS * IN_ONE_FOLDER:,} files of 1-30 KB")
    return results
