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
        head = result[start]
    return result
