"""Makes rows of ticks: of what the agent has copied out of memory, as `agent/snapshot.ts` plans it, and of what it tells as text.

Here and not in the agent, for the program waits for the agent, and scripts run slowly in there.
"""

from itertools import compress, repeat
from struct import Struct

import orjson

# Of each type in memory: its letter for Struct, and its bytes.
TYPES = {
    "i8": ("b", 1),
    "u8": ("B", 1),
    "i16": ("h", 2),
    "u16": ("H", 2),
    "i32": ("i", 4),
    "u32": ("I", 4),
    "f32": ("f", 4),
    "i64": ("q", 8),
    "u64": ("Q", 8),
    "f64": ("d", 8),
}
# Types that rows have as text, for JavaScript has no numbers for them.
WIDE = ("i64", "u64")
# Unsigned types of as many bytes: to compare bits.
WHOLE = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
# Channels in the order of rows.
CHANNELS = ("step", "rng", "calls", "state", "entities", "checkpoint", "timing", "events", "memory")
# What is written where a number is none.
NULL = b"null"


class Weak(Exception):
    """What stands in memory is no value of its declared type."""


def line(row) -> bytes:
    """A row with its line break."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def layout(size, columns) -> Struct:
    """Of columns in the order of their offsets, in a struct of so many bytes."""
    form, end = "<", 0
    for column in columns:
        letter, width = TYPES[column["type"]]
        form += f"{column['offset'] - end}x{letter}"
        end = column["offset"] + width
    return Struct(form + f"{size - end}x")


class Fields:
    """Fields of a struct, of which there are several one behind the other."""

    def __init__(self, plan):
        self.columns = plan["columns"]
        self.layout = layout(plan["size"], self.columns)
        self.wide = [index for index, column in enumerate(self.columns) if column["type"] in WIDE]

    def of(self, copy):
        """The values of each struct, as a row has them."""
        structs = self.layout.iter_unpack(copy)
        return map(self.spelled, structs) if self.wide else structs

    def spelled(self, values) -> list:
        """With numbers of 64 bits as text."""
        values = list(values)
        for index in self.wide:
            values[index] = str(values[index])
        return values

    def check(self, values, place):
        """Numbers have to be some."""
        for column, value in zip(self.columns, values):
            if isinstance(value, float) and value - value != 0:
                what = f"a value of type {column['type']} is expected, not {value}"
                raise Weak(f"{place}.{column['name']}: {what}")


class State:
    """Structs whose fields are of the state."""

    def __init__(self, plans):
        self.parts = [(Fields(plan), plan["size"]) for plan in plans]

    def values(self, copies, at):
        """All values, and where they end."""
        values = []
        for fields, size in self.parts:
            (of_struct,) = fields.of(copies[at : at + size])
            values += of_struct
            at += size
        return values, at

    def check(self, values):
        """Numbers have to be some."""
        for fields, _ in self.parts:
            count = len(fields.columns)
            fields.check(values[:count], "state")
            values = values[count:]


class Pool:
    """Slots, and which life is in each."""

    def __init__(self, plan):
        self.kind, self.slots, size = plan["kind"], plan["slots"], plan["size"]
        self.bytes = self.slots * size
        self.fields = Fields(plan)
        self.taken = layout(size, [plan["taken"]]) if plan["taken"] else None
        same = [{**column, "type": WHOLE[TYPES[column["type"]][1]]} for column in plan["same"]]
        self.same = layout(size, same) if same else None
        self.falls = layout(size, [plan["falls"]]) if plan["falls"] else None
        self.begin()

    def begin(self):
        """Forgets all lives."""
        self.generations = [0] * self.slots
        # Of each slot that is taken, what stays and what falls if its life goes on.
        self.expected = {}

    def count_lives(self, copy, taken):
        """Sees which life is in each slot now."""
        sames = self.same.iter_unpack(copy) if self.same else repeat(())
        falling = self.falls.iter_unpack(copy) if self.falls else repeat((0,))
        step = 1 if self.falls else 0
        before, self.expected = self.expected, {}
        for slot, same, (falls,) in compress(zip(range(self.slots), sames, falling), taken):
            if before.get(slot) != (same, falls):
                self.generations[slot] += 1
            self.expected[slot] = (same, falls - step)

    def entities(self, copy) -> list:
        """Those of a tick, by slot."""
        taken = [is_taken for (is_taken,) in self.taken.iter_unpack(copy)] if self.taken else [True] * self.slots
        self.count_lives(copy, taken)
        slots = zip(range(self.slots), self.generations, self.fields.of(copy))
        return [
            {"kind": self.kind, "slot": slot, "generation": generation, "fields": values}
            for slot, generation, values in compress(slots, taken)
        ]

    def check(self, entities):
        """Numbers have to be some."""
        for entity in entities:
            if entity["kind"] == self.kind:
                self.fields.check(entity["fields"], f"entities.{self.kind}[{entity['slot']}]")


class Generators:
    """The streams, and what they drew."""

    DRAW = Struct("<QQIII4x")
    COUNT = Struct("<I")

    def __init__(self, plans):
        self.names = [plan["name"] for plan in plans]
        columns, self.bytes = [], 0
        for plan in plans:
            columns.append({"type": plan["type"], "offset": self.bytes})
            self.bytes += TYPES[plan["type"]][1]
        self.states = layout(self.bytes, columns)

    def draws(self, copies, at):
        """Those of a tick, and where they end."""
        (count,) = self.COUNT.unpack_from(copies, at)
        at += self.COUNT.size
        end = at + count * self.DRAW.size
        draws = [
            {
                "stream": self.names[stream],
                "seq": seq,
                "value": value,
                "before": str(before),
                "after": str(after),
                "caller": caller,
            }
            for seq, (before, after, value, caller, stream) in enumerate(self.DRAW.iter_unpack(copies[at:end]), 1)
        ]
        return draws, end


class Ticks:
    """Makes the rows of one session's ticks, run by run."""

    def __init__(self, plan):
        self.state = State(plan["state"]) if plan["state"] else None
        self.pools = [Pool(of) for of in plan["pools"]]
        self.generators = Generators(plan["generators"]) if plan["generators"] else None
        self.told = plan["told"]
        # A checkpoint has no fuel, and may lack the two others.
        has = [self.pools, self.generators]
        self.nulls = 1 + has.count(None) + has.count([]) if any(has) else 0
        self.run_id, self.tick = None, 0

    def end(self):
        """No run is open."""
        self.run_id = None

    def begin(self, run_start):
        """A run begins."""
        self.run_id, self.tick_rate = run_start["run_id"], run_start["tick_rate"]
        self.tick = 0
        for pool in self.pools:
            pool.begin()

    def rows(self, count, told, copies):
        """The rows of the next ticks, each with its line break."""
        copies, at = memoryview(copies or b""), 0
        for index in range(count):
            channels, at = self.copied(copies, at)
            first = index * len(self.told)
            texts = told[first : first + len(self.told)]
            channels.update(zip(self.told, map(orjson.Fragment, texts)))
            row = {"event": "tick", "run_id": self.run_id, "tick": self.tick}
            if "step" in channels:
                row["elapsed"] = str(int(self.tick * 1_000_000 / self.tick_rate))
            for channel in CHANNELS:
                if channel in channels:
                    row[channel] = channels[channel]
            made = line(row)
            # Names and texts may have it as well.
            if made.count(NULL) > self.nulls:
                self.check(channels)
            self.tick += 1
            yield made

    def copied(self, copies, at):
        """The channels of one copy of memory, and where it ends."""
        channels = {}
        checkpoint = {"digests": [], "rng_state": None, "entity_counts": None, "fuel": None, "counters": []}
        if self.state:
            channels["state"], at = self.state.values(copies, at)
        if self.pools:
            channels["entities"], checkpoint["entity_counts"] = [], []
            for pool in self.pools:
                entities = pool.entities(copies[at : at + pool.bytes])
                channels["entities"] += entities
                checkpoint["entity_counts"].append(len(entities))
                at += pool.bytes
        if self.generators:
            states = self.generators.states.unpack_from(copies, at)
            checkpoint["rng_state"] = [str(state) for state in states]
            channels["rng"], at = self.generators.draws(copies, at + self.generators.bytes)
        if self.pools or self.generators:
            channels["checkpoint"] = checkpoint
        return channels, at

    def check(self, channels):
        """Refuses what is no number."""
        if self.state:
            self.state.check(channels["state"])
        for pool in self.pools:
            pool.check(channels["entities"])
