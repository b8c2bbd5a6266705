-- Whose a file is, who may do what with it, and what it takes on disk. NULL until a look has told it,
-- and of objects in a bucket. `mode` has the file's type too, as `st_mode` has it (inode(7)).
ALTER TABLE nodes ADD COLUMN mode INTEGER;
ALTER TABLE nodes ADD COLUMN uid INTEGER;
ALTER TABLE nodes ADD COLUMN gid INTEGER;
ALTER TABLE nodes ADD COLUMN links INTEGER;
ALTER TABLE nodes ADD COLUMN allocated_bytes INTEGER;
