SELECT strptime('2024-01-02', '%Y-%m-%d') AS d, date_part('year', date('2024-01-02')) AS y FROM state
