"""Reads the conformance corpus with the second reader.

Every trace in `valid/` must say what the text beside it says, and every trace in `invalid/` must be refused as one that
breaks the format: nothing else may come of it. Traces in traces/demo are read too, if there are any.

    python3 tests/second_reader/check_corpus.py [FOLDER]
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from cdt_reader import FormatError, open_trace
from cdt_reader.telling import tell

ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> dict[str, Any]:
    """All of a trace."""
    trace = open_trace(path)
    try:
        return tell(trace)
    finally:
        trace.close()


def differences(told: Any, expected: Any, place: str) -> list[str]:
    """Where two values differ, types included."""
    if type(told) is not type(expected):
        return [f"{place}: {told!r}, but {expected!r} is expected"]
    if isinstance(told, dict):
        found = [] if told.keys() == expected.keys() else [f"{place}: {sorted(told.keys() ^ expected.keys())}"]
        common = [name for name in told if name in expected]
        return found + [line for name in common for line in differences(told[name], expected[name], f"{place}.{name}")]
    if isinstance(told, list):
        lengths = f"{place}: {len(told)} entries, but {len(expected)} are expected"
        found = [] if len(told) == len(expected) else [lengths]
        pairs = enumerate(zip(told, expected))
        return found + [line for at, (a, b) in pairs for line in differences(a, b, f"{place}[{at}]")]
    return [] if told == expected else [f"{place}: {told!r}, but {expected!r} is expected"]


def fault_of_valid(path: Path) -> str | None:
    """What is wrong with the reading of a valid trace."""
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    found = differences(read(path), expected, "")
    return "\n    ".join(found[:10]) or None


def fault_of_invalid(path: Path) -> str | None:
    """What is wrong with the reading of an invalid trace."""
    try:
        trace = open_trace(path)
        try:
            for _ in trace.blocks():
                pass
        finally:
            trace.close()
    except FormatError:
        return None
    return "it was not refused"


def fault_of_demo(path: Path) -> str | None:
    """What is wrong with the reading of a trace that nothing tells of."""
    read(path)
    return None


def count_faults(paths: list[Path], fault: Any) -> int:
    """Reads traces, prints what is wrong with each, and gives how many are wrong."""
    wrong = 0
    for path in paths:
        try:
            found = fault(path)
        except Exception:
            found = traceback.format_exc()
        if found is not None:
            print(f"{path.parent.name}/{path.name}:\n    {found}")
            wrong += 1
    return wrong


def main(arguments: list[str]) -> int:
    """Reads everything."""
    folder = Path(arguments[0]) if arguments else ROOT / "traces" / "conformance"
    valid, invalid = sorted(folder.glob("valid/*.cdt")), sorted(folder.glob("invalid/*.cdt"))
    demo = sorted((ROOT / "traces" / "demo").glob("*.cdt"))
    wrong_valid = count_faults(valid, fault_of_valid) + count_faults(demo, fault_of_demo)
    wrong_invalid = count_faults(invalid, fault_of_invalid)
    if not valid or not invalid:
        print(f"{folder} has no corpus")
    if wrong_valid or wrong_invalid:
        print(f"{wrong_valid} valid and {wrong_invalid} invalid went wrong")
    print(f"{len(valid) + len(demo) - wrong_valid} valid read, {len(invalid) - wrong_invalid} invalid refused")
    return 0 if valid and invalid and not wrong_valid and not wrong_invalid else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
