SELECT tick FROM state WHERE tick IN (SELECT tick FROM entities.creature WHERE hp < 90)
