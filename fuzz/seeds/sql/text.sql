SELECT lpad('a', 3, 'b') AS p, upper(concat('x', tick)) AS u, split_part('a,b', ',', 2) AS s FROM state
