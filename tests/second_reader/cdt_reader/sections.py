"""The file: its header, its trailer and its sections."""

import struct
from dataclasses import dataclass
from pathlib import Path

from .wire import hash64, need

SIGNATURE = bytes.fromhex("8943 4454 0d0a 1a0a")
HEADER_LENGTH = 16
TRAILER_LENGTH = 24
SECTION_HEADER_LENGTH = 32
MOST_HEAD = 1 << 28


class Source:
    """A file that gives no byte beyond its end."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.size = path.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on."""
        need(offset + length <= self.size, "the file ends too early")
        self.file.seek(offset)
        data = self.file.read(length)
        need(len(data) == length, "the file ends too early")
        return data

    def close(self) -> None:
        """Nothing is read any more."""
        self.file.close()


@dataclass(frozen=True)
class Section:
    """A section whose header and head are as they were written."""

    offset: int
    head: bytes
    tail_at: int
    tail_length: int

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.tail_at + self.tail_length


def check_header(source: Source) -> None:
    """The first 16 bytes of the file."""
    signature, version, zero = struct.unpack("<8sI4s", source.read(0, HEADER_LENGTH))
    need(signature == SIGNATURE, "the signature is another")
    need(version == 1, "the version is not 1")
    need(zero == bytes(4), "four zero bytes must follow the version")


def read_trailer(source: Source) -> int:
    """The offset of the footer."""
    need(source.size >= HEADER_LENGTH + TRAILER_LENGTH, "the file is not finished")
    trailer = source.read(source.size - TRAILER_LENGTH, TRAILER_LENGTH)
    offset: int
    offset, checksum, signature = struct.unpack("<QQ8s", trailer)
    need(signature == b"CDT-END\n", "the file is not finished")
    need(checksum == hash64(trailer[:8]), "the checksum of the trailer is another")
    need(HEADER_LENGTH <= offset <= source.size - TRAILER_LENGTH, "the footer cannot stand there")
    return offset


def read_section(source: Source, offset: int, expected: bytes, limit: int) -> Section:
    """The section with the tag `expected` at `offset`, which must end by `limit`."""
    need(HEADER_LENGTH <= offset <= limit - SECTION_HEADER_LENGTH, "a section cannot stand there")
    header = source.read(offset, SECTION_HEADER_LENGTH)
    tag, head_length, tail_length, of_head, of_header = struct.unpack("<4sIQQQ", header)
    need(of_header == hash64(header[:24]), "the checksum of a section's header is another")
    need(tag == expected, "a section of another tag stands there")
    need(head_length <= MOST_HEAD, "a head is too long")
    tail_at = offset + SECTION_HEADER_LENGTH + head_length
    need(tail_at + tail_length <= limit, "a section does not end before what follows it")
    head = source.read(offset + SECTION_HEADER_LENGTH, head_length)
    need(of_head == hash64(head), "the checksum of a head is another")
    return Section(offset, head, tail_at, tail_length)


def read_whole_section(source: Source, offset: int, expected: bytes, limit: int) -> Section:
    """The same of a section that has no tail."""
    section = read_section(source, offset, expected, limit)
    need(section.tail_length == 0, "this section has no tail")
    return section
