SELECT array_agg(hp) AS all_hp, string_agg(slot, '-') AS slots FROM entities.creature GROUP BY tick
