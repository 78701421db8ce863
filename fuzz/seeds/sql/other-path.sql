SELECT * FROM '$file'
