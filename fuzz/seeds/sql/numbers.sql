SELECT 0.0 / 0.0 AS nan, 1 / 0.0 AS inf, null AS nothing, CAST(tick AS BIGINT) * -7 % 3 AS n FROM state
