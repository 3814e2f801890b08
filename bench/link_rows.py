"""What every way to see the files through the link is measured at."""
import os
import time

from link_world import read, read_in_order, read_large, read_shuffled, seconds

BYTES = "packed bytes, s"
FIRST = "first byte, from mounting on, s"
ORDER = "all in listing order, s"
REQUESTS = "requests for that"
SHUFFLED = "all shuffled, 8 readers, s"
SEQUENTIAL = "a large file in order, MB/s"
FOLDER = "everything into a folder, s"


def reading_of(results, name, server, mounted, large_size):
    """What every kind of mount is measured at."""
    def once(what):
        with mounted:
            server.forget()
            return seconds(lambda: what(mounted.top))

    begin = time.monotonic()
    with mounted:
        read(os.path.join(mounted.top, "050", "0050"))
        results.add(FIRST, name, time.monotonic() - begin)
    results.add(ORDER, name, once(read_in_order))
    results.add(REQUESTS, name, len(server.requests()))
    results.add(SHUFFLED, name, once(read_shuffled))
    results.add(SEQUENTIAL, name, large_size / 1e6 / once(read_large))
