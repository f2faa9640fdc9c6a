#!/usr/bin/env python3
"""Reads logs of WalLog with nothing but Python: written from FORMAT.md, to check it, and as a last way to one's data.
`python3 docs/decode.py DIR...` prints a line of JSON for each: bytes in hexadecimal, node ids as text, a damaged entry
as null. At other damage it stops, with the state up to there. Changes nothing, and holds the files in memory."""
import json, re, struct, sys
from collections import Counter, namedtuple
from pathlib import Path
from xxh3 import u32, u64, xxh3

ENTRY, HARD_STATE, TRUNCATE, SNAPSHOT, MARK, FOOTER = range(1, 7)
COPY, CLOSE, VOTE, FILL, CLEAR, CONFIG = 1, 2, 4, 8, 16, 32  # flags of frames
HAS_VOTE, HARD_LOST, TAIL_LOST, REPLACEMENTS_LOST = 1, 2, 4, 8  # flags of segments
UNKNOWN, UNPROVEN_UNKNOWN = 2**64 - 1, 2**32 - 1
STATE = "replacements next last_term hard_term vote snapshot_index snapshot_term".split()
Header = namedtuple("Header", "version replacements uuid number base salt previous previous_sum flags next last_term "
                    "hard_term vote snapshot_index snapshot_term proven")
Frame = namedtuple("Frame", "sum length payload_sum term index kind flags replacements unproven")

class Corrupt(Exception): pass
def require(condition, message):
    if not condition: raise Corrupt(message)
def size(frame): return 40 + (frame.length + 7 & ~7)
def load(path): return path.read_bytes() if path.exists() else b""

class Segment:
    def __init__(self, path):
        self.name, self.number, self.data, self.head, self.slot = path.name, int(path.stem), load(path), None, None
        for copy in self.data[2048:2192], self.data[:144]:
            if len(copy) < 144 or copy[:8] != b"WALLOGSG" or u64(copy, 136) != xxh3(copy[:136]): continue
            head = Header(*struct.unpack_from("<II16s4QII7Q", copy, 8))
            if head.version != 1: sys.exit(f"{path} is of version {head.version}, this program reads version 1")
            if head.number == self.number: self.head = head if head.flags & HAS_VOTE else head._replace(vote=None)
        slot = self.data[1024:1056] if self.head else b""
        if slot[:8] == b"WALLOGNX" and u64(slot, 24) == xxh3(slot[:24], self.head.salt): self.slot = u64(slot, 8)

    def frame(self, at):
        """The frame whose header lies at an offset, None if there is no valid one."""
        if at + 40 > len(self.data) or not 1 <= self.data[at + 32] <= 6 or self.data[at + 33] > 63: return None
        head = self.data[at:at + 40]
        if u32(head) != xxh3(head[4:], self.head.salt ^ self.head.base + at) & 2**32 - 1: return None
        frame = Frame(*struct.unpack("<IIQQQBBHI", head))
        is_safe = frame.term < 2**53 and (frame.index < 2**53 or frame.kind == HARD_STATE)
        return frame if is_safe and frame.length <= 2**30 else None

    def frames(self, at=4096):
        """Every frame that has a valid header, with its offset, whatever lies between them."""
        while at < len(self.data):
            frame = self.frame(at)
            if frame: yield at, frame
            at += size(frame) if frame else 8

class Log:
    """The state of a log while its frames are replayed."""
    def __init__(self): self.next, self.snapshot_index, self.hard_term, self.vote, self.entries = 1, 0, 0, None, {}
    def begin(self, head): self.__dict__.update(head._asdict(), sum=0, is_repaired=0, is_sealed=False)

    def fits(self, frame):
        replaces, is_fill = frame.kind in (TRUNCATE, SNAPSHOT), frame.flags & FILL or frame.kind == FOOTER
        if not is_fill and frame.replacements != (self.replacements + replaces) % 65536: return False
        if frame.kind == ENTRY or frame.kind == MARK and not is_fill: return frame.index == self.next
        return not replaces or frame.index > self.snapshot_index

    def apply(self, frame, entry):
        kind, index, clears = frame.kind, frame.index, frame.flags & CLEAR or frame.index >= self.next
        if kind == ENTRY: self.entries[index] = entry
        if kind == TRUNCATE: self.entries = {i: e for i, e in self.entries.items() if i < index}
        if kind == SNAPSHOT: self.entries = {i: e for i, e in self.entries.items() if i > index and not clears}
        if kind == SNAPSHOT: self.snapshot_index, self.snapshot_term = index, frame.term
        if kind == TRUNCATE and index < self.next: self.next, self.last_term = index, frame.term
        if kind == ENTRY or kind == SNAPSHOT and clears: self.next, self.last_term = index + 1, frame.term
        if kind == HARD_STATE: self.hard_term, self.vote = frame.term, index if frame.flags & VOTE else None
        is_state = kind == HARD_STATE or kind == MARK and frame.length == 32
        if is_state and not frame.flags & COPY: self.flags &= ~(HARD_LOST | TAIL_LOST)
        self.replacements, self.sum = frame.replacements, frame.sum
        self.is_repaired |= frame.flags & FILL

    def replay(self, segment, at, end, is_durable):
        """Replays frames up to `end`; returns where it stopped: there, at a footer, or at what is not valid."""
        while at < end:
            frame = segment.frame(at)
            if not frame or at + size(frame) > end or not self.fits(frame): break
            payload = segment.data[at + 40:at + 40 + frame.length]
            is_whole = xxh3(payload) == frame.payload_sum
            if not is_whole and not is_durable: break
            self.is_sealed = frame.kind == FOOTER
            if self.is_sealed: return at
            kind = "config" if frame.flags & CONFIG else "normal"
            self.apply(frame, {"term": frame.term, "kind": kind, "command": payload.hex()} if is_whole else None)
            at += size(frame)
        require(at >= end or not is_durable, f"{segment.name}: no valid frame at byte {at}")
        return at

def find_chain(segments, identity):
    """The segments of the log, oldest first, and those that were begun to follow them and never served."""
    uuids = Counter(segment.head.uuid for segment in segments if segment.head)
    is_known = len(identity) >= 40 and u64(identity, 32) == xxh3(identity[:32])
    uuid = identity[16:32] if is_known else max(uuids, key=uuids.get, default=None)
    ours = {segment.number: segment for segment in segments if segment.head and segment.head.uuid == uuid}
    chain, begun = [], []
    for number in sorted(ours, reverse=True):
        segment, previous = ours[number], ours.get(ours[number].head.previous)
        has_served = segment.slot or any(not frame.flags & COPY for _, frame in segment.frames())
        is_named = previous.slot == number if previous and previous.slot else has_served or not previous
        (chain if is_named else begun).append(segment)
        if chain: break
    while chain and chain[0].head.previous in ours: chain.insert(0, ours[chain[0].head.previous])
    needed = [chain[-1].slot, *(segment.head.previous for segment in chain)] if chain else []
    for other in (segment for segment in segments if segment.number not in ours):
        is_unfinished = not other.head and not any(other.data[4096:]) and (chain or other.number == 1)
        is_spare = is_unfinished or chain and other.number < chain[-1].number
        require(is_spare and other.number not in needed, f"{other.name} has no header")
    require(chain or not identity, "all segments are missing")
    require(not chain or chain[-1].slot in (None, *ours), "the segment that follows the newest one is missing")
    return chain, [segment for segment in begun if segment.head.previous == chain[-1].number]

def read(folder, log):
    """Reads a log and says whether it is clean or torn."""
    paths = [path for path in folder.iterdir() if re.fullmatch(r"\d{12,16}\.seg", path.name)]
    chain, begun = find_chain([Segment(path) for path in paths], load(folder / "IDENTITY"))
    if not chain: return "clean"
    for segment, after in zip(chain, [segment.head for segment in chain[1:]]):
        log.begin(segment.head)
        log.replay(segment, 4096, after.base - segment.head.base, True)
        is_same = all(getattr(after, name) in (getattr(log, name), UNKNOWN) for name in STATE)
        is_same = is_same and log.sum == after.previous_sum or log.is_repaired or after.flags & ~HAS_VOTE
        require(is_same, f"{segment.name} is not the one that segment {after.number} follows")
    newest, data, base = chain[-1], chain[-1].data, chain[-1].head.base
    log.begin(newest.head)
    mark = newest.frame(max(len(data) - 72, 4096))
    is_closed = mark and mark.kind == MARK and mark.flags & CLOSE and mark.length == 32
    stated = [4096, *(segment.head.proven - base for segment in [newest, *begun])]
    stated += [at - frame.unproven for at, frame in newest.frames() if frame.unproven != UNPROVEN_UNKNOWN]
    proven = len(data) - 72 if is_closed else max(stated)
    end = log.replay(newest, log.replay(newest, 4096, proven, True), len(data), False)
    require(begun or not log.is_sealed, "the segment that follows the newest one is missing")
    require(not log.flags & (HARD_LOST | TAIL_LOST), "a hard state, or entries at the end, are lost")
    return "torn" if any(data[end:]) and not log.is_sealed else "clean"

def read_snapshot(path, log):
    try:
        data, pieces, is_last = path.read_bytes(), [], 0
        at, salt = 64 + 8 * u32(data, 12), u64(data, 48)
        require(data[:8] == b"WALLOGSN" and data[16:32] == log.uuid and u64(data, at - 8) == xxh3(data[:at - 8]), "")
        while not is_last:
            total, length, is_last = struct.unpack_from("<QII", data, at)
            pieces.append(data[at + 16:at + 16 + length])
            require(total == xxh3(data[at + 8:at + 16] + pieces[-1], salt ^ at), "")
            at += 16 + (length + 7 & ~7)
        index, term, whole = *struct.unpack_from("<QQ", data, 32), b"".join(pieces[:-1])
        require((index, term) == (log.snapshot_index, log.snapshot_term), "")
        require((at, u64(pieces[-1])) == (len(data), len(whole)), "")
        config = [str(node) for node in struct.unpack_from(f"<{u32(data, 12)}Q", data, 56)]
        return {"index": index, "term": term, "config": config, "data": whole.hex()}
    except (Corrupt, OSError, struct.error): raise Corrupt(f"{path.name} is missing or damaged")

for folder in map(Path, sys.argv[1:]):
    log, snapshot, damage = Log(), None, None
    try:
        verdict = read(folder, log)
        name = f"{log.snapshot_index:012}-{log.snapshot_term:012}.snap" if log.snapshot_index else None
        snapshot = name and read_snapshot(folder / name, log)
        lost = [index for index in range(log.snapshot_index + 1, log.next) if log.entries.get(index) is None]
        require(not lost, f"{len(lost)} entries are lost, the first at index {lost[:1]}")
    except Corrupt as error: verdict, damage = "corrupt", str(error)
    hard_state = {"term": log.hard_term, "votedFor": None if log.vote is None else str(log.vote)}
    entries = {index: entry for index, entry in log.entries.items() if index > log.snapshot_index}
    print(json.dumps({"path": str(folder), "verdict": verdict, "damage": damage, "hardState": hard_state,
                      "snapshot": snapshot, "entries": entries}))
