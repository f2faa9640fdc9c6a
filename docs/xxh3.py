"""XXH3-64 with its default secret, of any number of bytes and with any seed, for `decode.py`: Python brings none along.
Written for being read; some megabytes a second."""
import struct

ONES, ONES32 = 2**64 - 1, 2**32 - 1
P32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d"
    "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc"
    "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32(data, at=0):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at=0):
    return struct.unpack_from("<Q", data, at)[0]


def words(data, at):
    return struct.unpack_from("<8Q", data, at)


def fold(a, b):
    product = a * b
    return (product ^ product >> 64) & ONES


def rotate(x, bits):
    return (x << bits | x >> 64 - bits) & ONES


def swap(x, size):
    return int.from_bytes(x.to_bytes(size, "little"), "big")


def scatter(h, shift, factor, last=64):
    h = (h ^ h >> shift) * factor & ONES
    return h ^ h >> last


def avalanche(h):
    return scatter(h & ONES, 37, MX1, 32)


def mix(data, at, seed, key):
    return fold(u64(data, at) ^ u64(SECRET, key) + seed & ONES, u64(data, at + 8) ^ u64(SECRET, key + 8) - seed & ONES)


def keys(at):
    return u64(SECRET, at) ^ u64(SECRET, at + 8)


def xxh3(data, seed=0):
    n = len(data)
    if n == 0:
        return scatter(scatter(seed ^ keys(56), 33, P64[1]), 29, P64[2], 32)
    if n < 4:
        word = data[0] << 16 | data[n >> 1] << 24 | data[-1] | n << 8
        return scatter(scatter(word ^ (u32(SECRET) ^ u32(SECRET, 4)) + seed & ONES, 33, P64[1]), 29, P64[2], 32)
    if n <= 8:
        word = u32(data, n - 4) + (u32(data) << 32)
        h = word ^ keys(8) - (seed ^ swap(seed & ONES32, 4) << 32) & ONES
        h = (h ^ rotate(h, 49) ^ rotate(h, 24)) * MX2 & ONES
        return scatter(h ^ (h >> 35) + n, 64, MX2, 28)
    if n <= 16:
        low, high = u64(data) ^ keys(24) + seed & ONES, u64(data, n - 8) ^ keys(40) - seed & ONES
        return avalanche(n + swap(low, 8) + high + fold(low, high))
    h = n * P64[0]
    if n <= 128:
        for i in range((n - 1) // 32 + 1):
            h += mix(data, 16 * i, seed, 32 * i) + mix(data, n - 16 * i - 16, seed, 32 * i + 16)
        return avalanche(h)
    if n <= 240:
        h = avalanche(h + sum(mix(data, 16 * i, seed, 16 * i) for i in range(8)))
        h += sum(mix(data, 16 * i, seed, 16 * i - 125) for i in range(8, n // 16))
        return avalanche(h + mix(data, n - 16, seed, 119))
    return long(data, n, seed)


def long(data, n, seed):
    secret = b"".join(struct.pack("<QQ", u64(SECRET, i) + seed & ONES, u64(SECRET, i + 8) - seed & ONES)
                      for i in range(0, 192, 16))
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def accumulate(at, key):
        for i, (word, other) in enumerate(zip(words(data, at), words(secret, key))):
            mixed = word ^ other
            acc[i ^ 1] += word
            acc[i] += (mixed & ONES32) * (mixed >> 32)

    for stripe in range((n - 1) // 64):
        accumulate(64 * stripe, 8 * (stripe % 16))
        if stripe % 16 == 15:
            for i, key in enumerate(words(secret, 128)):
                a = acc[i] & ONES
                acc[i] = (a ^ a >> 47 ^ key) * P32[0] & ONES
    accumulate(n - 64, 121)
    merged = [a & ONES ^ key for a, key in zip(acc, words(secret, 11))]
    return avalanche(n * P64[0] + sum(fold(merged[i], merged[i + 1]) for i in range(0, 8, 2)))
