SELECT s.tick, e.x FROM state s JOIN entities.creature e ON s.tick = e.tick WHERE s.tick = 1
