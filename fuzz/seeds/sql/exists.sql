SELECT tick FROM state s WHERE EXISTS (SELECT 1 FROM entities.creature e WHERE e.tick = s.tick)
