SELECT * FROM state
