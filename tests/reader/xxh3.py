"""XXH3-64 with seed 0 and the default secret, as its specification (xxHash's doc/xxhash_spec.md) says."""
import struct

MASK = (1 << 64) - 1
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
SECRET = bytes.fromhex(
    'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221'
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8'
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb'
    '170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e')


def u32(b, at):
    return int.from_bytes(b[at:at + 4], 'little')


def u64(b, at):
    return int.from_bytes(b[at:at + 8], 'little')


def fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def avalanche(h):
    h = (h ^ (h >> 37)) * MX1 & MASK
    return h ^ (h >> 32)


def avalanche64(h):
    h = (h ^ (h >> 33)) * P64[1] & MASK
    h = (h ^ (h >> 29)) * P64[2] & MASK
    return h ^ (h >> 32)


def rotate(h, n):
    return (h << n | h >> (64 - n)) & MASK


def up_to_16(b):
    n = len(b)
    if n > 8:
        low = u64(b, 0) ^ (u64(SECRET, 24) ^ u64(SECRET, 32))
        high = u64(b, n - 8) ^ (u64(SECRET, 40) ^ u64(SECRET, 48))
        swapped = int.from_bytes(low.to_bytes(8, 'little'), 'big')
        return avalanche((n + swapped + high + fold(low, high)) & MASK)
    if n >= 4:
        h = (u32(b, n - 4) + (u32(b, 0) << 32)) ^ (u64(SECRET, 8) ^ u64(SECRET, 16))
        h = (h ^ rotate(h, 49) ^ rotate(h, 24)) * MX2 & MASK
        h = (h ^ ((h >> 35) + n)) * MX2 & MASK
        return h ^ (h >> 28)
    if n:
        h = b[0] << 16 | b[n >> 1] << 24 | b[n - 1] | n << 8
        return avalanche64(h ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    return avalanche64(u64(SECRET, 56) ^ u64(SECRET, 64))


def mix16(b, at, secret):
    return fold(u64(b, at) ^ u64(SECRET, secret), u64(b, at + 8) ^ u64(SECRET, secret + 8))


def up_to_240(b):
    n = len(b)
    h = n * P64[0]
    if n <= 128:
        for i in range((n - 1) // 32, -1, -1):
            h += mix16(b, 16 * i, 32 * i) + mix16(b, n - 16 * (i + 1), 32 * i + 16)
        return avalanche(h & MASK)
    for i in range(8):
        h += mix16(b, 16 * i, 16 * i)
    h = avalanche(h & MASK)
    for i in range(8, n // 16):
        h += mix16(b, 16 * i, 16 * (i - 8) + 3)
    return avalanche((h + mix16(b, n - 16, 136 - 17)) & MASK)


def accumulate(lanes, stripe, secret):
    for i in range(8):
        value = stripe[i]
        key = value ^ secret[i]
        lanes[i ^ 1] = (lanes[i ^ 1] + value) & MASK
        lanes[i] = (lanes[i] + (key & 0xFFFFFFFF) * (key >> 32)) & MASK


def long(b):
    lanes = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]
    words = struct.Struct('<8Q')
    secrets = [words.unpack_from(SECRET, 8 * i) for i in range(16)]
    scramble = words.unpack_from(SECRET, 128)
    for i in range((len(b) - 1) // 64):
        accumulate(lanes, words.unpack_from(b, 64 * i), secrets[i % 16])
        if i % 16 == 15 and i // 16 < (len(b) - 1) // 1024:
            for k in range(8):
                lanes[k] = (lanes[k] ^ (lanes[k] >> 47) ^ scramble[k]) * P32[0] & MASK
    accumulate(lanes, words.unpack_from(b, len(b) - 64), words.unpack_from(SECRET, 192 - 64 - 7))
    h = len(b) * P64[0]
    for i in range(4):
        h += fold(lanes[2 * i] ^ u64(SECRET, 11 + 16 * i), lanes[2 * i + 1] ^ u64(SECRET, 19 + 16 * i))
    return avalanche(h & MASK)


def xxh3_64(b):
    return up_to_16(b) if len(b) <= 16 else up_to_240(b) if len(b) <= 240 else long(b)
