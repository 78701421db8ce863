"""Digests from rows: of channels, of ticks, of diagnostics and of the content."""

from array import array
from collections.abc import Iterator

import xxhash

from .blocks import Cells, Rows, Values, ticks_of
from .layout import CHANNELS, WITH_DIAGNOSTICS, Column, layout_digest
from .trace import DecodedBlock, Trace
from .wire import hash64, to_bytes

M64 = (1 << 64) - 1
GUEST = 0


def u32(value: int) -> bytes:
    """The four bytes of a number."""
    return value.to_bytes(4, "little")


def u64s(values: list[int]) -> bytes:
    """The eight bytes of each number."""
    return to_bytes(array("Q", values))


def value_bytes(column: Column, values: Values, rows: range) -> bytes:
    """The values of some rows as a digest takes them."""
    if isinstance(values, Cells):
        return b"".join(u32(len(values[row])) + values[row] for row in rows)
    lanes = values[rows.start : rows.stop]
    return to_bytes(array("H", lanes) if column.type == "u16" else lanes)


def row_bytes(rows: Rows, row: int, cause: int) -> bytes:
    """All columns of one event, with this cause."""
    parts = [
        value_bytes(column, values, range(row, row + 1))
        for column, values in zip(rows.table.columns, rows.columns)
        if column.name != "cause"
    ]
    return b"".join(parts) + u32(cause)


def guest_rows(rows: Rows, tick: int) -> list[int]:
    """The guest's rows of a tick."""
    origins = rows.lanes("origin")
    return [row for row in rows.of_tick(tick) if origins[row] == GUEST]


def guest_causes(rows: Rows, tick: int) -> list[int]:
    """For each of the guest's rows: the 1-based place of its cause among them, or 0."""
    guest = guest_rows(rows, tick)
    first = rows.of_tick(tick).start
    places = {row - first + 1: place for place, row in enumerate(guest, 1)}
    causes = rows.lanes("cause")
    return [places.get(causes[row], 0) for row in guest]


def table_bytes(rows: Rows, tick: int) -> bytes:
    """What the digest of a channel takes of one table."""
    of_tick = rows.of_tick(tick)
    parts = [u32(len(of_tick))]
    for column, values in zip(rows.table.columns, rows.columns):
        if not column.diagnostic:
            parts.append(value_bytes(column, values, of_tick))
    return b"".join(parts)


def event_bytes(rows: Rows, tick: int) -> bytes:
    """What the digest of the events takes: the guest's."""
    guest = guest_rows(rows, tick)
    parts = [row_bytes(rows, row, cause) for row, cause in zip(guest, guest_causes(rows, tick))]
    return b"".join(parts) + u32(len(guest))


def memory_digests(rows: Rows) -> Iterator[int]:
    """The digest of the memory for each tick of a block, whose first tick has all pages."""
    pages, contents = rows.lanes("page"), rows.cells("content")
    hashes = [0] * len(rows.of_tick(0))
    for tick in range(len(rows.rows_of_ticks)):
        for row in rows.of_tick(tick):
            hashes[pages[row]] = hash64(contents[row])
        yield hash64(u64s(hashes))


def channel_digests(channel: str, tables: list[Rows], ticks: int) -> list[int]:
    """The digest of a channel for each tick of a block."""
    if channel == "memory":
        return list(memory_digests(tables[0]))
    take = event_bytes if channel == "events" else table_bytes
    return [hash64(b"".join(take(rows, tick) for rows in tables)) for tick in range(ticks)]


def diagnostic_bytes(rows: Rows, tick: int) -> bytes:
    """What the diagnostic digest takes behind the number of the tick."""
    of_tick = rows.of_tick(tick)
    if rows.table.channel != "events":
        marked = zip(rows.table.columns, rows.columns)
        parts = [value_bytes(column, values, of_tick) for column, values in marked if column.diagnostic]
        return u32(len(of_tick)) + b"".join(parts)
    origins, causes = rows.lanes("origin"), rows.lanes("cause")
    others = [row for row in of_tick if origins[row] != GUEST]
    return b"".join(row_bytes(rows, row, causes[row]) for row in others) + u32(len(others))


def diagnostics(rows: Rows, ticks: list[int]) -> int:
    """The sum of a channel's diagnostic digests over the ticks of a block."""
    return sum(hash64(u32(tick) + diagnostic_bytes(rows, index)) for index, tick in enumerate(ticks)) & M64


class BlockDigests:
    """Every digest of one block."""

    def __init__(self, channels: list[str], block: DecodedBlock) -> None:
        self.ticks = ticks_of(block.tick_runs)
        by_channel = {name: [rows for rows in block.tables if rows.table.channel == name] for name in channels}
        of_ticks = [channel_digests(name, by_channel[name], len(self.ticks)) for name in channels]
        self.channels = [hash64(u64s(digests)) for digests in of_ticks]
        numbers = [CHANNELS.index(name).to_bytes(1, "little") for name in channels]
        self.of_ticks = [
            hash64(b"".join(number + u64s([digest]) for number, digest in zip(numbers, of_tick)))
            for of_tick in zip(*of_ticks)
        ]
        marked = [name for name in channels if name in WITH_DIAGNOSTICS]
        self.diagnostics = [diagnostics(by_channel[name][0], self.ticks) for name in marked]


class ContentDigest:
    """The digest of all ticks of a trace."""

    def __init__(self, trace: Trace) -> None:
        self.hash = xxhash.xxh3_64(u64s([layout_digest(trace.meta.layout)]))

    def add(self, block: BlockDigests) -> None:
        """The ticks of the next block."""
        for tick, digest in zip(block.ticks, block.of_ticks):
            self.hash.update(u32(tick) + u64s([digest]))

    def value(self) -> int:
        """The digest of what was added."""
        return self.hash.intdigest()
