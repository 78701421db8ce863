SELECT tick, page, content FROM memory
