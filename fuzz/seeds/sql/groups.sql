SELECT slot, max(hp) AS most, count(*) AS n FROM entities.creature GROUP BY slot HAVING count(*) > 1 ORDER BY most
