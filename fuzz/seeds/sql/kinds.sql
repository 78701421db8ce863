SELECT * FROM "calls.sys.blit@1" WHERE x > 0
