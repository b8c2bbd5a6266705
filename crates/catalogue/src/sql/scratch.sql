PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -8192;

-- Names on disk without a node of the same file under that name. The id is the node id they get
-- if they turn out to be new; a parent's is smaller than its children's. `node` is the known node
-- that was recognised in it.
CREATE TABLE found (
    id INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    parent_is_found INTEGER NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    is_directory INTEGER NOT NULL,
    is_symlink INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER,
    changed_ns INTEGER,
    mode INTEGER,
    uid INTEGER,
    gid INTEGER,
    links INTEGER,
    allocated_bytes INTEGER,
    attributes INTEGER,
    link_target INTEGER,
    accessed_ms INTEGER,
    storage_class TEXT,
    object_owner TEXT,
    object_tags INTEGER,
    node INTEGER
);

-- Found names that are known files and are to be matched when all others are.
CREATE TABLE postponed (found INTEGER PRIMARY KEY);

-- Objects in a bucket (-1 stands in for the device) are recognised only where one of a kind is found.
CREATE INDEX found_object ON found (ino) WHERE dev = -1;

-- Nodes whose file is where it was, and has changed. `version` is the node's when it was compared.
CREATE TABLE changed (
    node INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    is_directory INTEGER NOT NULL,
    is_symlink INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER,
    changed_ns INTEGER,
    mode INTEGER,
    uid INTEGER,
    gid INTEGER,
    links INTEGER,
    allocated_bytes INTEGER,
    attributes INTEGER,
    link_target INTEGER,
    accessed_ms INTEGER,
    storage_class TEXT,
    object_owner TEXT,
    object_tags INTEGER,
    is_only_read INTEGER NOT NULL
);

-- Nodes that are not where they were. `is_tree` tells directories that were found elsewhere or
-- replaced in place: they have a place, and only their children are to be looked at.
CREATE TABLE lost (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    is_tree INTEGER NOT NULL
);

-- Nodes that were recognised somewhere: they are not lost, whoever says so.
CREATE TABLE matched (node INTEGER PRIMARY KEY);

-- Found directories that are another node than their own id says; NULL, if they are none at all.
CREATE TABLE resolved (found INTEGER PRIMARY KEY, node INTEGER);

-- Directories whose nodes were found to agree with their listing, which the catalogue did not
-- know: the listing, and the last entry that the comparison is sure to have seen.
CREATE TABLE agreeing (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    digest BLOB NOT NULL,
    directories BLOB NOT NULL,
    seen_at INTEGER NOT NULL
);
