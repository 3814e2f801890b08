"""What people's programs do with the files of a dataset: attached_use.py USE ARGUMENT..."""
import os
import random
import shutil
import sys
import time


def images(folder, first, count):
    """Write COUNT pictures whose pixels all say their number."""
    for number in range(int(first), int(first) + int(count)):
        path = os.path.join(folder, f"{number:05}.ppm")
        with open(path + ".part", "wb") as file:
            file.write(b"P6 16 16 255\n" + bytes([number % 251]) * (16 * 16 * 3))
        os.rename(path + ".part", path)


def load(folder, count, workers):
    """Read the pictures that are there through a DataLoader, at least COUNT, and check every pixel."""
    import numpy
    import torch.utils.data
    from PIL import Image

    class Pictures(torch.utils.data.Dataset):
        def __init__(self):
            self.names = sorted(name for name in os.listdir(folder) if name.endswith(".ppm"))

        def __len__(self):
            return len(self.names)

        def __getitem__(self, index):
            with Image.open(os.path.join(folder, self.names[index])) as picture:
                return int(self.names[index][:-4]), numpy.array(picture, dtype=numpy.uint8)

    pictures = Pictures()
    assert len(pictures) >= int(count), len(pictures)
    seen = 0
    for _ in range(2):
        for numbers, pixels in torch.utils.data.DataLoader(
                pictures, batch_size=16, shuffle=True, num_workers=int(workers)):
            assert (pixels == (numbers % 251).reshape(-1, 1, 1, 1)).all()
            seen += len(numbers)
    assert seen == 2 * len(pictures)


def table(path, turn):
    """Rewrite a Parquet file in place: a column more each TURN, read back before and after."""
    import pandas

    turn = int(turn)
    if os.path.exists(path):
        frame = pandas.read_parquet(path)
        assert list(frame.columns) == ["id"] + [f"column{i}" for i in range(1, turn)]
    else:
        frame = pandas.DataFrame({"id": range(20000)})
    frame[f"column{turn}"] = frame["id"] * turn
    frame.to_parquet(path)
    assert pandas.read_parquet(path).equals(frame)
    # Threads of this version of pyarrow's may outlive what they use.
    os._exit(0)


def array(path, turn):
    """Write through a memory map."""
    import numpy

    if not os.path.exists(path):
        numpy.save(path, numpy.zeros((512, 1024)))
    rows = numpy.load(path, mmap_mode="r+")
    rows[int(turn) * 7] = int(turn)
    rows[int(turn) * 31, 100:200] += 0.5
    rows.flush()
    del rows


def hdf5(path, turn):
    """Open for reading and writing, add and change."""
    import h5py
    import numpy

    # Without times, so that two files with the same content are the same.
    with h5py.File(path, "a", track_order=False) as file:
        file.create_dataset(f"set{turn}", data=numpy.arange(5000) * int(turn), track_times=False)
        file["set1"][10:20] = int(turn)


def database(path, go, went):
    """A thousand rows each time GO has another word than before, said in WENT; one connection, in WAL mode."""
    import sqlite3

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
    connection.execute("CREATE TABLE rows (number INTEGER, text TEXT)")
    connection.commit()
    done = None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        word = None
        if os.path.exists(go):
            with open(go) as file:
                word = file.read().strip()
        if word == "end":
            break
        if word and word != done:
            connection.executemany("INSERT INTO rows VALUES (?, ?)", ((i, "x" * 50) for i in range(1000)))
            connection.commit()
            done = word
            with open(went + ".new", "w") as file:
                file.write(word + "\n")
            os.rename(went + ".new", went)
        time.sleep(0.02)
    else:
        sys.exit("nobody said that it ends")
    connection.close()


def rows(path):
    """How many rows there are, in a database that is whole."""
    import sqlite3

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    print(connection.execute("SELECT count(*) FROM rows").fetchone()[0])


def move(source, target):
    """Rename; what an overlay does not rename is copied, as mv(1) does."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != 18:  # EXDEV
            raise
        shutil.move(source, target)


class Operations:
    """Operations at random, each in every one of FOLDERS, which look the same before."""

    def __init__(self, folders, seed):
        self.folders = folders
        self.random = random.Random(seed)

    def entries(self, kinds):
        """Paths of the given kinds below the first folder."""
        found = []
        for folder, folders, files in os.walk(self.folders[0]):
            for name in folders + files:
                path = os.path.join(folder, name)
                kind = "l" if os.path.islink(path) else "d" if os.path.isdir(path) else "f"
                if kind in kinds:
                    found.append(os.path.relpath(path, self.folders[0]))
        return sorted(found)

    def some(self, kinds):
        found = self.entries(kinds)
        return self.random.choice(found) if found else None

    def fresh(self):
        """A path at which nothing is, in some folder."""
        parent = self.random.choice([""] + self.entries("d"))
        for _ in range(100):
            name = self.random.choice(["a", "b", "new", "ä ö", "x.y", ".hidden", "wh", "q\"'"])
            path = os.path.join(parent, name + str(self.random.randrange(50)))
            if not os.path.lexists(os.path.join(self.folders[0], path)):
                return path
        return None

    def step(self):
        operation = self.random.choice([
            "create", "create", "write", "append", "truncate", "replace", "remove", "mkdir", "rmtree", "move",
            "move", "link", "mode", "hard"])
        content = self.random.randbytes(self.random.choice([0, 10, 5000, 70000]))
        path = {
            "create": self.fresh, "mkdir": self.fresh, "link": self.fresh,
            "rmtree": lambda: self.some("d") if self.random.random() < 0.15 else None,
            "remove": lambda: self.some("fl"), "move": lambda: self.some("fld"),
        }.get(operation, lambda: self.some("f"))()
        if path is None:
            return
        target = self.fresh()
        if target is None or (target + "/").startswith(path + "/"):
            return
        offset = self.random.randrange(10000)
        for folder in self.folders:
            self.apply(operation, os.path.join(folder, path), os.path.join(folder, target), content, offset)

    @staticmethod
    def apply(operation, path, target, content, offset):
        if operation == "create":
            with open(path, "xb") as file:
                file.write(content)
        elif operation == "write":
            with open(path, "r+b") as file:
                file.seek(offset)
                file.write(content)
        elif operation == "append":
            with open(path, "ab") as file:
                file.write(content)
        elif operation == "truncate":
            os.truncate(path, offset)
        elif operation == "replace":
            with open(path + ".part", "wb") as file:
                file.write(content)
            os.rename(path + ".part", path)
        elif operation == "remove":
            os.unlink(path)
        elif operation == "mkdir":
            os.mkdir(path)
        elif operation == "rmtree":
            shutil.rmtree(path)
        elif operation == "move":
            move(path, target)
        elif operation == "link":
            os.symlink("to/" + str(offset), path)
        elif operation == "mode":
            os.chmod(path, os.stat(path).st_mode ^ 0o100)
        elif operation == "hard":
            # What an overlay copies instead of renaming is two files then, so that the first name has to go.
            os.link(path, target)
            os.unlink(path)


def operations(attached, plain, seed, steps):
    both = Operations([attached, plain], int(seed))
    for _ in range(int(steps)):
        both.step()


if __name__ == "__main__":
    {use.__name__: use for use in (
        images, load, table, array, hdf5, database, rows, operations)}[sys.argv[1]](*sys.argv[2:])
