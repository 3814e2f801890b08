"""What the measurements through a slow link share: the files, the link, the servers behind it, and mounts of them."""
import os
import random
import shutil
import socket
import subprocess
import threading
import time

from measure import Skip, remove, run, wait_until

ROUND_TRIP_MS, MBIT_S = 30, 1000
FOLDERS, IN_ONE_FOLDER, READERS = 100, 100, 8
MIB = 1 << 20


class Files:
    """10,000 files of 1 to 30 KB in 100 folders and a large one that does not compress: `data`, in a project."""

    def __init__(self, project, large_size):
        self.project, self.large_size = project, large_size
        self.folder = os.path.join(project, "data")
        self.small = [os.path.join(f"{d:03}", f"{i:04}") for d in range(FOLDERS) for i in range(IN_ONE_FOLDER)]
        rng = random.Random("files behind a link")
        self.words = [rng.randbytes(4).hex() + " " for _ in range(4000)]

    def write(self, name, rng):
        size, text = rng.randrange(1000, 30_001), bytearray()
        while len(text) < size:
            text += rng.choice(self.words).encode() if rng.random() < 0.3 else rng.randbytes(12)
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(text[:size])

    def create(self):
        rng = random.Random("what stands in them")
        for d in range(FOLDERS):
            os.makedirs(os.path.join(self.folder, f"{d:03}"))
        for name in self.small:
            self.write(name, rng)
        with open(os.path.join(self.folder, "large"), "wb") as f:
            for _ in range(self.large_size // MIB):
                f.write(rng.randbytes(MIB))

    def bytes(self):
        return sum(os.path.getsize(os.path.join(self.folder, name)) for name in [*self.small, "large"])

    def change_a_hundredth(self, version):
        """One small file in a hundred anew, and as much of the large one, in one piece."""
        rng = random.Random(f"change {version}")
        for d in range(FOLDERS):
            self.write(os.path.join(f"{d:03}", f"{version % IN_ONE_FOLDER:04}"), rng)
        with open(os.path.join(self.folder, "large"), "r+b") as f:
            f.seek(rng.randrange(self.large_size * 9 // 10))
            f.write(rng.randbytes(self.large_size // 100))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Link:
    """The slow link in front of a port of this machine."""

    def __init__(self, program, work, name, port):
        self.ready = os.path.join(work, "link-to-" + name)
        for suffix in ("", ".bytes", ".sent", ".hole"):
            remove(self.ready + suffix)
        self.process = subprocess.Popen([program, self.ready, str(port), str(ROUND_TRIP_MS), str(MBIT_S)])
        wait_until("the link", lambda: os.path.exists(self.ready))
        with open(self.ready) as f:
            self.url = f"http://127.0.0.1:{f.read().strip()}"

    def sent(self):
        """Bytes that went to the server so far; it is told once a second."""
        time.sleep(2.5)
        with open(self.ready + ".sent") as f:
            return int(f.read())

    def hole(self, there):
        """From now on nothing is passed on; or everything again."""
        if there:
            open(self.ready + ".hole", "w").close()
        else:
            remove(self.ready + ".hole")

    def end(self):
        self.process.terminate()
        self.process.wait(10)


class Request:
    """A line of nginx's log."""

    def __init__(self, line):
        self.uri, status, self.bytes, self.range = line.rstrip("\n").split(" ", 3)
        self.status, self.bytes = int(status), int(self.bytes)


class Nginx:
    """nginx over a folder, and the link before it."""

    def __init__(self, work, folder, link):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            raise Skip("the slow link: no nginx")
        self.log = os.path.join(work, "nginx.log")
        port = free_port()
        conf = os.path.join(work, "nginx.conf")
        temp = "".join(f"{name}_temp_path {work}/nginx-temp; " for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
        with open(conf, "w") as f:
            f.write(f"worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx-error.log;\n"
                    f"user root; events {{ worker_connections 1024; }}\n"
                    f"http {{ log_format short '$uri $status $bytes_sent $http_range'; access_log {self.log} short;\n"
                    f"client_body_temp_path {work}/nginx-temp; {temp}\n"
                    f"keepalive_requests 1000000; sendfile on; autoindex on;\n"
                    f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
        env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.process = subprocess.Popen(["nginx", "-c", conf, "-e", f"{work}/nginx-error.log"], env=env)
        self.link = Link(link, work, "nginx", port)
        self.url = self.link.url
        wait_until("nginx", lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", self.url],
                                                   check=False).returncode == 0)

    def forget(self):
        time.sleep(0.2)
        open(self.log, "w").close()

    def requests(self):
        """What was asked for since forget()."""
        time.sleep(0.2)
        with open(self.log) as f:
            return [Request(line) for line in f]

    def end(self):
        self.link.end()
        self.process.terminate()
        self.process.wait(10)


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


def read(path):
    with open(path, "rb", buffering=0) as f:
        return len(f.read())


def read_in_order(top):
    for d in range(FOLDERS):
        folder = os.path.join(top, f"{d:03}")
        for name in sorted(os.listdir(folder)):
            read(os.path.join(folder, name))


def at_once(count, work):
    """WORK(0) to WORK(COUNT - 1), each on a thread of its own."""
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_shuffled(top):
    paths = [os.path.join(top, f"{d:03}", f"{i:04}") for d in range(FOLDERS) for i in range(IN_ONE_FOLDER)]
    random.Random("shuffled").shuffle(paths)
    at_once(READERS, lambda n: [read(path) for path in paths[n::READERS]])


def read_large(top):
    with open(os.path.join(top, "large"), "rb", buffering=0) as f:
        while f.read(MIB):
            pass


def seconds(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin
