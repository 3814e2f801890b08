"""One folder of a million files: how soon after mounting one of them is read, and what the daemon takes."""
import os
import subprocess
import time

from measure import Results, drop_caches, peak_memory, remove, run, wait_until, Skip, note


def create(folder, count):
    os.makedirs(folder)
    top = os.open(folder, os.O_RDONLY)
    for i in range(count):
        f = os.open(f"record-{i:07}.txt", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=top)
        os.write(f, b"the content of record %d\n" % i)
        os.close(f)
    os.close(top)


def measure(work, revfs, count, rounds):
    results = Results()
    project = os.path.join(work, "million")
    point = os.path.join(work, "mnt-million")
    remove(project)
    os.makedirs(point, exist_ok=True)
    create(os.path.join(project, "data"), count)
    run(["git", "init", "-q", "-b", "main", project])
    results.add("first snapshot, s", "revfs", *run([revfs, "-q", "snapshot", "-m", "all", "data"], cwd=project))
    changed = os.path.join(project, "data", f"record-{count // 2:07}.txt")
    with open(changed, "a") as f:
        f.write("a second line\n")
    results.add("one file changed, s", "revfs", *run([revfs, "-q", "snapshot", "-m", "one"], cwd=project))
    for _ in range(rounds):
        try:
            drop_caches()
        except Skip as why:
            note(f"SKIP {why}")
        begin = time.monotonic()
        daemon = subprocess.Popen([revfs, "mount", "-f", project, point], stdin=subprocess.DEVNULL)
        try:
            wait_until("mounting", lambda: os.path.ismount(point))
            mounted = time.monotonic()
            with open(os.path.join(point, "@HEAD", "data", os.path.basename(changed)), "rb") as f:
                content = f.read()
            read = time.monotonic()
            if not content.endswith(b"a second line\n"):
                raise SystemExit("bench: wrong bytes")
            results.add("mounting, ms", "revfs", (mounted - begin) * 1000)
            results.add("one file after mounting, ms", "revfs", (read - mounted) * 1000)
            results.add("find of all, s", "revfs", *run(["find", os.path.join(point, "@HEAD", "data"), "-printf", "%s\\n"]))
            results.add("daemon, MiB", "revfs", peak_memory(daemon.pid) / (1 << 20))
        finally:
            run(["fusermount3", "-u", point])
            daemon.wait(60)
    remove(project)
    results.print(f"One folder of {count:,} files")
    return results
