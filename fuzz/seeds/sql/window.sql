SELECT tick, slot, sum(hp) OVER (PARTITION BY slot ORDER BY tick) AS s, lag(x) OVER (ORDER BY slot) AS l FROM entities.creature
