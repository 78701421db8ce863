"""Little-endian numbers, `hash`, and the one error by which a file is refused."""

import sys
from array import array

import xxhash


class FormatError(Exception):
    """The file breaks a rule of the format."""


def need(holds: bool, rule: str) -> None:
    """Refuses the file unless a rule holds."""
    if not holds:
        raise FormatError(rule)


def hash64(data: bytes | bytearray | memoryview) -> int:
    """`hash(x)` of the specification: xxh3-64 with seed 0."""
    return xxhash.xxh3_64_intdigest(data)


TYPECODES = {8: "B", 32: "I", 64: "Q"}
"""The array that holds lanes of so many bits."""

assert all(array(code).itemsize * 8 == bits for bits, code in TYPECODES.items())


def numbers(data: bytes, bits: int) -> "array[int]":
    """The little-endian numbers of `bits` bits that stand in `data`."""
    result = array(TYPECODES[bits])
    result.frombytes(data)
    if sys.byteorder == "big":
        result.byteswap()
    return result


def to_bytes(values: "array[int]") -> bytes:
    """The little-endian bytes of numbers."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


class Cursor:
    """Bytes that are read from the first to the last, and must all be used."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        need(count <= len(self.data) - self.at, "bytes end before what must stand there")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """The next number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def end(self) -> None:
        """Everything must have been used."""
        need(self.at == len(self.data), "bytes are left over")
