"""What a layout must obey, the tables that follow from it, and its digest."""

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from .records import Checkpoint, Field, Layout, Memory, Meta, Named, Syscall
from .wire import hash64, need

TYPES = ("bool", "i32", "u32", "i64", "u64", "f32", "f64")
ALGORITHMS = ("msvc_lcg", "pcg32", "xorshift64star", "splitmix64", "opaque")
CHANNELS = ("step", "rng", "calls", "state", "entities", "checkpoint", "timing", "events", "memory")
FLAGS = ("state_digest", "frame_digest", "audio_digest", "rng_state", "entity_counts", "fuel")
WITH_DIAGNOSTICS = ("rng", "timing", "events")
LANES = {"bool": 8, "u8": 8, "u16": 32, "i32": 32, "u32": 32, "f32": 32, "i64": 64, "u64": 64, "f64": 64}
CELL = 4
"""What a values or page cell counts for in the bounds, beside its bytes."""
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
MOST_COLUMNS = 1 << 16
MOST_MEMORY = 16 << 20
T = TypeVar("T")


class Shape(Enum):
    """How a table stands in the tail of a block."""

    FIXED = "a fixed number of rows a tick"
    ANY = "any number of rows a tick"
    DRAWS = "the rng table"
    RUNS = "an entity table"


@dataclass(frozen=True)
class Column:
    """A column; `type` is a declared type, u8, u16, values or page."""

    name: str
    type: str
    diagnostic: bool = False

    @property
    def is_cell(self) -> bool:
        """Whether its values are byte strings."""
        return self.type in ("values", "page")

    @property
    def row_bytes(self) -> int:
        """What a row of it counts for in the bounds, without the bytes of a cell."""
        return CELL if self.is_cell else LANES[self.type] // 8


@dataclass(frozen=True)
class Table:
    """A table of a channel; `rows_a_tick` is for the shape FIXED."""

    channel: str
    name: str
    shape: Shape
    columns: list[Column]
    rows_a_tick: int = 0

    @property
    def row_bytes(self) -> int:
        """What a row of it counts for in the bounds, without the bytes of cells."""
        return sum(column.row_bytes for column in self.columns)

    @property
    def frames(self) -> int:
        """How many column frames it has in a block."""
        of_columns = sum(2 if column.is_cell else 1 for column in self.columns)
        # Runs have their number and four instead of those of slot and generation; rows of each tick are one, slices are one.
        return of_columns + {Shape.FIXED: 0, Shape.ANY: 1, Shape.DRAWS: 2, Shape.RUNS: 3}[self.shape]


def check_meta(meta: Meta) -> None:
    """What must hold of `META`."""
    rate = meta.tick_rate
    need(rate is None or (math.isfinite(rate) and rate > 0), "a tick rate is finite and above 0")
    check_layout(meta.layout)


def check_layout(layout: Layout) -> None:
    """What must hold of a layout, but for the number of columns."""
    need(bool(declared(layout)), "a layout has at least one channel")
    need(layout.players == 0 or layout.step is not None, "there are players only with step")
    need(layout.rng is None or 1 <= len(layout.rng) <= 256, "there are 1 to 256 streams")
    staged = layout.calls is not None or layout.timing
    need(bool(layout.stages) or not staged, "calls and timing need a stage")
    check_names(layout.stages)
    for kinds in (layout.step, layout.entities, layout.events):
        check_kinds(kinds or [])
    check_names([stream.name for stream in layout.rng or []])
    need(all(stream.algorithm < len(ALGORITHMS) for stream in layout.rng or []), "an algorithm is not known")
    check_syscalls(layout.calls or [])
    check_fields(layout.state or [])
    check_checkpoint(layout)
    if layout.memory is not None:
        check_memory(layout.memory)


def check_names(names: list[str]) -> None:
    """The names of one list."""
    need(all(NAME.fullmatch(name) for name in names), "names have 1 to 64 of A-Z a-z 0-9 _ . -")
    need(len(set(names)) == len(names), "names are unique in their list")


def check_fields(fields: list[Field]) -> None:
    """The fields of one list."""
    check_names([field.name for field in fields])
    need(all(field.type < len(TYPES) for field in fields), "a type is not known")


def check_kinds(kinds: list[Named]) -> None:
    """Commands, entities or events."""
    check_names([kind.name for kind in kinds])
    for kind in kinds:
        check_fields(kind.fields)


def check_syscalls(calls: list[Syscall]) -> None:
    """Syscalls are unique by module, name and version."""
    for call in calls:
        check_names([call.module])
        check_names([call.name])
        check_fields(call.args)
        need(call.result is None or call.result < len(TYPES), "a type is not known")
    need(len({(call.module, call.name, call.version) for call in calls}) == len(calls), "syscalls are unique")


def check_checkpoint(layout: Layout) -> None:
    """The parts of a checkpoint, and what they need."""
    if layout.checkpoint is None:
        return
    need(layout.checkpoint.flags < 1 << len(FLAGS), "a flag of the checkpoint is not known")
    check_names(layout.checkpoint.counters)
    parts = declared_flags(layout.checkpoint)
    need("rng_state" not in parts or layout.rng is not None, "there is rng state only with rng")
    need("entity_counts" not in parts or layout.entities is not None, "there are entity counts only with entities")


def check_memory(memory: Memory) -> None:
    """Pages of a size, and how many."""
    size = memory.page_size
    need(64 <= size <= 1 << 16 and size & (size - 1) == 0, "a page size is a power of two from 64 to 65,536")
    need(memory.pages >= 1, "there is at least one page")
    need(memory.pages * size <= MOST_MEMORY, "there are at most 16 MiB of pages")


def declared(layout: Layout) -> list[str]:
    """The declared channels, in causal order."""
    return [name for name in CHANNELS if getattr(layout, name) not in (None, False)]


def declared_flags(checkpoint: Checkpoint) -> list[str]:
    """The parts that the flags of a checkpoint declare."""
    return [name for bit, name in enumerate(FLAGS) if checkpoint.flags >> bit & 1]


def tables(layout: Layout) -> list[Table]:
    """The tables of every declared channel, in order."""
    result = step_tables(layout) + random_tables(layout) + call_tables(layout) + state_tables(layout)
    result += entity_tables(layout) + checkpoint_tables(layout) + timing_tables(layout) + event_tables(layout)
    result += memory_tables(layout)
    need(sum(len(table.columns) for table in result) <= MOST_COLUMNS, "there are at most 65,536 columns")
    return result


def columns(text: str) -> list[Column]:
    """Columns of `name type` or `name type d`."""
    words = [column.split() for column in text.split(", ")]
    return [Column(word[0], word[1], word[2:] == ["d"]) for word in words]


def of_fields(fields: list[Field]) -> list[Column]:
    """A column for each declared field."""
    return [Column(field.name, TYPES[field.type]) for field in fields]


def step_tables(layout: Layout) -> list[Table]:
    """step, inputs and commands."""
    if layout.step is None:
        return []
    inputs = columns("buttons u32, move_x f32, move_y f32, aim_x f32, aim_y f32")
    return [
        Table("step", "step", Shape.FIXED, columns("dt f32, elapsed u64, mode u32"), 1),
        Table("step", "inputs", Shape.FIXED, inputs, layout.players),
        Table("step", "commands", Shape.ANY, columns("player u8, kind u16, args values")),
    ]


def random_tables(layout: Layout) -> list[Table]:
    """rng."""
    draws = columns("stream u8, value u32, before u64, after u64, caller u32 d")
    return [] if layout.rng is None else [Table("rng", "rng", Shape.DRAWS, draws)]


def call_tables(layout: Layout) -> list[Table]:
    """calls."""
    calls = columns("syscall u32, stage u16, args values, result values, decision u8")
    return [] if layout.calls is None else [Table("calls", "calls", Shape.ANY, calls)]


def state_tables(layout: Layout) -> list[Table]:
    """state."""
    return [] if layout.state is None else [Table("state", "state", Shape.FIXED, of_fields(layout.state), 1)]


def entity_tables(layout: Layout) -> list[Table]:
    """One for each kind."""
    own = columns("slot u32, generation u32")
    return [
        Table("entities", f"entities.{kind.name}", Shape.RUNS, own + of_fields(kind.fields))
        for kind in layout.entities or []
    ]


def checkpoint_tables(layout: Layout) -> list[Table]:
    """checkpoint."""
    if layout.checkpoint is None:
        return []
    result: list[Column] = []
    for part in declared_flags(layout.checkpoint):
        if part == "rng_state":
            result += [Column(f"rng_state.{stream.name}", "u64") for stream in layout.rng or []]
        elif part == "entity_counts":
            result += [Column(f"entity_counts.{kind.name}", "u32") for kind in layout.entities or []]
        else:
            result.append(Column(part, "u64"))
    result += [Column(f"counters.{counter}", "u64") for counter in layout.checkpoint.counters]
    return [Table("checkpoint", "checkpoint", Shape.FIXED, result, 1)]


def timing_tables(layout: Layout) -> list[Table]:
    """timing."""
    timing = columns("stage u16, fuel u64, wall_ns u64 d")
    return [Table("timing", "timing", Shape.ANY, timing)] if layout.timing else []


def event_tables(layout: Layout) -> list[Table]:
    """events."""
    events = columns(
        "kind u16, origin u8, has_subject bool, subject_kind u16, subject_slot u32, subject_generation u32, "
        "values values, cause u32"
    )
    return [] if layout.events is None else [Table("events", "events", Shape.ANY, events)]


def memory_tables(layout: Layout) -> list[Table]:
    """memory."""
    memory = columns("page u32, content page")
    return [] if layout.memory is None else [Table("memory", "memory", Shape.ANY, memory)]


def checkpoint_text(checkpoint: Checkpoint) -> list[str]:
    """What is declared of a checkpoint, as the layout digest tells it."""
    return declared_flags(checkpoint) + [f"counter {name}" for name in checkpoint.counters]


def layout_digest(layout: Layout) -> int:
    """`hash` of the declarations."""
    result = bytearray()
    for number, place, text in declarations(layout):
        result.append(number)
        for word in (place, text):
            result += len(word.encode()).to_bytes(4, "little") + word.encode()
    return hash64(result)


def declarations(layout: Layout) -> list[tuple[int, str, str]]:
    """Each as channel number, place and text."""
    result = [(255, "players", str(layout.players)), (255, "stages", ", ".join(layout.stages))]
    for channel in declared(layout):
        result += [(CHANNELS.index(channel), place, text) for place, text in of_channel(layout, channel)]
    return result


def of_channel(layout: Layout, channel: str) -> list[tuple[str, str]]:
    """The places and texts of one declared channel."""
    if channel == "checkpoint" and layout.checkpoint is not None:
        return [("checkpoint", ", ".join(checkpoint_text(layout.checkpoint)))]
    if channel == "memory" and layout.memory is not None:
        return [("memory", f"{layout.memory.pages} pages of {layout.memory.page_size} bytes")]
    return [(channel, "present"), *channel_entries(layout, channel)]


def channel_entries(layout: Layout, channel: str) -> list[tuple[str, str]]:
    """The entries of a channel that has `present`."""
    if channel == "rng":
        streams = numbered(layout.rng or [])
        return [(f"rng.{stream.name}", f"#{number} {ALGORITHMS[stream.algorithm]}") for number, stream in streams]
    if channel == "calls":
        return [call_entry(number, call) for number, call in numbered(layout.calls or [])]
    if channel == "state":
        fields = numbered(layout.state or [])
        return [(f"state.{field.name}", f"#{number} {TYPES[field.type]}") for number, field in fields]
    lists = {"step": layout.step, "entities": layout.entities, "events": layout.events}
    kinds = numbered(lists.get(channel) or [])
    prefix = "step.commands" if channel == "step" else channel
    return [(f"{prefix}.{kind.name}", f"#{number} {fields_text(kind.fields)}") for number, kind in kinds]


def numbered(entries: list[T]) -> list[tuple[int, T]]:
    """Entries with their numbers, from 1."""
    return list(enumerate(entries, 1))


def fields_text(fields: list[Field]) -> str:
    """`(NAME TYPE, ..)`."""
    return "(" + ", ".join(f"{field.name} {TYPES[field.type]}" for field in fields) + ")"


def call_entry(number: int, call: Syscall) -> tuple[str, str]:
    """The place and the text of a syscall."""
    result = "" if call.result is None else f" -> {TYPES[call.result]}"
    return f"calls.{call.module}.{call.name}@{call.version}", f"#{number} {fields_text(call.args)}{result}"
