"""The data set of all local measurements, the same bytes on every machine, and its second version.

At scale 1: 20,000 files of 10 to 110 KB that do not compress (as photographs), 20,000 small JSON files, four float32
files of 256 MiB that zstd at level 3 makes 1.7 times smaller; 2.3 GB in 40,004 files.  A scale of 0.1 has a tenth of
each.  The second version replaces a tenth of the files, inserts 4 KiB near the start of one large file, and overwrites
13 % of each of the three others.
"""
import json
import os
import random

MIB = 1 << 20
LARGE_FILES = 4
IN_ONE_FOLDER = 1000


def photograph(number, version):
    rng = random.Random(f"photograph {number} {version}")
    return rng.randbytes(rng.randrange(10_000, 110_001))


def label(number, version):
    rng = random.Random(f"label {number} {version}")
    words = "car bicycle person dog cat tree house sign bench light road cloud".split()
    return json.dumps({
        "image": f"photos/{number // IN_ONE_FOLDER:03}/{number:05}.jpg",
        "size": [rng.randrange(600, 4000), rng.randrange(400, 3000)],
        "source": f"camera-{rng.randrange(40):02}",
        "objects": [{
            "class": rng.choice(words),
            "box": [round(rng.random(), 6) for _ in range(4)],
            "score": round(rng.random(), 6),
            "occluded": rng.random() < 0.2,
        } for _ in range(rng.randrange(4, 18))],
    }, indent=1).encode()


def floats(rng, size):
    """Readings of a 14-bit sensor as float32, little-endian, between 1 and 2 or -2 and -1."""
    count = size // 4
    raw = bytearray(size)
    fine = bytes((i & 0x3F) << 2 for i in range(256))
    sign = bytes(0xBF if i < 40 else 0x3F for i in range(256))
    raw[1::4] = rng.randbytes(count).translate(fine)
    raw[2::4] = rng.randbytes(count).translate(bytes(0x80 | (i >> 1) for i in range(256)))
    raw[3::4] = rng.randbytes(count).translate(sign)
    return raw


class DataSet:
    def __init__(self, folder, scale):
        self.folder = folder
        self.small = int(20_000 * scale)
        self.large_size = int(256 * scale) * MIB
        self.photos = [f"photos/{i // IN_ONE_FOLDER:03}/{i:05}.jpg" for i in range(self.small)]
        self.labels = [f"labels/{i // IN_ONE_FOLDER:03}/{i:05}.json" for i in range(self.small)]
        self.large = [f"arrays/{i}.f32" for i in range(LARGE_FILES)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)

    def write_large(self, number, version):
        """One large file; of version 2, inserted into (the first) or overwritten in a stretch of 13 %."""
        part = MIB
        parts = self.large_size // part
        stretch = range(parts // 3, parts // 3 + max(1, parts * 13 // 100))
        os.makedirs(self.path("arrays"), exist_ok=True)
        with open(self.path(self.large[number]), "wb") as f:
            for i in range(parts):
                changed = version == 2 and number > 0 and i in stretch
                piece = floats(random.Random(f"array {number} {i} {2 if changed else 1}"), part)
                if version == 2 and number == 0 and i == 0:
                    piece[10_000:10_000] = random.Random("inserted").randbytes(4096)
                f.write(piece)

    def tenth(self):
        """The numbers of the small files that the second version replaces, one in ten of each kind."""
        return range(3, self.small, 10)

    def create(self):
        for i in range(self.small):
            self.write(self.photos[i], photograph(i, 1))
            self.write(self.labels[i], label(i, 1))
        for i in range(LARGE_FILES):
            self.write_large(i, 1)
        return self

    def turn(self, version):
        """Make of the files on disk those of VERSION, 1 or 2; what is the same in both is not touched."""
        for i in self.tenth():
            self.write(self.photos[i], photograph(i, version))
            self.write(self.labels[i], label(i, version))
        for i in range(LARGE_FILES):
            self.write_large(i, version)

    def small_files(self):
        return self.labels + self.photos

    def files(self):
        return sorted(self.labels + self.photos + self.large)

    def bytes(self):
        return sum(os.stat(self.path(name)).st_size for name in self.files())
