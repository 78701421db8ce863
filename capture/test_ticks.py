"""What rows are made of copies. Run by tests/capture.rs."""

import json
import math
import struct
import unittest

from ticks import Ticks, Weak


def columns(**types):
    """As the agent plans a struct whose fields all have 8 bytes."""
    named = [{"name": name, "type": of, "offset": 8 * index} for index, (name, of) in enumerate(types.items())]
    return {"size": 8 * len(named), "columns": named}


def begun(tick_rate=60, **plan):
    """Ticks of a run."""
    ticks = Ticks({"state": [], "pools": [], "generators": [], "told": [], **plan})
    ticks.begin({"run_id": "r", "tick_rate": tick_rate})
    return ticks


class Rows(unittest.TestCase):
    """The rows of ticks."""

    def test_values_keep_their_bits(self):
        ticks = begun(state=[columns(a="f64", b="i64", c="u64"), columns(d="f64")])
        copy = struct.pack("<dqQd", -0.0, -(2**63), 2**64 - 1, 5e-324)
        (row,) = ticks.rows(1, [], copy)
        values = json.loads(row)["state"]
        self.assertEqual(values, [0.0, str(-(2**63)), str(2**64 - 1), 5e-324])
        self.assertEqual(math.copysign(1, values[0]), -1)

    def test_what_is_no_number_is_refused_with_its_place(self):
        for weak in (math.nan, math.inf, -math.inf):
            ticks = begun(state=[columns(a="f64"), columns(b="f64")])
            copies = struct.pack("<dddd", 1, 2, 3, weak)
            rows = ticks.rows(2, [], copies)
            self.assertEqual(json.loads(next(rows))["state"], [1, 2])
            with self.assertRaisesRegex(Weak, r"^state\.b: a value of type f64 is expected, not "):
                next(rows)

    def test_names_may_look_like_what_is_no_number(self):
        pool = {"kind": "null", "slots": 1, "taken": None, "same": [], "falls": None, **columns(nan="f64")}
        (row,) = begun(pools=[pool]).rows(1, [], struct.pack("<d", 1))
        self.assertEqual(json.loads(row)["entities"][0]["fields"], [1])

    def test_elapsed_is_whole_at_any_rate(self):
        rows = begun(tick_rate=59.94, told=["step"]).rows(3, ["{}", "{}", "{}"], None)
        self.assertEqual([json.loads(row)["elapsed"] for row in rows], ["0", "16683", "33366"])

    def test_lives_are_told_apart(self):
        pool = columns(taken="u64", who="i64", left="i64")
        taken, who, left = pool["columns"]
        pool = {**pool, "kind": "shot", "slots": 2, "taken": taken, "same": [who], "falls": left}
        ticks = begun(pools=[pool])
        seen = [
            # Another one's, then the first goes on, then its slot is taken by one that looks the same but began anew, then nobody.
            ((1, 7, 9), (0, 0, 0)),
            ((1, 7, 8), (1, 3, 5)),
            ((1, 7, 9), (1, 4, 4)),
            ((0, 7, 8), (1, 4, 3)),
            ((1, 7, 7), (0, 4, 2)),
        ]
        copies = b"".join(struct.pack("<Qqq", *slot) for tick in seen for slot in tick)
        rows = [json.loads(row) for row in ticks.rows(len(seen), [], copies)]
        lives = [[(of["slot"], of["generation"]) for of in row["entities"]] for row in rows]
        self.assertEqual(lives, [[(0, 1)], [(0, 1), (1, 1)], [(0, 2), (1, 2)], [(1, 2)], [(0, 3)]])
        self.assertEqual([row["checkpoint"]["entity_counts"] for row in rows], [[1], [2], [2], [1], [1]])
        ticks.begin({"run_id": "s", "tick_rate": 60})
        (row,) = ticks.rows(1, [], struct.pack("<QqqQqq", 1, 7, 6, 0, 0, 0))
        self.assertEqual(json.loads(row)["entities"][0]["generation"], 1)


if __name__ == "__main__":
    unittest.main()
