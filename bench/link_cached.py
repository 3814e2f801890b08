"""How long reads of what is cached take that the daemon answers, with the remote well, and with the link cut off while
others wait for it."""
import os
import random
import signal
import statistics
import time

from link_world import IN_ONE_FOLDER, MIB, at_once, read
from measure import wait_until

FOLDERS_READ, READS, TURNS, WAITING = 10, 1500, 3, 16
P50, P99 = "cached reads, p50, us", "cached reads, p99, us"
HOLE_P50, HOLE_P99 = "the same with the link cut off, p50, us", "the same with the link cut off, p99, us"


def timed_reads(paths, rng):
    """Microseconds that each of READS reads took: of whole files that the kernel does not have, but knows."""
    took = []
    for _ in range(READS):
        fd = os.open(rng.choice(paths), os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        begin = time.perf_counter()
        os.read(fd, 65536)
        took.append((time.perf_counter() - begin) * 1e6)
        os.close(fd)
    return took


def wait_for_cold(path, large_size, turn):
    """In a process of its own WAITING readers of what is not cached, elsewhere in each turn; its id."""
    pid = os.fork()
    if pid:
        return pid
    fd = os.open(path, os.O_RDONLY)
    step = large_size // (WAITING * TURNS + 2)
    at_once(WAITING, lambda n: os.pread(fd, 4096, (n * TURNS + turn + 1) * step))
    os._exit(0)


def cut_off(link, cold, paths, rng):
    """Timed reads while the link passes nothing on; what waits then ends by itself once it does again."""
    link.hole(True)
    time.sleep(0.2)  # it looks every tenth of a second
    pid = cold()
    try:
        time.sleep(0.3)
        took = timed_reads(paths, rng)
        if os.waitpid(pid, os.WNOHANG)[0]:
            raise SystemExit("bench: what was to wait for the link did not")
        os.kill(pid, signal.SIGKILL)
    finally:
        link.hole(False)
    wait_until("readers to go", lambda: os.waitpid(pid, os.WNOHANG)[0])
    return took


def quantiles(results, took, p50, p99):
    results.add(p50, "revfs", statistics.median(took))
    results.add(p99, "revfs", statistics.quantiles(took, n=100)[98])


def measure(results, link, mounted, large_size):
    """Well and cut off by turns, so that what else the machine does meets both."""
    rng, well, hole = random.Random("cached"), [], []
    with mounted:
        large = os.path.join(mounted.top, "large")
        os.stat(large)
        paths = [os.path.join(mounted.top, f"{d:03}", f"{i:04}") for d in range(FOLDERS_READ) for i in range(IN_ONE_FOLDER)]
        for path in paths:
            read(path)
        timed_reads(paths, rng)
        for turn in range(TURNS):
            well += timed_reads(paths, rng)
            hole += cut_off(link, lambda turn=turn: wait_for_cold(large, large_size, turn), paths, rng)
    quantiles(results, well, P50, P99)
    quantiles(results, hole, HOLE_P50, HOLE_P99)


def ratio(results):
    well, hole = results.median(P99, "revfs"), results.median(HOLE_P99, "revfs")
    return hole / well if well and hole else None
