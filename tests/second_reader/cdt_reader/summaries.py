"""Summaries of blocks and totals of segments, from rows."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from .blocks import EMPTY, KEYS, Range, Rows, rank
from .digests import BlockDigests, guest_rows
from .index import IndexedSegment, Shape
from .layout import Shape as LayoutShape
from .trace import DecodedBlock

WITHIN = 1
ENTERED = 2
SIGN = 1 << 31
M64 = (1 << 64) - 1


@dataclass
class Summary:
    """What a segment tells of a block, or of itself."""

    rows: list[int]
    ticks_with_input: int
    changed: list[int]
    diagnostics: list[int]
    channel_digests: list[int] = field(default_factory=list)


Last = dict[tuple[str, int], int | bytes]
"""The last value that a column had, by table and place of the column."""


def behaviour(rows: Rows) -> list[int] | range:
    """The rows that are behaviour: all, but of events only the guest's."""
    if rows.table.channel != "events":
        return range(rows.count)
    return [row for tick in range(len(rows.rows_of_ticks)) for row in guest_rows(rows, tick)]


def changed(rows: Rows, last: Last) -> list[int]:
    """For each column: whether a value differs from the one before it, in the block and before the block."""
    result = []
    places = behaviour(rows)
    for number, column in enumerate(rows.columns):
        bits = 0
        key = (rows.table.name, number)
        for place, row in enumerate(places):
            value = column[row]
            if last.get(key, value) != value:
                bits |= WITHIN if place else ENTERED
            last[key] = value
        result.append(bits)
    return result


def ranges(block: DecodedBlock) -> list[Range]:
    """The lowest and the highest value of each field of entities."""
    result = []
    for rows in block.tables:
        if rows.table.shape is LayoutShape.RUNS:
            for column, values in list(zip(rows.table.columns, rows.columns))[KEYS:]:
                assert isinstance(values, array)
                ordered = sorted(values, key=lambda lane: rank(column.type, lane))
                result.append(Range(ordered[0], ordered[-1]) if ordered else EMPTY)
    return result


def with_input(block: DecodedBlock) -> int:
    """Ticks with a command, a button, or an axis other than zero of either sign."""
    tables = {rows.table.name: rows for rows in block.tables if rows.table.channel == "step"}
    if not tables:
        return 0
    inputs, commands = tables["inputs"], tables["commands"]
    buttons = inputs.lanes("buttons")
    axes = [inputs.lanes(name) for name in ("move_x", "move_y", "aim_x", "aim_y")]
    found = 0
    for tick, count in enumerate(commands.rows_of_ticks):
        of_tick = inputs.of_tick(tick)
        pressed = any(buttons[row] for row in of_tick)
        moved = any(axis[row] & ~SIGN for axis in axes for row in of_tick)
        found += bool(count or pressed or moved)
    return found


def of_block(block: DecodedBlock, digests: BlockDigests, last: Last) -> Summary:
    """The summary of a block; `last` has the last values before it, and then those of the block."""
    return Summary(
        [len(behaviour(rows)) for rows in block.tables],
        with_input(block),
        [bits for rows in block.tables for bits in changed(rows, last)],
        digests.diagnostics,
        digests.channels,
    )


def totals(shape: Shape, blocks: list[Summary]) -> Summary:
    """The totals of a segment with these blocks."""
    result = Summary([0] * len(shape.tables), 0, [0] * shape.columns, [0] * shape.with_diagnostics)
    for block in blocks:
        result.changed = [
            joined(before, bits, any_before > 0) if rows else before
            for before, bits, any_before, rows in zip(
                result.changed, block.changed, by_column(shape, result.rows), by_column(shape, block.rows)
            )
        ]
        result.rows = [a + b for a, b in zip(result.rows, block.rows)]
        result.ticks_with_input += block.ticks_with_input
        result.diagnostics = [(a + b) & M64 for a, b in zip(result.diagnostics, block.diagnostics)]
    return result


def joined(before: int, bits: int, any_before: bool) -> int:
    """The bits of a column up to a block with rows of its table; `any_before` when it is not the first such block."""
    if not any_before:
        return bits
    entered_is_within = WITHIN if bits & ENTERED else 0
    return before | (bits & WITHIN) | entered_is_within


def by_column(shape: Shape, rows: list[int]) -> list[int]:
    """The rows of its table for each column."""
    return [count for count, table in zip(rows, shape.tables) for _ in table.columns]


def as_written(shape: Shape, segment: IndexedSegment) -> Iterator[Summary]:
    """The summaries that a segment has, block by block."""
    written = segment.summaries
    for block in range(len(segment.head.blocks)):
        yield Summary(
            cut(written.rows, block, len(shape.tables)),
            written.ticks_with_input[block],
            cut(written.changed, block, shape.columns),
            cut(written.diagnostics, block, shape.with_diagnostics),
            cut(written.channel_digests, block, len(shape.channels)),
        )


def totals_as_written(segment: IndexedSegment) -> Summary:
    """The totals that a segment has."""
    head = segment.head
    return Summary(list(head.rows), head.ticks_with_input, list(head.changed), list(head.diagnostics))


def cut(values: "array[int]", block: int, count: int) -> list[int]:
    """What belongs to one block."""
    return list(values[block * count : (block + 1) * count])
