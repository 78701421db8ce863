SELECT tick FROM state UNION ALL SELECT tick FROM entities.creature
