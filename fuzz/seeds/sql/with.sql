WITH late AS (SELECT tick FROM state WHERE tick >= 1) SELECT count(*) AS n FROM late
