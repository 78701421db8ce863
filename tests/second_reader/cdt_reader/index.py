"""What finds the blocks: the footer, the segments with their summaries, and the losses."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from .blocks import KEYS, MOST_BYTES, MOST_TAIL, MOST_TICKS, Range, check_range, check_runs
from .layout import WITH_DIAGNOSTICS, Table
from .layout import Shape as TableShape
from .records import (
    FOOTER,
    LOSS,
    SEGMENT,
    SUMMARIES,
    BlockEntry,
    Footer,
    Loss,
    Segment,
    SegmentEntry,
    Summaries,
    TickRun,
    read_root,
)
from .sections import HEADER_LENGTH, SECTION_HEADER_LENGTH, Section, Source, read_section, read_whole_section
from .wire import hash64, need, numbers


@dataclass(frozen=True)
class Shape:
    """How many of everything the layout declares."""

    tables: list[Table]
    channels: list[str]

    @property
    def columns(self) -> int:
        """Columns of all tables."""
        return sum(len(table.columns) for table in self.tables)

    @property
    def with_diagnostics(self) -> int:
        """Channels that have diagnostics."""
        return len([channel for channel in self.channels if channel in WITH_DIAGNOSTICS])


@dataclass(frozen=True)
class IndexedSegment:
    """A segment: its head, the digest of each tick, of each block the ranges of its fields, its summary, and its ticks."""

    section: Section
    head: Segment
    tick_digests: "array[int]"
    ranges: list[list[Range]]
    summaries: Summaries
    runs_of_blocks: list[list[TickRun]]


def read_footer(source: Source, offset: int, trailer: int) -> Footer:
    """The footer, which ends where the trailer begins."""
    section = read_whole_section(source, offset, b"FOOT", trailer)
    need(section.end == trailer, "the footer ends where the trailer begins")
    footer: Footer = read_root(FOOTER, section.head)
    for offsets in ([entry.offset for entry in footer.segments], [entry.offset for entry in footer.losses]):
        need(all(a < b for a, b in pairwise(offsets)), "the lists of the footer ascend")
    need(all(entry.ticks >= 1 for entry in footer.segments), "a segment has at least one tick")
    return footer


def read_losses(source: Source, footer: Footer, limit: int) -> tuple[list[Section], list[Loss]]:
    """The losses that the footer names."""
    sections: list[Section] = []
    losses: list[Loss] = []
    for entry in footer.losses:
        need(not sections or entry.offset >= sections[-1].end, "sections do not overlap")
        section = read_whole_section(source, entry.offset, b"LOSS", limit)
        need(len(section.head) == entry.head_length, "a head has the length that the footer gives")
        loss: Loss = read_root(LOSS, section.head)
        need(loss.kind <= 3, "a kind of loss is not known")
        sections.append(section)
        losses.append(loss)
    return sections, losses


def read_segments(source: Source, footer: Footer, limit: int, shape: Shape) -> list[IndexedSegment]:
    """The segments that the footer names."""
    segments: list[IndexedSegment] = []
    for entry in footer.segments:
        need(not segments or entry.offset >= segments[-1].section.end, "sections do not overlap")
        segments.append(read_segment(source, entry, limit, shape))
    check_blocks([block for segment in segments for block in segment.head.blocks])
    return segments


def read_segment(source: Source, entry: SegmentEntry, limit: int, shape: Shape) -> IndexedSegment:
    """One segment."""
    section = read_section(source, entry.offset, b"SEGM", limit)
    need(len(section.head) == entry.head_length, "a head has the length that the footer gives")
    head: Segment = read_root(SEGMENT, section.head)
    need(sum(block.ticks for block in head.blocks) == entry.ticks, "the ticks sum to those that the footer gives")
    for block in head.blocks:
        need(end_of(block) <= section.offset, "blocks end before their segment")
    need(check_runs(head.tick_runs) == entry.ticks, "the tick runs are the ticks of the blocks")
    runs = runs_of_blocks(head)
    check_totals(head, entry.ticks, shape)
    kinds = field_types(shape)
    of_digests, of_ranges = 8 * entry.ticks, 16 * len(kinds) * len(head.blocks)
    rest = section.tail_length - of_digests - of_ranges
    need(rest >= 0, "a segment's tail has a digest for each tick and the ranges of each block")
    digests = source.read(section.tail_at, of_digests)
    need(hash64(digests) == head.hash_of_digests, "the checksum of the tick digests is another")
    ends = source.read(section.tail_at + of_digests, of_ranges)
    need(hash64(ends) == head.hash_of_ranges, "the checksum of the ranges is another")
    ranges = ranges_of_blocks(numbers(ends, 64), kinds, len(head.blocks))
    record = source.read(section.tail_at + of_digests + of_ranges, rest)
    need(hash64(record) == head.hash_of_summaries, "the checksum of the summaries is another")
    summaries: Summaries = read_root(SUMMARIES, record)
    check_summaries(summaries, len(head.blocks), shape)
    return IndexedSegment(section, head, numbers(digests, 64), ranges, summaries, runs)


def field_types(shape: Shape) -> list[str]:
    """The type of each field of each kind of entities."""
    kinds = (table.columns[KEYS:] for table in shape.tables if table.shape is TableShape.RUNS)
    return [column.type for columns in kinds for column in columns]


def ranges_of_blocks(ends: "array[int]", kinds: list[str], blocks: int) -> list[list[Range]]:
    """The ranges of each block, from their low and high ends."""
    pairs = zip(ends[::2], ends[1::2])
    result = [[Range(*next(pairs)) for _ in kinds] for _ in range(blocks)]
    for ranges in result:
        for kind, found in zip(kinds, ranges):
            check_range(kind, found)
    return result


def end_of(block: BlockEntry) -> int:
    """The byte after a block."""
    return block.offset + SECTION_HEADER_LENGTH + block.head_length + block.tail_length


def check_blocks(blocks: list[BlockEntry]) -> None:
    """The entries of all blocks of the trace."""
    for block in blocks:
        need(block.offset >= HEADER_LENGTH, "a block cannot stand in the file header")
        need(1 <= block.ticks <= MOST_TICKS, "a block has 1 to 65,536 ticks")
        need(block.tail_length <= MOST_TAIL, "a block's tail has at most 96 MiB")
        need(block.ticks <= block.last_tick - block.first_tick + 1, "a block's ticks fit between its first and last")
    for block, after in pairwise(blocks):
        need(end_of(block) <= after.offset, "blocks ascend in offset, and do not overlap")
        need(block.last_tick < after.first_tick, "blocks ascend in ticks, and do not overlap")


def runs_of_blocks(head: Segment) -> list[list[TickRun]]:
    """The tick runs of a segment, cut where its blocks end."""
    result = []
    runs = list(reversed(head.tick_runs))
    for block in head.blocks:
        own: list[TickRun] = []
        left = block.ticks
        while left:
            run = runs.pop()
            own.append(TickRun(run.first, min(left, run.count)))
            if run.count > left:
                runs.append(TickRun(run.first + left, run.count - left))
            left -= own[-1].count
        need(bool(own), "a block has at least one tick")
        last = own[-1].first + own[-1].count - 1
        need((own[0].first, last) == (block.first_tick, block.last_tick), "a block's ticks are those of its entry")
        result.append(own)
    return result


def joined(runs: Iterable[TickRun]) -> list[TickRun]:
    """The same ticks, where runs that touch are one."""
    result: list[TickRun] = []
    for run in runs:
        if result and result[-1].first + result[-1].count == run.first:
            result[-1] = TickRun(result[-1].first, result[-1].count + run.count)
        else:
            result.append(run)
    return result


def check_totals(head: Segment, ticks: int, shape: Shape) -> None:
    """The totals of a segment are such as its blocks can have."""
    need(len(head.rows) == len(shape.tables), "totals have the rows of each table")
    need(len(head.changed) == shape.columns, "totals have every column")
    need(len(head.diagnostics) == shape.with_diagnostics, "totals have the diagnostics of each channel")
    most = MOST_BYTES * len(head.blocks)
    need(bytes_of(head.rows, shape.tables) <= most, "totals have more rows than blocks can have")
    need(head.ticks_with_input <= ticks, "a segment has no more ticks with input than ticks")


def check_summaries(summaries: Summaries, blocks: int, shape: Shape) -> None:
    """The summaries of a segment are such as its blocks can have."""
    tables = len(shape.tables)
    need(len(summaries.channel_digests) == blocks * len(shape.channels), "summaries have each channel of each block")
    need(len(summaries.rows) == blocks * tables, "summaries have each table of each block")
    need(len(summaries.ticks_with_input) == blocks, "summaries have the ticks with input of each block")
    need(len(summaries.changed) == blocks * shape.columns, "summaries have each column of each block")
    diagnostics = blocks * shape.with_diagnostics
    need(len(summaries.diagnostics) == diagnostics, "summaries have the diagnostics of each block")
    for block in range(blocks):
        rows = summaries.rows[block * tables : (block + 1) * tables]
        need(bytes_of(rows, shape.tables) <= MOST_BYTES, "a summary has more rows than a block can have")
    need(all(ticks <= MOST_TICKS for ticks in summaries.ticks_with_input), "a block has at most 65,536 ticks")


def bytes_of(rows: "array[int]", tables: list[Table]) -> int:
    """What rows count for in a summary."""
    return sum(count * max(1, table.row_bytes) for count, table in zip(rows, tables))


def check_filled(sections: list[Section], blocks: Iterable[BlockEntry], footer: int) -> None:
    """Everything that is named fills the file from byte 16 to the footer."""
    spans = [(section.offset, section.end) for section in sections]
    spans += [(block.offset, end_of(block)) for block in blocks]
    at = HEADER_LENGTH
    for offset, end in sorted(spans):
        need(offset == at, "something that nothing names stands between two sections")
        at = end
    need(at == footer, "something that nothing names stands before the footer")
