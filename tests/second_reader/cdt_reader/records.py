"""Records: the types of their values, how these stand in bytes, and the five kinds of records.

A type knows its size and reads one value from a place in a record. The record sees to the order of what offsets
lead to.
"""

import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .wire import need, numbers

MOST_ENTRIES = 4096
MOST_TICKS = 1 << 16
T = TypeVar("T")


class Record:
    """The bytes of a record. What offsets lead to stands in it in the order in which values are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lowest = 0
        """The end of all that was led to so far."""
        self.limit = len(data)
        """Where the structure begins whose fields are read, or the first element of the vector."""

    def claim(self, at: int, length: int) -> None:
        """An offset leads to these bytes: right behind all before, and before what holds the offset."""
        need(self.lowest == at and at + length <= self.limit, "an offset leads out of its order")
        self.lowest = at + length

    def inside(self, at: int, length: int, read: Callable[[], T]) -> T:
        """Reads a structure or elements that stand here; what they lead to stands right before them."""
        need(self.lowest <= at and at + length <= self.limit, "an offset leads out of its order")
        outer, self.limit = self.limit, at
        value = read()
        need(self.lowest == at, "a record has bytes that nothing points to")
        self.limit, self.lowest = outer, at + length
        return value

    def unpack(self, layout: str, at: int) -> int:
        """One number."""
        value: int = struct.unpack_from(layout, self.data, at)[0]
        return value


class Type:
    """How values of a type stand in a record."""

    size: int

    def read(self, record: Record, at: int) -> Any:
        """The value at `at`, whose own bytes were led to already."""
        raise NotImplementedError


class Number(Type):
    """u8, u16, u32, u64 and f64."""

    def __init__(self, layout: str) -> None:
        self.layout = "<" + layout
        self.size = struct.calcsize(self.layout)

    def read(self, record: Record, at: int) -> Any:
        return record.unpack(self.layout, at)


class Bool(Type):
    """0 or 1."""

    size = 1

    def read(self, record: Record, at: int) -> bool:
        need(record.data[at] <= 1, "a bool is 0 or 1")
        return record.data[at] == 1


class Struct(Type):
    """Fields one after another, given to a class in this order."""

    def __init__(self, make: Any, *fields: Type) -> None:
        self.make = make
        self.fields = fields
        self.size = sum(field.size for field in fields)

    def read(self, record: Record, at: int) -> Any:
        values = []
        for field in self.fields:
            values.append(field.read(record, at))
            at += field.size
        return self.make(*values)


class Option(Type):
    """A tag, then the value where the tag is 1; else `None`."""

    def __init__(self, some: Type) -> None:
        self.some = some
        self.size = 1 + some.size

    def read(self, record: Record, at: int) -> Any:
        need(record.data[at] <= 1, "the tag of an option is 0 or 1")
        return self.some.read(record, at + 1) if record.data[at] else None


class Vector(Type):
    """Elements elsewhere in the record: a list."""

    size = 8

    def __init__(self, element: Type, most: int | None = None) -> None:
        self.element = element
        self.most = most

    def read(self, record: Record, at: int) -> Any:
        offset, count = struct.unpack_from("<iI", record.data, at)
        need(self.most is None or count <= self.most, "a list is too long")
        first = at + offset
        return record.inside(first, count * self.element.size, lambda: self.elements(record, first, count))

    def elements(self, record: Record, first: int, count: int) -> Any:
        """The elements, which begin at `first`."""
        return [self.element.read(record, first + place * self.element.size) for place in range(count)]


class Numbers(Vector):
    """A vector of u8, u32 or u64: an array, since there may be many."""

    def elements(self, record: Record, first: int, count: int) -> "array[int]":
        return numbers(record.data[first : first + count * self.element.size], self.element.size * 8)


class String(Type):
    """UTF-8 in the eight bytes themselves, or elsewhere in the record."""

    size = 8

    def read(self, record: Record, at: int) -> str:
        if record.data[at] & 0xC0 != 0x80:
            text = record.data[at : at + 8].split(b"\xff")[0]
        else:
            text = self.elsewhere(record, at)
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            need(False, "strings are UTF-8")
            raise

    @staticmethod
    def elsewhere(record: Record, at: int) -> bytes:
        """The bytes that the string's eight bytes point to."""
        word, offset = struct.unpack_from("<Ii", record.data, at)
        length = (word & 0x3F) | ((word & 0xFFFFFF00) >> 2)
        need(length > 8, "a string of 8 bytes or less stands in its own bytes")
        record.claim(at + offset, length)
        return record.data[at + offset : at + offset + length]


def read_root(root: Type, data: bytes) -> Any:
    """A whole record: its root is the last thing in it."""
    record = Record(data)
    at = len(data) - root.size
    return record.inside(at, root.size, lambda: root.read(record, at))


U8, U16, U32, U64, F64 = Number("B"), Number("H"), Number("I"), Number("Q"), Number("d")
BOOL, STRING = Bool(), String()


@dataclass(frozen=True)
class Field:
    """A field: a name and the number of a type."""

    name: str
    type: int


@dataclass(frozen=True)
class Named:
    """A kind of commands, entities or events."""

    name: str
    fields: list[Field]


@dataclass(frozen=True)
class Stream:
    """A random stream."""

    name: str
    algorithm: int


@dataclass(frozen=True)
class Syscall:
    """A call that the program may make."""

    module: str
    name: str
    version: int
    args: list[Field]
    result: int | None


@dataclass(frozen=True)
class Checkpoint:
    """Which parts of a checkpoint are declared."""

    flags: int
    counters: list[str]


@dataclass(frozen=True)
class Memory:
    """The declared memory."""

    page_size: int
    pages: int


@dataclass(frozen=True)
class Layout:
    """What the ticks of a trace carry."""

    players: int
    timing: bool
    stages: list[str]
    step: list[Named] | None
    rng: list[Stream] | None
    calls: list[Syscall] | None
    state: list[Field] | None
    entities: list[Named] | None
    checkpoint: Checkpoint | None
    events: list[Named] | None
    memory: Memory | None


@dataclass(frozen=True)
class Meta:
    """Where a trace comes from, and its layout."""

    session: str
    producer_name: str
    producer_version: str
    producer_platform: str
    producer_arch: str
    program_name: str
    program_build: str | None
    program_hash: str | None
    run_id: str
    seed: int | None
    seed_source: str
    mode: int
    tick_rate: float | None
    reason: str
    layout: Layout


def entries(element: Type) -> Vector:
    """A list of a layout."""
    return Vector(element, MOST_ENTRIES)


FIELD = Struct(Field, STRING, U8)
NAMED = Struct(Named, STRING, entries(FIELD))
STREAM = Struct(Stream, STRING, U8)
SYSCALL = Struct(Syscall, STRING, STRING, U16, entries(FIELD), Option(U8))
CHECKPOINT = Struct(Checkpoint, U8, entries(STRING))
MEMORY = Struct(Memory, U32, U32)
LAYOUT = Struct(
    Layout,
    U8,
    BOOL,
    entries(STRING),
    Option(entries(NAMED)),
    Option(entries(STREAM)),
    Option(entries(SYSCALL)),
    Option(entries(FIELD)),
    Option(entries(NAMED)),
    Option(CHECKPOINT),
    Option(entries(NAMED)),
    Option(MEMORY),
)
META = Struct(
    Meta,
    *[STRING] * 5,
    STRING,
    Option(STRING),
    Option(STRING),
    STRING,
    Option(U64),
    STRING,
    U32,
    Option(F64),
    STRING,
    LAYOUT,
)


@dataclass(frozen=True, slots=True)
class TickRun:
    """Consecutive ticks."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class ColumnFrame:
    """One column frame in the tail of a block."""

    encoding: int
    length: int
    hash: int


@dataclass(frozen=True)
class Block:
    """The head of a block."""

    tick_runs: list[TickRun]
    rows: "array[int]"
    columns: list[ColumnFrame]


TICK_RUN = Struct(TickRun, U32, U32)
BLOCK = Struct(
    Block,
    Vector(TICK_RUN, MOST_TICKS),
    Numbers(U32),
    Vector(Struct(ColumnFrame, U8, U32, U32)),
)


@dataclass(frozen=True)
class Loss:
    """What is missing from a trace."""

    kind: int
    from_tick: int
    to_tick: int | None
    detail: str


LOSS = Struct(Loss, U8, U32, Option(U32), STRING)


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """Where a block stands, and which ticks it has."""

    offset: int
    head_length: int
    tail_length: int
    first_tick: int
    last_tick: int
    ticks: int


@dataclass(frozen=True)
class Segment:
    """The head of a segment."""

    rows: "array[int]"
    ticks_with_input: int
    changed: "array[int]"
    diagnostics: "array[int]"
    blocks: list[BlockEntry]
    tick_runs: list[TickRun]
    hash_of_digests: int
    hash_of_ranges: int
    hash_of_summaries: int


@dataclass(frozen=True)
class Summaries:
    """The summaries of a segment's blocks, one list for all of them."""

    channel_digests: "array[int]"
    rows: "array[int]"
    ticks_with_input: "array[int]"
    changed: "array[int]"
    diagnostics: "array[int]"


BLOCK_ENTRY = Struct(BlockEntry, U64, U32, U32, U32, U32, U32)
SEGMENT = Struct(
    Segment, Numbers(U64), U64, Numbers(U8), Numbers(U64), Vector(BLOCK_ENTRY), Vector(TICK_RUN), U64, U64, U64
)
SUMMARIES = Struct(Summaries, Numbers(U64), Numbers(U32), Numbers(U32), Numbers(U8), Numbers(U64))


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """Where a segment stands, and how many ticks it has."""

    offset: int
    head_length: int
    ticks: int


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """Where a loss stands (the specification's *Section* of the footer)."""

    offset: int
    head_length: int


@dataclass(frozen=True)
class Footer:
    """The head of the footer."""

    segments: list[SegmentEntry]
    losses: list[SectionEntry]
    content_digest: int
    end_reason: str


FOOTER = Struct(
    Footer,
    Vector(Struct(SegmentEntry, U64, U32, U32)),
    Vector(Struct(SectionEntry, U64, U32)),
    U64,
    STRING,
)

# The sizes that the specification gives.
assert (BLOCK.size, SEGMENT.size, SUMMARIES.size, FOOTER.size) == (24, 72, 40, 32)
