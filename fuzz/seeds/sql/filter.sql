SELECT tick, hp FROM entities.creature WHERE hp > 3 AND tick BETWEEN 0 AND 1 ORDER BY hp DESC, slot LIMIT 5
