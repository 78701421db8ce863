SELECT * FROM UNNEST([1, 2, 3], ['a', 'b', 'c']) AS t(n, s)
