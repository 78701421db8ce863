"""A trace as the text beside it in the corpus tells it: traces/conformance/README.md."""

import struct
from typing import Any

from .blocks import Cells, Rows, Values
from .digests import BlockDigests, ContentDigest
from .index import joined
from .layout import ALGORITHMS, TYPES, Column, checkpoint_text, layout_digest
from .records import Field, Layout, Loss, Meta, Named, Stream, Syscall, TickRun
from .summaries import Last, Summary, as_written, of_block, ranges, totals, totals_as_written
from .trace import DecodedBlock, Trace

LOSSES = ("dropped_ticks", "truncated_tail", "capped_rows", "recovered_prefix")
PLAIN = ("u8", "u16", "u32")


class DigestError(Exception):
    """A digest, a summary or a total is not that of the rows."""


def tell(trace: Trace) -> dict[str, Any]:
    """All of a trace. Digests and summaries are those of the rows, and those that are written must be equal."""
    told: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    content = ContentDigest(trace)
    last: Last = {}
    blocks = trace.blocks()
    for segment in trace.segments:
        of_ticks: list[int] = []
        summaries: list[Summary] = []
        for written, written_ranges in zip(as_written(trace.shape, segment), segment.ranges, strict=True):
            block = next(blocks)
            digests = BlockDigests(trace.shape.channels, block)
            summary = of_block(block, digests, last)
            agree(summary, written, "the summary of a block")
            agree(ranges(block), written_ranges, "the ranges of a block's fields")
            content.add(digests)
            of_ticks += digests.of_ticks
            summaries.append(summary)
            told.append(tell_block(trace, block, summary))
        agree(of_ticks, list(segment.tick_digests), "the digests of ticks")
        total = totals(trace.shape, summaries)
        agree(total, totals_as_written(segment), "the totals of a segment")
        segments.append(tell_segment(len(summaries), of_ticks, total))
    agree(content.value(), trace.footer.content_digest, "the content digest")
    runs = joined(run for segment in trace.segments for run in segment.head.tick_runs)
    return {
        "meta": tell_meta(trace.meta),
        "layout": tell_layout(trace.meta.layout),
        "layout_digest": digest(layout_digest(trace.meta.layout)),
        "tick_runs": tell_runs(runs),
        "blocks": told,
        "segments": segments,
        "loss": [tell_loss(loss) for loss in trace.losses],
        "content_digest": digest(content.value()),
        "end_reason": trace.footer.end_reason,
    }


def agree(from_rows: object, written: object, what: str) -> None:
    """What the rows give must be what is written."""
    if from_rows != written:
        raise DigestError(f"{what}: the rows give {from_rows}, but {written} is written")


def digest(value: int) -> str:
    """16 hexadecimal digits."""
    return f"{value:016x}"


def float_text(bits: int, kind: str) -> str:
    """The bits in hexadecimal, a space, the fewest decimal digits that give those bits."""
    if kind == "f64":
        return f"0x{bits:016x} {positional(repr(from_bits('Q', 'd', bits)))}"
    value = from_bits("I", "f", bits)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return f"0x{bits:08x} {positional(repr(float(next(text for text in texts if f32_bits(text) == bits))))}"


def f32_bits(text: str) -> int | None:
    """The bits of the f32 that a decimal number gives, or none when it is beyond the greatest."""
    try:
        bits: int = struct.unpack("<I", struct.pack("<f", float(text)))[0]
    except OverflowError:
        return None
    return bits


def from_bits(number: str, kind: str, bits: int) -> float:
    """The float that has these bits."""
    value: float = struct.unpack("<" + kind, struct.pack("<" + number, bits))[0]
    return value


def positional(text: str) -> str:
    """A whole number ends in `.0`; exponents are without a plus sign and leading zeros."""
    mantissa, e, exponent = text.partition("e")
    if e:
        return f"{mantissa}e{int(exponent)}"
    return text if "." in text else text + ".0"


def tell_value(kind: str, lane: int) -> Any:
    """One value of a declared type, u8 or u16."""
    if kind == "bool":
        return lane == 1
    if kind in ("f32", "f64"):
        return float_text(lane, kind)
    if kind == "i32":
        return lane - (lane >> 31 << 32)
    if kind == "i64":
        return str(lane - (lane >> 63 << 64))
    return lane if kind in PLAIN else str(lane)


def tell_meta(meta: Meta) -> dict[str, Any]:
    """Everything but the layout."""
    told = {name: value for name, value in vars(meta).items() if name != "layout"}
    told["seed"] = None if meta.seed is None else str(meta.seed)
    if meta.tick_rate is not None:
        bits: int = struct.unpack("<Q", struct.pack("<d", meta.tick_rate))[0]
        told["tick_rate"] = float_text(bits, "f64")
    return told


def tell_fields(fields: list[Field]) -> list[dict[str, Any]]:
    """Fields."""
    return [{"name": field.name, "type": TYPES[field.type]} for field in fields]


def tell_kinds(kinds: list[Named] | None) -> list[dict[str, Any]] | None:
    """Commands, entities or events."""
    return None if kinds is None else [{"name": kind.name, "fields": tell_fields(kind.fields)} for kind in kinds]


def tell_call(call: Syscall) -> dict[str, Any]:
    """A syscall."""
    return {
        "module": call.module,
        "name": call.name,
        "version": call.version,
        "args": tell_fields(call.args),
        "result": None if call.result is None else TYPES[call.result],
    }


def tell_stream(stream: Stream) -> dict[str, Any]:
    """A random stream."""
    return {"name": stream.name, "algorithm": ALGORITHMS[stream.algorithm]}


def tell_layout(layout: Layout) -> dict[str, Any]:
    """The layout."""
    return {
        "players": layout.players,
        "timing": layout.timing,
        "stages": layout.stages,
        "step": tell_kinds(layout.step),
        "rng": None if layout.rng is None else [tell_stream(stream) for stream in layout.rng],
        "calls": None if layout.calls is None else [tell_call(call) for call in layout.calls],
        "state": None if layout.state is None else tell_fields(layout.state),
        "entities": tell_kinds(layout.entities),
        "checkpoint": None if layout.checkpoint is None else checkpoint_text(layout.checkpoint),
        "events": tell_kinds(layout.events),
        "memory": None if layout.memory is None else vars(layout.memory),
    }


def tell_loss(loss: Loss) -> dict[str, Any]:
    """A loss."""
    return {"kind": LOSSES[loss.kind], "from": loss.from_tick, "to": loss.to_tick, "detail": loss.detail}


def tell_runs(runs: list[TickRun]) -> list[list[int]]:
    """First tick and count of each run of consecutive ticks."""
    return [[run.first, run.count] for run in joined(runs)]


def tell_summary(summary: Summary) -> dict[str, Any]:
    """The summary of a block, or the totals of a segment."""
    return {
        "rows": [str(rows) for rows in summary.rows],
        "ticks_with_input": str(summary.ticks_with_input),
        "changed": summary.changed,
        "diagnostics": [digest(value) for value in summary.diagnostics],
    }


def tell_segment(blocks: int, of_ticks: list[int], total: Summary) -> dict[str, Any]:
    """A segment."""
    return {"blocks": blocks, "tick_digests": [digest(value) for value in of_ticks], **tell_summary(total)}


def tell_block(trace: Trace, block: DecodedBlock, summary: Summary) -> dict[str, Any]:
    """A block."""
    digests = zip(trace.shape.channels, summary.channel_digests)
    return {
        "tick_runs": tell_runs(block.tick_runs),
        "tables": [tell_table(trace.meta.layout, rows) for rows in block.tables],
        "channel_digests": [{"channel": channel, "digest": digest(value)} for channel, value in digests],
        **tell_summary(summary),
    }


def tell_table(layout: Layout, rows: Rows) -> dict[str, Any]:
    """A table: how many rows each tick has, and column by column the values of all rows."""
    return {
        "name": rows.table.name,
        "rows_of_ticks": list(rows.rows_of_ticks),
        "columns": [
            {"name": column.name, "values": tell_column(layout, rows, column, values)}
            for column, values in zip(rows.table.columns, rows.columns)
        ],
    }


def tell_column(layout: Layout, rows: Rows, column: Column, values: Values) -> list[Any]:
    """The values of a column."""
    if not isinstance(values, Cells):
        return [tell_value(column.type, lane) for lane in values]
    if column.type == "page":
        return [values[row].hex() for row in range(rows.count)]
    types = cell_types(layout, rows, column.name)
    return [tell_cell(values[row], of_row) for row, of_row in enumerate(types)]


def tell_cell(cell: bytes, types: list[int]) -> list[Any]:
    """The values of a cell; there may be no result where one is declared."""
    lanes = struct.unpack(f"<{len(cell) // 8}Q", cell)
    return [tell_value(TYPES[kind], lane) for kind, lane in zip(types, lanes)]


def cell_types(layout: Layout, rows: Rows, name: str) -> list[list[int]]:
    """The declared types of each row's cell."""
    if rows.table.name == "calls":
        calls = [(layout.calls or [])[number] for number in rows.lanes("syscall")]
        if name == "result":
            return [[] if call.result is None else [call.result] for call in calls]
        return [[field.type for field in call.args] for call in calls]
    kinds = layout.step if rows.table.name == "commands" else layout.events
    return [[field.type for field in (kinds or [])[number].fields] for number in rows.lanes("kind")]
