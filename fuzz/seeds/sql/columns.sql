SELECT * EXCLUDE (tick) REPLACE (score + 1 AS score) FROM state
