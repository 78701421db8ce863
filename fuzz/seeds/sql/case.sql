SELECT CASE WHEN tick = 0 THEN 'first' ELSE 'other' END AS w FROM state
