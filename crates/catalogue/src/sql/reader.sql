PRAGMA query_only = ON;
PRAGMA cache_size = -2048;
PRAGMA temp_store = MEMORY;
