"""A fresh clone that reads through a slow link: 30 ms a round trip, 1 Gbit/s, in front of nginx; and pushing through it.

10,000 files of 1 to 30 KB and a large one, an empty cache each time.  What it takes at least is measured with curl, which
brings the packed bytes over the same link.
"""
import os

import link_cached
import link_peers
import link_push
import link_requests
from link_rows import BYTES, FIRST, FOLDER, ORDER, REQUESTS, SEQUENTIAL, SHUFFLED, reading_of
from link_world import FOLDERS, IN_ONE_FOLDER, MBIT_S, MIB, ROUND_TRIP_MS, Files, Mounted, Nginx
from measure import Results, Skip, note, remove, run

# What link_requests reads, too: a path of three pages, and a data set that has nothing of it.
DEEP, OTHER = os.path.join("deep", "a", "b", "file"), os.path.join("other", "file")


def packs_of(store):
    """Paths of the packs in STORE, below it."""
    return sorted(os.path.join("packs", d, p) for d in os.listdir(os.path.join(store, "packs"))
                  for p in os.listdir(os.path.join(store, "packs", d)))


def curl_reads(results, url, store, packed, large_size):
    """The least that it takes; what is not the large file, which does not compress, is the small ones."""
    everything = sum(os.path.getsize(os.path.join(store, path)) for path in packed)
    outputs = sum((["-o", "/dev/null", f"{url}/{path}"] for path in packed), [])
    took, _ = run(["curl", "-s", "-f", "--parallel", "--parallel-max", "4", *outputs])
    results.add(BYTES, "curl", took * (everything - large_size) / everything)
    results.add(SEQUENTIAL, "curl", everything / 1e6 / took)


def make_project(files, revfs, store):
    """Snapshot FILES and two small data sets more, push them to the folder STORE, clone."""
    project = files.project
    files.create()
    for name in (DEEP, OTHER):
        os.makedirs(os.path.dirname(os.path.join(project, name)))
        with open(os.path.join(project, name), "wb") as f:
            f.write(os.urandom(20_000))
    run(["git", "init", "-q", "-b", "main", project])
    run([revfs, "-q", "snapshot", "-m", "small", "data", "deep", "other"], cwd=project)
    run([revfs, "remote", "add", "lab", store], cwd=project)
    run([revfs, "-q", "push"], cwd=project)


def measure_revfs(results, revfs, work, clone, server, large_size, full):
    def mounted(top):
        return Mounted(work, "revfs", lambda point, cache: run([revfs, "mount", point], cwd=clone,
                                                               env={"XDG_CACHE_HOME": cache}), top)

    reading_of(results, "revfs", server, mounted("@HEAD/data"), large_size)
    target, cache = os.path.join(work, "link-target"), os.path.join(work, "cache-revfs")
    for path in (target, cache):
        remove(path)
    took, _ = run([revfs, "-q", "export", "HEAD:data", target], cwd=clone, env={"XDG_CACHE_HOME": cache})
    results.add(FOLDER, "revfs", took)
    remove(target)
    link_requests.measure(results, server, mounted("@HEAD"), large_size, full)
    link_cached.measure(results, server.link, mounted("@HEAD/data"), large_size)


def measure(work, revfs, link, rounds, full):
    results = Results()
    project, store, clone = (os.path.join(work, "link-" + name) for name in ("project", "store", "clone"))
    for path in (project, store, clone):
        remove(path)
    files = Files(project, MIB << (10 if full else 8))
    make_project(files, revfs, store)
    run(["git", "clone", "-q", project, clone])
    packed = packs_of(store)
    try:
        server = Nginx(work, store, link)
    except Skip as why:
        note(f"SKIP {why}")
        return None
    try:
        run(["git", "config", "revfs.remote.lab.url", server.url], cwd=clone)
        for _ in range(rounds):
            curl_reads(results, server.url, store, packed, files.large_size)
            measure_revfs(results, revfs, work, clone, server, files.large_size, full)
    finally:
        server.end()
    link_peers.measure(results, work, files, link, rounds, full)
    link_push.measure(results, work, files, revfs, link, rounds, full)
    for path in (project, store, clone):
        remove(path)
    results.print(f"Through a link of {ROUND_TRIP_MS} ms and {MBIT_S} Mbit/s; {FOLDERS * IN_ONE_FOLDER:,} files of 1-30 KB, "
                  f"one of {files.large_size // MIB} MiB")
    return results


def ask(results, asked):
    """What was asked of the link: ASKED(what, how much, value, whether it is met, unit) for each."""
    def of_bytes(row):
        value, least = results.median(row, "revfs"), results.median(BYTES, "curl")
        return value / least if value and least else None

    def at_most(what, most, value, unit="", text=None):
        asked("link: " + what, text or f"at most {most}{unit}", value, lambda v: v <= most, unit)

    at_most("first byte", 0.4, results.median(FIRST, "revfs"), " s")
    at_most("all in listing order", 1.3, of_bytes(ORDER), " times", "at most 1.3 times the packed bytes")
    at_most("requests for that", 50, results.median(REQUESTS, "revfs"), text="at most one for 200 files")
    at_most("shuffled, 8 readers", 3, of_bytes(SHUFFLED), " times", "at most 3 times the packed bytes")
    asked("link: a large file in order", "at least 0.9 of curl's", results.ratio(SEQUENTIAL, "revfs", "curl"),
          lambda v: v >= 0.9, " times")
    at_most("random 4 KiB, requests", 2, results.median(link_requests.RANDOM, "revfs"))
    at_most("random 4 KiB, bytes", 512, results.median(link_requests.RANDOM_KIB, "revfs"), " KiB")
    at_most("256 readers, fetched twice", 0, results.median(link_requests.TWICE, "revfs"), " bytes")
    at_most("requests to a first byte", 5, results.median(link_requests.COLD, "revfs"))
    at_most("the same, root known", 3, results.median(link_requests.ROOT_KNOWN, "revfs"))
    at_most("cached reads, p99, cut off", 1.2, link_cached.ratio(results), " times", "at most 1.2 times healthy")
    asked("link: push", "at least 0.9 of curl's", results.ratio(link_push.PUSH, "revfs", "curl"),
          lambda v: v >= 0.9, " times")
