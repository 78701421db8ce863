SELECT DISTINCT hp FROM entities.creature EXCEPT SELECT tick FROM state
