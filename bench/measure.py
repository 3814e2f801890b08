"""Running and timing commands: wall-clock time, user and system CPU, load; cold caches; medians and tables."""
import os
import shutil
import statistics
import subprocess
import sys
import time


class Skip(Exception):
    """A peer or a measurement that this machine can't do; the text says why."""


def note(text):
    print(text, file=sys.stderr, flush=True)


def drop_caches():
    """Make the next read cold."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
    except OSError as error:
        raise Skip(f"cold runs: /proc/sys/vm/drop_caches: {error.strerror}") from None


def run(command, cwd=None, env=None, quiet=True):
    """Run COMMAND to its end; (seconds, CPU seconds).  A failure ends the whole run: its numbers would mean nothing."""
    before = os.times()
    begin = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, shell=isinstance(command, str),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if quiet else None,
                          stderr=subprocess.STDOUT if quiet else None)
    seconds = time.monotonic() - begin
    after = os.times()
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout or b"")
        raise SystemExit(f"bench: exit status {done.returncode} of {command}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, cpu


def output(command, cwd=None):
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def process_cpu(pid):
    """User and system seconds of a process, and of what it waited for."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid):
    """The most bytes a process ever had in memory (VmHWM)."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def folder_bytes(path):
    """Bytes of all files below PATH."""
    return sum(os.lstat(os.path.join(top, name)).st_size for top, _, names in os.walk(path) for name in names)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {what}: not within {seconds} s")
        time.sleep(0.005)


class Results:
    """Values by row and column; each cell keeps all its runs."""

    def __init__(self):
        self.cells = {}
        self.rows = {}
        self.columns = {}

    def add(self, row, column, value, cpu=None):
        self.rows[row] = None
        self.columns[column] = None
        self.cells.setdefault((row, column), []).append((value, cpu))
        note(f"  {column}: {row}: {value:.4g}" + (f" (CPU {cpu:.2f} s)" if cpu is not None else "") +
             f", load {os.getloadavg()[0]:.1f}")

    def median(self, row, column):
        runs = self.cells.get((row, column))
        return statistics.median(value for value, _ in runs) if runs else None

    def ratio(self, row, above, below):
        """Median of ABOVE over median of BELOW; None where one was not measured."""
        a, b = self.median(row, above), self.median(row, below)
        return a / b if a is not None and b else None

    def text(self, row, column):
        runs = self.cells.get((row, column))
        if not runs:
            return "-"
        value = self.median(row, column)
        text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        cpus = [cpu for _, cpu in runs if cpu is not None]
        return text + (f" ({statistics.median(cpus):.1f})" if cpus else "")

    def print(self, title):
        print(f"\n{title}; medians, in brackets user and system CPU seconds")
        table = [["", *self.columns]]
        table += [[row, *(self.text(row, column) for column in self.columns)] for row in self.rows]
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        for line in table:
            print("  " + line[0].ljust(widths[0]) + "".join("  " + cell.rjust(width)
                                                           for cell, width in zip(line[1:], widths[1:])))
        sys.stdout.flush()
