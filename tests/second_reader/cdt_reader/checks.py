"""What must hold of the values of a block's rows: the list of *Tables* that begins "A reader must check"."""

from array import array
from collections.abc import Callable, Iterable
from itertools import pairwise

from .blocks import WIDTHS, Rows, check_lanes
from .layout import TYPES
from .records import Field, Layout
from .wire import need, numbers


def check_rows(layout: Layout, rows: Rows) -> None:
    """The rows of one table."""
    for column, values in zip(rows.table.columns, rows.columns):
        if isinstance(values, array):
            check_lanes(column.type, values)
    check = CHECKS.get(rows.table.name)
    # A kind of entities may bear the name of a table, but its table's name begins with `entities.`.
    if check is not None:
        check(layout, rows)


def check_below(lanes: Iterable[int], count: int) -> None:
    """Lanes that are places in a list."""
    need(all(lane < count for lane in lanes), "something that a row names is not declared")


def check_cell(cell: bytes, fields: list[int]) -> None:
    """A values cell with values of these types."""
    need(len(cell) == 8 * len(fields), "a list of values has the declared length")
    for value, kind in zip(numbers(cell, 64), fields):
        need(value < 1 << WIDTHS[TYPES[kind]], "a value is wider than its type")
        check_lanes(TYPES[kind], (value,))


def types(fields: list[Field]) -> list[int]:
    """The types of fields."""
    return [field.type for field in fields]


def check_commands(layout: Layout, rows: Rows) -> None:
    """Players, kinds and arguments."""
    kinds = layout.step or []
    check_below(rows.lanes("player"), layout.players)
    check_below(rows.lanes("kind"), len(kinds))
    fields = [types(kind.fields) for kind in kinds]
    args = rows.cells("args")
    for row, kind in enumerate(rows.lanes("kind")):
        check_cell(args[row], fields[kind])


def check_draws(layout: Layout, rows: Rows) -> None:
    """Streams (which the draws were told by already)."""
    check_below(rows.lanes("stream"), len(layout.rng or []))


def check_calls(layout: Layout, rows: Rows) -> None:
    """Syscalls, stages, arguments, results and decisions."""
    calls = layout.calls or []
    check_below(rows.lanes("syscall"), len(calls))
    check_below(rows.lanes("stage"), len(layout.stages))
    check_below(rows.lanes("decision"), 2)
    fields = [types(call.args) for call in calls]
    args, results = rows.cells("args"), rows.cells("result")
    for row, (number, decision) in enumerate(zip(rows.lanes("syscall"), rows.lanes("decision"))):
        declared = calls[number].result
        check_cell(args[row], fields[number])
        check_cell(results[row], [] if declared is None or decision == 1 else [declared])


def check_timing(layout: Layout, rows: Rows) -> None:
    """Stages."""
    check_below(rows.lanes("stage"), len(layout.stages))


def check_events(layout: Layout, rows: Rows) -> None:
    """Kinds, origins, subjects, values and causes."""
    kinds = layout.events or []
    check_below(rows.lanes("kind"), len(kinds))
    check_below(rows.lanes("origin"), 3)
    fields = [types(kind.fields) for kind in kinds]
    values = rows.cells("values")
    for row, kind in enumerate(rows.lanes("kind")):
        check_cell(values[row], fields[kind])
    check_subjects(len(layout.entities or []), rows)
    causes = rows.lanes("cause")
    for tick in range(len(rows.rows_of_ticks)):
        for place, row in enumerate(rows.of_tick(tick)):
            need(causes[row] <= place, "a cause is an earlier event of the same tick")


def check_subjects(kinds: int, rows: Rows) -> None:
    """A subject is of a declared kind; without one its columns are 0."""
    parts = ("has_subject", "subject_kind", "subject_slot", "subject_generation")
    for has, kind, slot, generation in zip(*(rows.lanes(part) for part in parts)):
        if has:
            need(kind < kinds, "the kind of a subject is not declared")
        else:
            need(kind == slot == generation == 0, "without a subject its columns are 0")


def check_memory(layout: Layout, rows: Rows) -> None:
    """Pages ascend in a tick, have their size, and the first tick has them all."""
    if layout.memory is None:
        return
    pages, lengths = rows.lanes("page"), rows.cells("content").lengths
    check_below(pages, layout.memory.pages)
    for tick in range(len(rows.rows_of_ticks)):
        of_tick = [pages[row] for row in rows.of_tick(tick)]
        need(all(a < b for a, b in pairwise(of_tick)), "pages ascend in a tick")
        need(tick > 0 or len(of_tick) == layout.memory.pages, "a block's first tick has all pages")
    need(all(length == layout.memory.page_size for length in lengths), "a page has the page size")


CHECKS: dict[str, Callable[[Layout, Rows], None]] = {
    "commands": check_commands,
    "rng": check_draws,
    "calls": check_calls,
    "timing": check_timing,
    "events": check_events,
    "memory": check_memory,
}
