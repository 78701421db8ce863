"""Blocks: the head, the tail, and the bounds that hold before anything is allocated."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeAlias

from .columns import Runs, read_column
from .layout import LANES, Shape, Table
from .records import Block, ColumnFrame, Layout, TickRun
from .wire import hash64, need, to_bytes

KEYS = 2
"""Columns of an entity table that are no fields: slot and generation."""
EXPONENTS = {"f32": 0x7F800000, "f64": 0x7FF << 52}
WIDTHS = {"bool": 1, "i32": 32, "u32": 32, "f32": 32, "i64": 64, "u64": 64, "f64": 64}
MOST_TICKS = 1 << 16
MOST_BYTES = 48 << 20
MOST_TAIL = 96 << 20
STATE_MULTIPLIER = 6364136223846793005
M32 = (1 << 32) - 1
M64 = (1 << 64) - 1


@dataclass
class Cells:
    """The byte strings of a values or page column."""

    lengths: "array[int]"
    content: bytes

    def __post_init__(self) -> None:
        self.starts = array("I", [0])
        for length in self.lengths:
            self.starts.append(self.starts[-1] + length)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> bytes:
        return self.content[self.starts[row] : self.starts[row + 1]]


Values: TypeAlias = "array[int] | Cells"
"""A column: lanes, or cells."""


@dataclass
class Rows:
    """The rows of a table in one block, tick after tick."""

    table: Table
    rows_of_ticks: "array[int]"
    columns: list[Values]

    def __post_init__(self) -> None:
        self.starts = array("I", [0])
        for rows in self.rows_of_ticks:
            self.starts.append(self.starts[-1] + rows)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.starts[-1]

    def of_tick(self, tick: int) -> range:
        """The rows of the tick with this index in the block."""
        return range(self.starts[tick], self.starts[tick + 1])

    def lanes(self, name: str) -> "array[int]":
        """A column of lanes, of a table whose names the specification gives."""
        values = self.columns[[column.name for column in self.table.columns].index(name)]
        assert isinstance(values, array)
        return values

    def cells(self, name: str) -> Cells:
        """A column of cells, of a table whose names the specification gives."""
        values = self.columns[[column.name for column in self.table.columns].index(name)]
        assert isinstance(values, Cells)
        return values


class Budget:
    """How many bytes a block's rows may still need."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def spend(self, count: int) -> None:
        """Takes bytes, before they are allocated."""
        need(count <= self.left, "a block's rows need more than 48 MiB")
        self.left -= count


def check_runs(runs: list[TickRun]) -> int:
    """Runs of ticks ascend, with a tick between any two that is in neither; gives their ticks."""
    end = -1
    for run in runs:
        need(run.count >= 1 and run.first > end, "tick runs ascend and do not touch, and none is empty")
        end = run.first + run.count
        need(end <= 1 << 32, "a tick has 32 bits")
    return sum(run.count for run in runs)


def ticks_of(runs: list[TickRun]) -> list[int]:
    """The ticks of a block's runs."""
    return [tick for run in runs for tick in range(run.first, run.first + run.count)]


def check_lanes(kind: str, lanes: Iterable[int]) -> None:
    """Lanes of one type."""
    if kind == "bool":
        need(all(lane <= 1 for lane in lanes), "bools are 0 or 1")
    elif kind == "u16":
        need(all(lane < 1 << 16 for lane in lanes), "u16 fit 16 bits")
    elif kind in EXPONENTS:
        exponent = EXPONENTS[kind]
        need(all(lane & exponent != exponent for lane in lanes), "floats are finite")


@dataclass(frozen=True, slots=True)
class Range:
    """The lanes of the lowest and of the highest value of a field in a block."""

    low: int
    high: int


EMPTY = Range(1, 0)
"""The range of a field without rows."""


def check_range(kind: str, found: Range) -> None:
    """A range is of two values of the type in their order, or of none."""
    if found == EMPTY:
        return
    for lane in (found.low, found.high):
        need(lane < 1 << WIDTHS[kind], "the ends of a range fit the type")
        check_lanes(kind, (lane,))
    need(rank(kind, found.low) <= rank(kind, found.high), "a range ascends")


def rank(kind: str, lane: int) -> int:
    """Something that is ordered as the values of a type are."""
    bits = WIDTHS[kind]
    is_negative = lane >> (bits - 1) & 1
    if kind in ("f32", "f64"):
        return -(lane & ~(1 << (bits - 1))) - 1 if is_negative else lane
    return lane - (1 << bits) if is_negative and kind in ("i32", "i64") else lane


class BlockReader:
    """Reads the tail of a block, frame after frame. `take` gives the next bytes of it."""

    def __init__(self, layout: Layout, tables: list[Table], head: Block, take: Callable[[int], bytes]) -> None:
        self.layout = layout
        self.tables = tables
        self.take = take
        self.head = head
        self.ticks = check_runs(head.tick_runs)
        self.budget = Budget()
        self.check_counts()
        self.check_rows()
        self.frames = iter(head.columns)

    def check_counts(self) -> None:
        """The lists of the head are those of the layout."""
        need(1 <= self.ticks <= MOST_TICKS, "a block has 1 to 65,536 ticks")
        need(len(self.head.rows) == len(self.tables), "the head has a number of rows for each table")
        frames = sum(table.frames for table in self.tables)
        need(len(self.head.columns) == frames, "the head has an entry for each column frame")

    def check_rows(self) -> None:
        """The rows that the head tells of fit the bounds, cells not counted."""
        for table, rows in zip(self.tables, self.head.rows):
            if table.shape is Shape.FIXED:
                need(rows == table.rows_a_tick * self.ticks, "a table has a fixed number of rows a tick")
            self.budget.spend(4 * self.ticks + rows * table.row_bytes)

    def rows(self) -> list[Rows]:
        """All tables."""
        return [self.table(table, rows) for table, rows in zip(self.tables, self.head.rows)]

    def column(self, count: int, bits: int, runs: Runs | None = None) -> "array[int]":
        """The next column frame."""
        frame: ColumnFrame = next(self.frames)
        data = self.take(frame.length)
        need(hash64(data) & M32 == frame.hash, "the checksum of a column frame is another")
        return read_column(frame.encoding, data, count, bits, runs)

    def table(self, table: Table, rows: int) -> Rows:
        """One table."""
        if table.shape is Shape.FIXED:
            rows_of_ticks = array("I", [table.rows_a_tick]) * self.ticks
            return Rows(table, rows_of_ticks, self.columns(table, rows))
        if table.shape is Shape.RUNS:
            return EntityRuns(self, table, rows).rows()
        rows_of_ticks = self.column(self.ticks, 32)
        need(sum(rows_of_ticks) == rows, "the rows of the ticks sum to the head's count")
        if table.shape is Shape.DRAWS:
            parts = self.column(2 * len(self.layout.rng or []), 8)
            slices = list(zip(parts[0::2], parts[1::2]))
            lanes = [self.column(rows, LANES[column.type]) for column in table.columns]
            draw(self.layout, slices, lanes)
            return Rows(table, rows_of_ticks, [*lanes])
        return Rows(table, rows_of_ticks, self.columns(table, rows))

    def columns(self, table: Table, rows: int) -> list[Values]:
        """Every column of a table."""
        return [
            self.cells(column.type, rows) if column.is_cell else self.column(rows, LANES[column.type])
            for column in table.columns
        ]

    def cells(self, kind: str, rows: int) -> Cells:
        """A values or page column: lengths, then contents."""
        lengths = self.column(rows, 32)
        total = sum(lengths)
        self.budget.spend(total)
        if kind == "page":
            return Cells(lengths, self.column(total, 8).tobytes())
        need(all(length % 8 == 0 for length in lengths), "a values cell is 8 bytes for each value")
        return Cells(lengths, to_bytes(self.column(total // 8, 64)))


class EntityRuns:
    """An entity table: runs, then the fields."""

    def __init__(self, reader: BlockReader, table: Table, rows: int) -> None:
        self.reader = reader
        self.table = table
        self.ticks = reader.ticks
        runs = reader.column(1, 32)[0]
        need(runs <= rows, "no run is empty, and their lengths sum to the rows")
        self.slots, self.generations, self.starts, self.lengths = (reader.column(runs, 32) for _ in range(4))
        need(sum(self.lengths) == rows, "the lengths of the runs sum to the rows")
        self.check()

    def check(self) -> None:
        """Every row is told once, in one order."""
        places = zip(self.slots, self.generations, self.starts)
        need(all(a < b for a, b in pairwise(places)), "runs stand by slot, then generation, then start")
        need(all(length >= 1 for length in self.lengths), "no run is empty")
        ends = (start + length for start, length in zip(self.starts, self.lengths))
        need(all(end <= self.ticks for end in ends), "no run goes past the block")
        for _, of_slot in groupby(zip(self.slots, self.starts, self.lengths), lambda run: run[0]):
            spans = sorted((start, start + length) for _, start, length in of_slot)
            need(all(a[1] <= b[0] for a, b in pairwise(spans)), "no two runs of a slot overlap")
        runs = pairwise(zip(self.slots, self.generations, self.starts, self.lengths))
        touch = (a[:2] == b[:2] and a[2] + a[3] == b[2] for a, b in runs)
        need(not any(touch), "runs of an entity that touch are one")

    def rows(self) -> Rows:
        """The rows of a tick are those of the runs that cover it, in the order of the runs."""
        rows_of_ticks, order = self.order()
        run_of_lane = array("I", (run for run, length in enumerate(self.lengths) for _ in range(length)))
        columns: list[Values] = [
            array("I", (own[run_of_lane[lane]] for lane in order)) for own in (self.slots, self.generations)
        ]
        for column in self.table.columns[2:]:
            columns.append(self.reader.column(len(order), LANES[column.type], Runs(self.lengths, order)))
        return Rows(self.table, rows_of_ticks, columns)

    def order(self) -> tuple["array[int]", "array[int]"]:
        """The rows of each tick, and for each row of the table its lane when lanes stand run after run."""
        rows_of_ticks = array("I", bytes(4 * self.ticks))
        for start, length in zip(self.starts, self.lengths):
            for tick in range(start, start + length):
                rows_of_ticks[tick] += 1
        free = array("I", bytes(4 * self.ticks))
        for tick in range(1, self.ticks):
            free[tick] = free[tick - 1] + rows_of_ticks[tick - 1]
        order = array("I", bytes(4 * sum(self.lengths)))
        lane = 0
        for start, length in zip(self.starts, self.lengths):
            for tick in range(start, start + length):
                order[free[tick]] = lane
                free[tick] += 1
                lane += 1
        return rows_of_ticks, order


def draw(layout: Layout, slices: list[tuple[int, int]], columns: list["array[int]"]) -> None:
    """Makes draws of what predictions missed. `slices` has the shift and the bits of each stream."""
    streams = layout.rng or []
    stream, value, before, after, _ = columns
    last, increment = [0] * len(streams), [0] * len(streams)
    for shift, bits in slices:
        need(shift <= 63 and bits <= 32, "a shift is at most 63, and bits are at most 32")
    for row, number in enumerate(stream):
        need(number < len(streams), "a stream is not declared")
        was = before[row] = (before[row] + last[number]) & M64
        algorithm = streams[number].algorithm
        if algorithm == 4:
            shift, bits = slices[number]
            now = after[row]
            guess = now >> shift & (1 << bits) - 1
        else:
            state, guess = STEPS[algorithm](was, increment[number])
            now = after[row] = (after[row] + state) & M64
        value[row] = (value[row] + guess) & M32
        last[number] = now
        increment[number] = (now - was * STATE_MULTIPLIER) & M64


def msvc_lcg(state: int, _: int) -> tuple[int, int]:
    """The next state and the value."""
    state = ((state & M32) * 214013 + 2531011) & M32
    return state, state >> 16 & 0x7FFF


def pcg32(state: int, increment: int) -> tuple[int, int]:
    """The next state and the value."""
    word, turn = ((state >> 18 ^ state) >> 27) & M32, state >> 59
    value = (word >> turn | word << (32 - turn)) & M32
    return (state * STATE_MULTIPLIER + increment) & M64, value


def xorshift64star(state: int, _: int) -> tuple[int, int]:
    """The next state and the value."""
    state ^= state >> 12
    state = (state ^ state << 25) & M64
    state ^= state >> 27
    return state, (state * 2685821657736338717 & M64) >> 32


def splitmix64(state: int, _: int) -> tuple[int, int]:
    """The next state and the value."""
    state = z = (state + 0x9E3779B97F4A7C15) & M64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
    return state, (z ^ z >> 31) >> 32


STEPS = (msvc_lcg, pcg32, xorshift64star, splitmix64)
