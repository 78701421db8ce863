"""Column frames: lanes from bytes."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import zstandard

from .wire import TYPECODES, Cursor, FormatError, need, numbers

GROUP = 128
ORDERS = 4
PIECE = 64
"""Bytes that are unpacked at once. A zstd block has at least 4 bytes and gives at most 128 KiB."""
MOST_WINDOW = 1 << 23
MOST_CONTEXTS = 32
LONGEST_CODE = 8
STREAMS = 4
ZSTD_MAGIC = bytes.fromhex("28b5 2ffd")


@dataclass
class Runs:
    """How the lanes of a column are cut into runs."""

    lengths: "array[int]"
    lanes_of_rows: "array[int]"
    """For each row its lane when all lanes stand run after run."""


def one_run(count: int) -> Runs:
    """All lanes as one run."""
    return Runs(array("I", [count]), array("I", range(count)))


def read_column(encoding: int, data: bytes, count: int, bits: int, runs: Runs | None = None) -> "array[int]":
    """The `count` lanes of `bits` bits that a column frame holds, in the order of rows."""
    cursor = Cursor(data)
    runs = runs or one_run(count)
    if encoding == 0:
        lanes = numbers(cursor.take(count * bits // 8), bits)
    elif encoding == 1:
        lanes = numbers(cursor.take(bits // 8), bits) * count
    elif encoding == 2:
        lanes = dictionary(cursor, count, bits)
    elif encoding == 4:
        lanes = packed(cursor, count, bits)
    elif encoding == 8:
        lanes = by_row(planes(cursor, count, bits), runs)
    elif 4 < encoding < 4 + ORDERS:
        residuals = zip(early(runs) + late_by_row(runs), packed(cursor, count, bits))
        lanes = by_row(from_residuals(residuals, encoding - 4, bits, runs), runs)
    elif 8 < encoding < 8 + ORDERS:
        residuals = zip(early(runs) + late_by_run(runs), planes(cursor, count, bits))
        lanes = by_row(from_residuals(residuals, encoding - 8, bits, runs), runs)
    elif 12 < encoding < 12 + ORDERS:
        residuals = zip(early(runs) + late_by_row(runs), coded(cursor, bits, runs))
        lanes = by_row(from_residuals(residuals, encoding - 12, bits, runs), runs)
    else:
        raise FormatError("a column encoding is not known")
    cursor.end()
    return lanes


def by_row(lanes: "array[int]", runs: Runs) -> "array[int]":
    """Lanes that stand run after run, in the order of rows."""
    return array(lanes.typecode, (lanes[lane] for lane in runs.lanes_of_rows))


def dictionary(cursor: Cursor, count: int, bits: int) -> "array[int]":
    """Entries, and the index of each lane."""
    entries = numbers(cursor.take((cursor.number(1) + 1) * bits // 8), bits)
    indices = packed(cursor, count, 8)
    need(not indices or max(indices) < len(entries), "a dictionary has no such entry")
    return array(TYPECODES[bits], (entries[index] for index in indices))


def packed(cursor: Cursor, count: int, bits: int) -> "array[int]":
    """Numbers in groups."""
    need((count + GROUP - 1) // GROUP <= len(cursor.data) - cursor.at, "each group needs a byte")
    result = array(TYPECODES[bits])
    for first in range(0, count, GROUP):
        result.extend(group(cursor, min(GROUP, count - first), bits))
    return result


def group(cursor: Cursor, count: int, bits: int) -> list[int]:
    """One group."""
    first = cursor.number(1)
    width = first & 0x7F
    need(width <= bits, "a number is too wide")
    exceptions = upper_width = 0
    if first & 0x80:
        exceptions, upper_width = cursor.number(1), cursor.number(1)
        need(1 <= exceptions <= count, "a group has 1 to n exceptions")
        need(upper_width >= 1 and width + upper_width <= bits, "upper parts have 1 to b - w bits")
    low = cursor.take((count * width + 7) // 8)
    result = interleaved(low, width, bits) if count == GROUP else consecutive(low, count, width)
    if exceptions:
        places = cursor.take(exceptions)
        need(all(a < b for a, b in zip(places, places[1:])) and places[-1] < count, "places ascend in the group")
        upper = consecutive(cursor.take((exceptions * upper_width + 7) // 8), exceptions, upper_width)
        for place, part in zip(places, upper):
            result[place] |= part << width
    return result


def consecutive(data: bytes, count: int, width: int) -> list[int]:
    """Numbers of `width` bits one after another."""
    every = int.from_bytes(data, "little")
    mask = (1 << width) - 1
    return [every >> place * width & mask for place in range(count)]


def interleaved(data: bytes, width: int, bits: int) -> list[int]:
    """The low bits of a whole group: rows of 16 bytes, a word of each lane in every row."""
    size = bits // 8
    lanes = 16 // size
    result = [0] * GROUP
    for lane in range(lanes):
        words = b"".join(data[row * 16 + lane * size :][:size] for row in range(width))
        result[lane::lanes] = consecutive(words, GROUP // lanes, width)
    return result


def coded(cursor: Cursor, bits: int, runs: Runs) -> "array[int]":
    """Numbers whose widths are told by codes."""
    first_ones = early(runs)
    result = packed(cursor, len(first_ones), bits)
    width_of = {lane: (number + 1).bit_length() - 1 for lane, number in zip(first_ones, result)}
    contexts = cursor.number(1)
    need(1 <= contexts <= MOST_CONTEXTS, "there are 1 to 32 contexts")
    codes = [code(cursor, bits) for _ in range(contexts)]
    lengths = [cursor.number(4) for _ in range(STREAMS - 1)]
    streams = [Bits(cursor.take(length)) for length in lengths]
    streams.append(Bits(cursor.take(len(cursor.data) - cursor.at)))
    for index, lane in enumerate(late_by_row(runs)):
        stream = streams[index % STREAMS]
        width = width_of[lane] = stream.width(codes[min(width_of[lane - 1], contexts - 1)])
        result.append((1 << width | stream.take(width)) - 1 & (1 << bits) - 1)
    for stream in streams:
        stream.end()
    return result


def code(cursor: Cursor, bits: int) -> dict[tuple[int, int], int]:
    """A context's widths by the length and the bits of their codes."""
    count = cursor.number(1)
    if count == 0:
        return {}
    first = cursor.number(1)
    need(first + count <= bits + 1, "a width is more than the lanes have")
    if count == 1:
        return {(0, 0): first}
    halves = [half for byte in cursor.take((count + 1) // 2) for half in (byte & 15, byte >> 4)][:count]
    need(max(halves) <= LONGEST_CODE, "a code has at most 8 bits")
    need(sum(1 << LONGEST_CODE >> length for length in halves if length) == 1 << LONGEST_CODE, "codes leave nothing over")
    result = {}
    following = 0
    for length in range(1, LONGEST_CODE + 1):
        following <<= 1
        for width in (first + place for place, half in enumerate(halves) if half == length):
            result[length, following] = width
            following += 1
    return result


class Bits:
    """A stream of bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.every = int.from_bytes(data, "little")
        self.left = len(data) * 8

    def take(self, count: int) -> int:
        """The next bits as a number."""
        need(count <= self.left, "a stream of codes ends too soon")
        self.left -= count
        taken = self.every & (1 << count) - 1
        self.every >>= count
        return taken

    def width(self, codes: dict[tuple[int, int], int]) -> int:
        """The width that the next code tells."""
        need(bool(codes), "a width is needed where none is told")
        taken = length = 0
        while (length, taken) not in codes:
            length += 1
            taken = taken << 1 | self.take(1)
        return codes[length, taken]

    def end(self) -> None:
        """Nothing but a part of a byte may be left."""
        need(self.left < 8, "bytes are left in a stream of codes")


def planes(cursor: Cursor, count: int, bits: int) -> "array[int]":
    """Numbers as planes of bytes, the lowest first."""
    size = bits // 8
    result = bytearray(count * size)
    for place in range(size):
        result[place::size] = plane(cursor, count)
    return numbers(bytes(result), bits)


def plane(cursor: Cursor, count: int) -> bytes:
    """One plane."""
    how = cursor.number(1)
    if how == 0:
        return cursor.take(count)
    if how == 1:
        return cursor.take(1) * count
    need(how == 2, "a plane is stored in a way that is not known")
    return unpack_zstd(cursor.take(cursor.number(4)), count)


def unpack_zstd(data: bytes, count: int) -> bytes:
    """What one zstd frame gives, which is `count` bytes; nothing stands behind the frame."""
    need(data.startswith(ZSTD_MAGIC), "a zstd frame begins with its magic number")
    result = bytearray()
    # A frame that says its length instead of a window needs one of that length.
    unpacker = zstandard.ZstdDecompressor(max_window_size=max(MOST_WINDOW, count)).decompressobj()
    try:
        for at in range(0, len(data), PIECE):
            need(not unpacker.eof, "bytes stand behind a zstd frame")
            result += unpacker.decompress(data[at : at + PIECE])
            need(len(result) <= count, "a zstd frame gives too much")
    except zstandard.ZstdError as error:
        raise FormatError(f"a zstd frame is damaged: {error}") from error
    need(unpacker.eof and not unpacker.unused_data, "a plane is exactly one zstd frame")
    need(len(result) == count, "a zstd frame gives too little")
    return bytes(result)


def starts(runs: Runs) -> list[int]:
    """The first lane of each run."""
    return [0, *accumulate(runs.lengths)][:-1]


def early(runs: Runs) -> list[int]:
    """The first lane of every run, then every second one, then every third one."""
    return [
        start + place for place in range(3) for start, length in zip(starts(runs), runs.lengths) if place < length
    ]


def late_by_run(runs: Runs) -> list[int]:
    """The lanes that follow, run after run."""
    return [start + place for start, length in zip(starts(runs), runs.lengths) for place in range(3, length)]


def late_by_row(runs: Runs) -> list[int]:
    """The lanes that follow, in the order of rows."""
    late = set(late_by_run(runs))
    return [lane for lane in runs.lanes_of_rows if lane in late]


def from_residuals(residuals: Iterator[tuple[int, int]], order: int, bits: int, runs: Runs) -> "array[int]":
    """The lanes, run after run, that residuals of an order stand for; each comes with the lane that it is for."""
    residual_of = dict(residuals)
    mask = (1 << bits) - 1
    result = array(TYPECODES[bits], bytes(len(residual_of) * bits // 8))
    head = 0
    for start, length in zip(starts(runs), runs.lengths):
        for place in range(length):
            at = start + place
            if place == 0:
                prediction = head
            elif place == 1 or order == 1:
                prediction = result[at - 1]
            elif place == 2 or order == 2:
                prediction = 2 * result[at - 1] - result[at - 2]
            else:
                prediction = 3 * result[at - 1] - 3 * result[at - 2] + result[at - 3]
            residual = residual_of[at]
            result[at] = (prediction + (residual >> 1 ^ -(residual & 1))) & mask
        if length:
            head = result[start]
    return result
