"""How many requests, and how many bytes, what is read through the link asks for: as nginx's log says."""
import os
import random
import re

from link_world import FOLDERS, MIB, at_once, read

RANDOM = "4 KiB at random, requests a read"
RANDOM_KIB = "4 KiB at random, KiB a read"
READERS_REQUESTS = "256 readers of one cold file, requests"
TWICE = "bytes fetched twice by them"
COLD = "requests to a first byte, 3 pages, cold"
ROOT_KNOWN = "the same, the root known"


def bytes_twice(requests):
    """Bytes of the files of the store that more than one answer had."""
    ranges = {}
    for request in requests:
        found = re.match(r"bytes=(\d+)-(\d+)$", request.range)
        if found and request.status == 206:
            ranges.setdefault(request.uri, []).append((int(found[1]), int(found[2]) + 1))
    twice = 0
    for parts in ranges.values():
        end = 0
        for first, last in sorted(parts):
            twice += max(0, min(end, last) - first)
            end = max(end, last)
    return twice


def at_random(results, server, mounted, large_size, reads):
    """The file is known, where its parts lie is not."""
    rng = random.Random("places")
    with mounted:
        fd = os.open(os.path.join(mounted.top, "data", "large"), os.O_RDONLY)
        try:
            server.forget()
            for _ in range(reads):
                os.pread(fd, 4096, rng.randrange(large_size // 4096) * 4096)
            requests = server.requests()
        finally:
            os.close(fd)
    results.add(RANDOM, "revfs", len(requests) / reads)
    results.add(RANDOM_KIB, "revfs", sum(request.bytes for request in requests) / reads / 1024)


def readers(results, server, mounted):
    with mounted:
        path = os.path.join(mounted.top, "data", f"{FOLDERS // 2:03}", "0050")
        os.stat(path)
        server.forget()
        at_once(256, lambda _: read(path))
        requests = server.requests()
    results.add(READERS_REQUESTS, "revfs", len(requests))
    results.add(TWICE, "revfs", bytes_twice(requests))


def first_byte(results, server, mounted):
    """Over a connection that another data set opened."""
    for row in (COLD, ROOT_KNOWN):
        with mounted:
            read(os.path.join(mounted.top, "other", "file"))
            if row == ROOT_KNOWN:
                os.listdir(os.path.join(mounted.top, "deep"))
            server.forget()
            read(os.path.join(mounted.top, "deep", "a", "b", "file"))
            results.add(row, "revfs", len(server.requests()))


def measure(results, server, mounted, large_size, full):
    at_random(results, server, mounted, large_size, 400 if full else 100)
    readers(results, server, mounted)
    first_byte(results, server, mounted)
