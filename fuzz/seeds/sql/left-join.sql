SELECT a.tick, b.slot FROM state AS a LEFT JOIN entities.creature AS b USING (tick)
