"""Reads logs of WalLog with nothing but Python: written from FORMAT.md, to check it, and as a last way to one's data.
`python3 docs/decode.py DIR...` prints a line of JSON for each: bytes in hexadecimal, node ids as text, a damaged entry
as null. At other damage it stops, with the state up to there. Changes nothing, and holds the files in memory."""
import json, re, struct, sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from xxh3 import u32, u64, xxh3  # a file of its own: XXH3 is no part of the format, elsewhere it comes in a package

ENTRIES, HARD_STATE, TRUNCATE, SNAPSHOT, CHECKPOINT, SEGMENT_INDEX = range(1, 7)
COPY, REPAIRED, CLOSE, VOTE, CLEAR, CONFIG, MORE = 1, 2, 4, 4, 4, 4, 8  # flags of frames
HAS_VOTE, TAIL_LOST, STATE_LOST = 1, 4, 2 | 4  # flags of segments
SKIPPED = range(12, 16)
UNKNOWN, UNPROVEN_UNKNOWN = 2**64 - 1, 2**32 - 1
STATE = "previous_sum changes next last_term hard_term vote snapshot_index snapshot_term".split()
Header = namedtuple("Header", "version previous_sum uuid number base salt previous flags changes next last_term "
                    "hard_term vote snapshot_index snapshot_term proven")
Slot = namedtuple("Slot", "lsn flags changes next last_term hard_term vote snapshot_index snapshot_term")
Frame = namedtuple("Frame", "at size sum length payload_checksum term index kind flags changes count unproven")

class Corrupt(Exception): pass
def require(condition, message):
    if not condition: raise Corrupt(message)
def load(path): return path.read_bytes() if path.exists() else b""
def is_valid(block, magic, seed=0): return block[:8] == magic and u64(block[-8:]) == xxh3(block[:-8], seed)

class Segment:
    def __init__(self, path):
        self.name, self.number, self.data, self.head = path.name, int(path.stem), load(path), None
        self.next, self.is_naming_lost, self.slot = None, False, None  # next: the number of the segment that follows
        copies = [self.data[at:at + 408] for at in (0, 12288)]
        versions = {u32(copy, 8) for copy in copies if copy[:8] == b"WALLOGSG"}
        if versions and not any(is_valid(copy, b"WALLOGSG") for copy in copies) and versions != {2}:
            sys.exit(f"{path} is of version {min(versions)}, this program reads version 2")
        for copy in reversed(copies):
            if not is_valid(copy, b"WALLOGSG"): continue
            head = Header(*struct.unpack_from("<II16s4QI4x8Q", copy, 8))
            if head.number == self.number: self.head = head if head.flags & HAS_VOTE else head._replace(vote=None)
        if self.head: self.read_block(is_valid(copies[0], b"WALLOGSG"))

    def read_block(self, is_page_0_whole):
        """The naming and the durable slot with the highest LSN."""
        pointers = [self.data[at:at + 512] for at in (1024, 13312)]
        named = [u64(copy, 8) for copy in pointers if is_valid(copy[:40], b"WALLOGNX", self.head.salt)]
        self.next, self.copied = max(named, default=None), 0
        for copy in pointers:
            is_it = is_valid(copy[:40], b"WALLOGNX", self.head.salt) and u64(copy, 8) == self.next
            if is_it: self.copied = u64(copy, 24)
        empty = [not any(copy) for copy in pointers]
        self.is_naming_lost = not named and not empty[1] and not (empty[0] and is_page_0_whole)
        slots = [(self.data[at:at + 144], self.head.salt ^ self.head.base + at) for at in (4096, 8192)]
        valid = [Slot(*struct.unpack_from("<QI4x7Q", slot, 8)) for slot, seed in slots if is_valid(slot, b"WALLOGDU", seed)]
        self.slot = max(valid, default=None)

    def frames(self):
        """Every frame that has a valid header, whatever lies between them."""
        at = 16384
        while at + 40 <= len(self.data):
            head = self.data[at:at + 40]
            total, length, payload, term, index, kind, changes, count, unproven = struct.unpack("<IIQQQBBHI", head)
            kind, flags = kind & 15, kind >> 4
            frame = Frame(at, 40 + (length + 7 & ~7), total, length, payload, term, index, kind, flags, changes, count, unproven)
            bound = 2**64 if kind in (HARD_STATE, *SKIPPED) else 2**53 + (kind == CHECKPOINT)
            is_frame = (ENTRIES <= kind <= SEGMENT_INDEX and term < 2**53 or kind in SKIPPED) and index < bound
            is_frame = is_frame and length <= 2**30 and (count == 0) == (kind != ENTRIES or flags & REPAIRED and count == 0)
            is_frame = is_frame and (kind != ENTRIES or index + count <= 2**53)
            is_frame = is_frame and frame.sum == xxh3(head[4:], self.head.salt ^ self.head.base + at) & 2**32 - 1
            if is_frame: yield frame
            at += frame.size if is_frame else 8

def fits(log, frame):
    """Whether a frame is one that may come next."""
    replaces, is_free = frame.kind in (TRUNCATE, SNAPSHOT), frame.flags & REPAIRED or frame.kind == SEGMENT_INDEX
    if not is_free and frame.changes != (log.changes + (replaces or frame.kind == HARD_STATE)) % 256: return False
    if frame.kind == ENTRIES or frame.kind == CHECKPOINT and not is_free: return frame.index == log.next
    return not replaces or frame.index > log.snapshot_index

def commands(frame, payload):
    """The commands of an entries frame; None if their lengths do not fit the payload."""
    if frame.count == 1: return [payload]
    table = 4 * max(frame.count, 1)
    if table > len(payload): return None
    ends = [table]
    for at in range(0, table, 4): ends.append(ends[-1] + u32(payload, at))
    fits = ends[-1] == len(payload) or ends[-1] < len(payload) and frame.flags & REPAIRED
    return [payload[begin:end] for begin, end in zip(ends, ends[1:])] if fits else None

def apply(log, frame, found, is_sure):
    """What a frame does. Entries that were dropped stay until the end: their indexes tell."""
    kind, index, term, count = frame.kind, frame.index, frame.term, max(frame.count, 1)
    of = {"term": term, "kind": "config" if frame.flags & CONFIG else "normal"}
    for i in range(count if kind == ENTRIES else 0): log.entries[index + i] = found and {**of, "command": found[i].hex()}
    clears = kind == SNAPSHOT and (frame.flags & CLEAR or index >= log.next)
    if kind == ENTRIES or clears: log.next, log.last_term = index + count, term
    if kind == TRUNCATE and index < log.next: log.next, log.last_term = index, term
    if kind == SNAPSHOT: log.snapshot_index, log.snapshot_term = index, term
    if kind == HARD_STATE: log.hard_term, log.vote = term, index if frame.flags & VOTE else None
    if not frame.flags & COPY and (kind == HARD_STATE or is_sure): log.flags &= ~STATE_LOST
    log.changes += (frame.changes - log.changes) % 256
    log.previous_sum, log.filled = frame.sum, log.filled | frame.flags & REPAIRED

def replay(log, segment, end, proven):
    """Replays a segment; returns where that ended: at `end`, at a segment index, or, from `proven` on, at anything else."""
    log.__dict__.update(segment.head._asdict(), previous_sum=0, filled=0, is_sealed=False)
    at, batch = 16384, None  # batch: where one began that goes on, and the log there
    for frame in segment.frames():
        payload = segment.data[frame.at + 40:frame.at + 40 + frame.length]
        found = commands(frame, payload) if frame.kind == ENTRIES else []
        is_whole = xxh3(payload) == frame.payload_checksum and found is not None
        if frame.at != at or at + frame.size > end or not fits(log, frame) or not is_whole and at >= proven: break
        log.is_sealed = frame.kind == SEGMENT_INDEX
        if log.is_sealed: return at
        batch = (batch or (at, {**log.__dict__})) if frame.flags & MORE else None
        is_sure = frame.kind == CHECKPOINT and is_whole and not frame.flags & REPAIRED and u32(payload, 0) <= HAS_VOTE
        apply(log, frame, found if is_whole else None, is_sure)
        at += frame.size
    require(at >= proven, f"{segment.name}: no valid frame at byte {at}")
    if not batch or batch[0] < proven: return at
    log.__dict__.update(batch[1])
    return batch[0]

def has_served(segment, previous):
    if previous and previous.next: return previous.next == segment.number
    return not previous or segment.next or any(not frame.flags & COPY for frame in segment.frames())

def read_identity(folder):
    """UUID, incarnation and cluster id; None if the file is missing or damaged."""
    data = load(folder / "IDENTITY")
    if not is_valid(data, b"WALLOGID"): return None
    if u32(data, 8) != 2: sys.exit(f"{folder}/IDENTITY is of version {u32(data, 8)}, this program reads version 2")
    return [data[16:32], data[32:48], data[48:64]] if len(data) == 72 else None

def find_chain(folder):
    """The segments of the log, oldest first, and those that were begun to follow the newest and never served."""
    segments = [Segment(path) for path in folder.iterdir() if re.fullmatch(r"\d{12}\.seg", path.name)]
    uuids, identity = [segment.head.uuid for segment in segments if segment.head], load(folder / "IDENTITY")
    uuid = (read_identity(folder) or [max(uuids, key=uuids.count, default=None)])[0]
    ours = {segment.number: segment for segment in segments if segment.head and segment.head.uuid == uuid}
    newest = max((n for n, segment in ours.items() if has_served(segment, ours.get(segment.head.previous))), default=0)
    chain, number = [], newest
    while number in ours: chain, number = [ours[number], *chain], ours[number].head.previous
    needed = [ours[newest].next, *(segment.head.previous for segment in chain)] if chain else []
    for other in (segment for segment in segments if segment.number not in ours):
        is_unfinished = not other.head and not any(other.data[16384:]) and (chain or other.number == 1)
        require((is_unfinished or other.number < newest) and other.number not in needed, f"{other.name} has no header")
    require(chain or not identity, "all segments are missing")
    is_cut = chain and len(ours[newest].data) < 16384 and (identity or chain[1:] and chain[-2].next == newest)
    require(not is_cut, "the newest segment ends within its header block")
    is_ours = lambda snapshot: snapshot.read_bytes()[:8] == b"WALLOGSN"
    require(chain or not any(map(is_ours, folder.glob("*-*.snap"))), "a snapshot is there, and all segments are missing")
    require(not chain or ours[newest].next in (None, *ours), "the segment that follows the newest one is missing")
    return chain, [segment for segment in ours.values() if segment.number > newest == segment.head.previous]

def read(folder, log):
    """Reads a log and says whether it is clean or torn."""
    chain, begun = find_chain(folder)
    if not chain: return "clean"
    for segment, after in zip(chain, [segment.head for segment in chain[1:]]):
        replay(log, segment, after.base - segment.head.base, after.base - segment.head.base)
        is_same = all(getattr(after, name) in (getattr(log, name), UNKNOWN) for name in STATE[not after.previous_sum:])
        require(is_same or log.filled or after.flags & ~HAS_VOTE, f"{segment.name} is not what {after.number} follows")
    newest, size, frames = chain[-1], len(chain[-1].data), [*chain[-1].frames()]
    stated = [16384, *(segment.head.proven - newest.head.base for segment in [newest, *begun])]
    stated += [before.copied - newest.head.base for before in chain[-2:-1] if before.next == newest.number]
    stated += [newest.slot.lsn - newest.head.base] if newest.slot else []
    stated += [frame.at - frame.unproven for frame in frames if frame.unproven != UNPROVEN_UNKNOWN]
    stated += [frame.at for frame in frames if frame.flags & CLOSE and frame.at + 160 == size and frame.kind == CHECKPOINT]
    end = replay(log, newest, size, max(stated))
    is_followed = {segment.head.flags & TAIL_LOST for segment in begun} == {0}
    require(is_followed or not (log.is_sealed or newest.is_naming_lost), "the segment after the newest one is missing")
    require(not log.flags & STATE_LOST, "a hard state, or entries at the end, are lost")
    return "torn" if any(newest.data[end:]) and not log.is_sealed else "clean"

def read_snapshot(path, log):
    data = load(path)
    if data[:8] == b"WALLOGSN" and u32(data, 8) != 2: raise Corrupt(f"{path.name} is of version {u32(data, 8)}, or damaged")
    meta_at = 64 + 8 * u32(data, 12)
    meta_end = meta_at + u32(data, 56)
    pieces, is_last, at = [], False, (meta_end + 7 & ~7) + 8
    index, term, salt, *config = struct.unpack_from(f"<QQQ8x{u32(data, 12)}Q", data, 32)
    is_ours = (data[16:32], index, term) == (log.uuid, log.snapshot_index, log.snapshot_term)
    require(is_ours and is_valid(data[:at], b"WALLOGSN"), f"{path.name} is not the log's")
    while not is_last:
        total, length, is_last = struct.unpack_from("<QII", data, at)
        pieces.append(data[at + 16:at + 16 + length])
        require(total == xxh3(data[at + 8:at + 16] + pieces[-1], salt ^ at), f"{path.name} is damaged at byte {at}")
        at += 16 + (length + 7 & ~7)
    whole = b"".join(pieces[:-1])
    require((at, u64(pieces[-1])) == (len(data), len(whole)), f"{path.name} is not whole")
    return {"index": index, "term": term, "config": list(map(str, config)), "meta": data[meta_at:meta_end].hex(), "data": whole.hex()}

for folder in map(Path, sys.argv[1:]):
    log, snapshot, damage = SimpleNamespace(next=1, snapshot_index=0, hard_term=0, vote=None, entries={}), None, None
    try:
        verdict = read(folder, log)
        if log.snapshot_index:
            snapshot = read_snapshot(folder / f"{log.snapshot_index:012}-{log.snapshot_term:012}.snap", log)
        lost = [index for index in range(log.snapshot_index + 1, log.next) if log.entries.get(index) is None]
        require(not lost, f"{len(lost)} entries are lost, the first at index {lost[:1]}")
    except (Corrupt, struct.error) as error: verdict, damage = "corrupt", str(error)
    identity = read_identity(folder)
    print(json.dumps({
        "path": str(folder), "verdict": verdict, "damage": damage, "snapshot": snapshot,
        "identity": identity and [part.hex() for part in identity],
        "hardState": {"term": log.hard_term, "votedFor": None if log.vote is None else str(log.vote)},
        "entries": {index: log.entries[index] for index in log.entries if log.snapshot_index < index < log.next}}))
