"""The whole of a trace: first everything but the blocks, then block after block."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .blocks import BlockReader, Rows
from .checks import check_rows
from .index import (
    IndexedSegment,
    Shape,
    check_filled,
    read_footer,
    read_losses,
    read_segments,
)
from .layout import check_meta, declared, tables
from .records import BLOCK, META, Block, BlockEntry, Footer, Loss, Meta, TickRun, read_root
from .sections import (
    HEADER_LENGTH,
    TRAILER_LENGTH,
    Source,
    check_header,
    read_section,
    read_trailer,
    read_whole_section,
)
from .wire import need


@dataclass
class DecodedBlock:
    """The ticks and the rows of a block; tables stand in the order of the layout."""

    tick_runs: list[TickRun]
    tables: list[Rows]


@dataclass
class Tail:
    """The bytes of a tail, one piece after another."""

    source: Source
    at: int

    def take(self, length: int) -> bytes:
        """The next bytes."""
        self.at += length
        return self.source.read(self.at - length, length)


@dataclass
class Trace:
    """A trace whose parts obey the format, but for the blocks that are not read yet."""

    source: Source
    meta: Meta
    shape: Shape
    footer: Footer
    losses: list[Loss]
    segments: list[IndexedSegment]

    def blocks(self) -> Iterator[DecodedBlock]:
        """Every block, one at a time."""
        for segment in self.segments:
            for entry, runs in zip(segment.head.blocks, segment.runs_of_blocks):
                yield self.block(entry, runs, segment.section.offset)

    def block(self, entry: BlockEntry, runs: list[TickRun], limit: int) -> DecodedBlock:
        """One block, which ends by `limit` and has the ticks of `runs`."""
        section = read_section(self.source, entry.offset, b"BLCK", limit)
        need(len(section.head) == entry.head_length, "a block's head has the length that its entry gives")
        need(section.tail_length == entry.tail_length, "a block's tail has the length that its entry gives")
        head: Block = read_root(BLOCK, section.head)
        filled = sum(frame.length for frame in head.columns)
        need(filled == section.tail_length, "the frames of the columns fill the tail")
        tail = Tail(self.source, section.tail_at)
        reader = BlockReader(self.meta.layout, self.shape.tables, head, tail.take)
        need(head.tick_runs == runs, "a block's ticks are those of its segment")
        rows = reader.rows()
        for table in rows:
            check_rows(self.meta.layout, table)
        return DecodedBlock(head.tick_runs, rows)

    def close(self) -> None:
        """Nothing is read any more."""
        self.source.close()


def open_trace(path: Path) -> Trace:
    """Opens a trace, and checks all of it but its blocks."""
    source = Source(path)
    try:
        return read_frame(source)
    except BaseException:
        source.close()
        raise


def read_frame(source: Source) -> Trace:
    """The shortest way in."""
    check_header(source)
    at_footer = read_trailer(source)
    footer = read_footer(source, at_footer, source.size - TRAILER_LENGTH)
    at_meta = read_whole_section(source, HEADER_LENGTH, b"META", at_footer)
    meta: Meta = read_root(META, at_meta.head)
    check_meta(meta)
    shape = Shape(tables(meta.layout), declared(meta.layout))
    segments = read_segments(source, footer, at_footer, shape)
    at_losses, losses = read_losses(source, footer, at_footer)
    sections = [at_meta, *at_losses, *(segment.section for segment in segments)]
    check_filled(sections, (block for segment in segments for block in segment.head.blocks), at_footer)
    return Trace(source, meta, shape, footer, losses, segments)


