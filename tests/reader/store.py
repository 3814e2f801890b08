"""Records, packs, moved files and roots of a store, as revfs-format(5) describes them.  Everything is checked."""
import ctypes
import hashlib
import os
import re
import struct

from xxh3 import xxh3_64

CHUNK, PAGE = 1, 2
ZSTD = ctypes.CDLL('libzstd.so.1')
ZSTD.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
ZSTD.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t



class Damage(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Damage(what)


def unzstd(data, raw_len):
    size = ctypes.c_size_t(len(data))
    need(data[:4] == b'\x28\xb5\x2f\xfd' and ZSTD.ZSTD_getFrameContentSize(data, size) == raw_len, 'zstd frame')
    need(ZSTD.ZSTD_findFrameCompressedSize(data, size) == len(data), 'bytes behind the zstd frame')
    out = ctypes.create_string_buffer(raw_len)
    need(ZSTD.ZSTD_decompress(out, ctypes.c_size_t(raw_len), data, size) == raw_len, 'zstd data')
    return out.raw


def header(data, magic, pack):
    """Check the header of a file; answers the number in it."""
    name, major, _, count, pack_id, reserved, checksum = struct.unpack('<8sHHI16s24sQ', data[:64])
    need(name == magic and major == 1 and pack_id == pack and not any(reserved), 'header')
    need(checksum == xxh3_64(data[:56]), 'checksum of the header')
    return count


def record(data, kind, record_id):
    """Expand and check a record; answers its raw bytes and how many of them are hashed."""
    k, codec, dictionary, raw_len, stored_len, hashed_len, checksum = struct.unpack('<BBHIIIQ', data[:24])
    stored = data[24:]
    need(k == kind and dictionary == 0 and len(stored) == stored_len <= raw_len, 'header of the record')
    need(1 <= raw_len <= (262144 if kind == CHUNK else 1 << 20) and 1 <= hashed_len <= raw_len, 'lengths of the record')
    need(kind == PAGE or hashed_len == raw_len, 'hashed length of a chunk')
    need(checksum == xxh3_64(data[:16] + stored), 'checksum of the record')
    need(codec in (0, 1) and (codec == 1 or raw_len == stored_len), 'codec')
    raw = unzstd(stored, raw_len) if codec else stored
    need(hashlib.sha256(raw[:hashed_len]).digest() == record_id, 'id of the record')
    return raw, hashed_len


def slurp(path):
    with open(path, 'rb') as f:
        return f.read()


class Store:
    def __init__(self, path):
        self.path = path
        lines = slurp(path + '/revfs-store').decode().split('\n')
        need(re.fullmatch(r'revfs-store 1\.\d+', lines[0]) and not any(lines[1:]), 'revfs-store')
        self.packs, self.where = {}, {}
        for folder, _, names in os.walk(path + '/packs'):
            for name in names:
                if re.fullmatch('[0-9a-f]{32}', name):
                    need(os.path.basename(folder) == name[:2], 'folder of pack ' + name)
                    self.read_index(bytes.fromhex(name), slurp(os.path.join(folder, name)))

    def read_index(self, pack, data):
        need(header(data, b'revfsPCK', pack) == 0 and len(data) <= 1 << 30, 'dictionaries')
        magic, at, count, zero, checksum, again, zeros, check = struct.unpack('<8sQIIQ16sQQ', data[-64:])
        need(magic == b'revfsEND' and again == pack and zero == zeros == 0, 'trailer')
        need(check == xxh3_64(data[-64:-8]) and at + 48 * count + 64 == len(data), 'trailer')
        index = data[at:-64]
        need(checksum == xxh3_64(index), 'checksum of the index')
        self.packs[pack] = data
        last, used = b'', []
        for i in range(0, len(index), 48):
            kind, _, _, _, stored_len, offset, record_id = struct.unpack('<BBHIII32s', index[i:i + 48])
            need(index[i:i + 1] + record_id > last and kind in (CHUNK, PAGE), 'order of the index')
            last = index[i:i + 1] + record_id
            need(data[offset:offset + 12] == index[i:i + 12], 'index and record differ')
            record(data[offset:offset + 24 + stored_len], kind, record_id)
            self.where.setdefault((kind, record_id), set()).add((pack, offset, stored_len))
            used.append((offset, offset + 24 + stored_len))
        ends = [64] + [end for _, end in sorted(used)]
        need(ends == [begin for begin, _ in sorted(used)] + [at], 'records are not back to back')

    def moved(self, pack, offset):
        name = pack.hex()
        data = slurp('%s/packs/%s/%s.moved' % (self.path, name[:2], name))
        count = header(data, b'revfsMVD', pack)
        need(len(data) == 64 + 32 * count + 8, 'length of the moved file')
        need(data[-8:] == struct.pack('<Q', xxh3_64(data[64:-8])), 'checksum of the moved file')
        entries = [struct.unpack('<II16sII', data[i:i + 32]) for i in range(64, 64 + 32 * count, 32)]
        need(all(a[0] < b[0] for a, b in zip(entries, entries[1:])), 'order of the moved file')
        places = [(e[2], e[1]) for e in entries if e[0] == offset]
        need(places, 'record is not in the moved file')
        return places[0]

    def get(self, kind, record_id, place):
        """The raw bytes of a record and how many are hashed.  A known place must be right, here or moved."""
        places = self.where.get((kind, record_id))
        need(places, 'record %s is missing' % record_id.hex())
        if place:
            pack, offset, stored_len = place
            for _ in range(8):
                if pack in self.packs:
                    break
                pack, offset = self.moved(pack, offset)
            need((pack, offset, stored_len) in places, 'place of record %s' % record_id.hex())
        pack, offset, stored_len = min(places)
        return record(self.packs[pack][offset:offset + 24 + stored_len], kind, record_id)

    def root(self, page_id):
        data = slurp('%s/roots/%s/%s' % (self.path, page_id.hex()[:2], page_id.hex()))
        need(header(data, b'revfsROT', bytes(16)) == 0, 'header of the root')
        return record(data[64:], PAGE, page_id)
