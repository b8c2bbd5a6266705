-- metastore.db of Tidemark 0.1.0: format 3.
BEGIN TRANSACTION;
CREATE TABLE dead_letters (
    journal_id INTEGER PRIMARY KEY,
    event_type TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    parked_at  INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;
INSERT INTO "dead_letters" VALUES(16,'filestore.node.created','{"nodeId":99}','a size below zero',1767225600000,2);
CREATE TABLE filestore_nodes (
    node_id                INTEGER PRIMARY KEY CHECK (node_id > 0),
    record_id              INTEGER REFERENCES records (id) ON DELETE SET NULL,
    backend_mount_id       INTEGER NOT NULL,
    path                   TEXT    NOT NULL,
    kind                   TEXT    NOT NULL,
    state                  TEXT    NOT NULL,
    parent_id              INTEGER,
    version                INTEGER NOT NULL,
    size_bytes             INTEGER CHECK (size_bytes >= 0),
    checksum               TEXT,
    content_hash           TEXT,
    node_metadata          TEXT    NOT NULL,
    observed_at            INTEGER NOT NULL,
    last_modified_at       INTEGER,
    journal_id             INTEGER NOT NULL,
    command                TEXT,
    principal              TEXT,
    consistency_state      TEXT    NOT NULL,
    consistency_checked_at INTEGER,
    last_reconciled_at     INTEGER,
    reconciliation_reason  TEXT,
    previous_state         TEXT,
    previous_path          TEXT,
    quarantine_reason      TEXT,
    deleted_at             INTEGER
) STRICT;
INSERT INTO "filestore_nodes" VALUES(1,1,1,'','directory','active',NULL,1,0,NULL,NULL,'{}',1796040711129,NULL,1,'createMount',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(2,2,1,'docs','directory','active',1,1,0,NULL,NULL,'{}',1796040711247,NULL,2,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(3,3,1,'finance','directory','active',1,1,0,NULL,NULL,'{}',1796040711247,NULL,3,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(4,4,1,'media','directory','active',1,1,0,NULL,NULL,'{}',1796040711247,NULL,4,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(5,5,1,'notes','directory','active',1,1,0,NULL,NULL,'{}',1796040711247,NULL,5,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(6,6,1,'docs/old.txt','file','deleted',2,2,12,NULL,NULL,'{}',1796040712519,1796040710709,15,'deleteNode',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,1796040712519);
INSERT INTO "filestore_nodes" VALUES(7,7,1,'docs/plan.txt','file','active',2,1,13,NULL,NULL,'{}',1796040711247,1796040710708,7,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(8,8,1,'finance/budget.txt','file','active',3,1,18,NULL,NULL,'{}',1796040711247,1796040710709,8,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(9,9,1,'media/raw','directory','active',4,1,0,NULL,NULL,'{}',1796040711247,NULL,9,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(10,10,1,'media/take-1.mov','file','active',4,2,20,NULL,NULL,'{}',1796040712484,1796040710709,13,'moveNode',NULL,'active',NULL,NULL,NULL,NULL,'media/raw/take-1.mov',NULL,NULL);
INSERT INTO "filestore_nodes" VALUES(11,11,1,'notes/Žofie.md','file','active',5,1,15,NULL,NULL,'{}',1796040711247,1796040710709,11,'scan',NULL,'active',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE filestore_sync (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      TEXT    NOT NULL,
    journal_id INTEGER NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;
INSERT INTO "filestore_sync" VALUES(1,'7afd0b53-225b-413c-b536-d986421cff5d',16,X'DC3056707D38A9B3E33980F6627C4141116A8D62F81CF38CC05DA14944B67087');
CREATE TABLE idempotency (
    key        TEXT    PRIMARY KEY,
    request    BLOB    NOT NULL,
    record_id  INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('made-once',X'5E611DCA3542C68DE0A2FC47AB1AE96DA7A72CF1333F32FBD613B5C10120B967',12,1796040712453);
CREATE TABLE namespace_rules (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    configured TEXT    NOT NULL,
    active     TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT
) STRICT;
INSERT INTO "namespace_rules" VALUES(1,'{"defaultNamespace":"filestore","quarantineNamespace":"quarantine","rules":[]}','{"defaultNamespace":"filestore","quarantineNamespace":"quarantine","rules":[{"match":{"pathGlob":"finance/**"},"namespace":"finance","defaultTags":["confidential"],"action":"sync"}]}',1796040712380,NULL);
CREATE TABLE people_commits (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    commits INTEGER NOT NULL
) STRICT;
INSERT INTO "people_commits" VALUES(1,9);
CREATE TABLE record_audit (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id            INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    action               TEXT    NOT NULL,
    actor                TEXT,
    at                   INTEGER NOT NULL,
    namespace            TEXT    NOT NULL,
    previous_namespace   TEXT,
    version              INTEGER NOT NULL,
    previous_version     INTEGER,
    metadata             TEXT    NOT NULL,
    previous_metadata    TEXT,
    tags                 TEXT    NOT NULL,
    previous_tags        TEXT,
    owner                TEXT,
    previous_owner       TEXT,
    schema_hash          TEXT,
    previous_schema_hash TEXT
, sum BLOB CHECK (length(sum) = 32)) STRICT;
INSERT INTO "record_audit" VALUES(1,8,'move','filestore-sync',1796040711247,'finance','filestore',1,1,'{}','{}','[]','[]',NULL,NULL,NULL,NULL,X'2077FD4673E8629ED5C2530157737CA82366A53326F49577EFE7A3D6B7DFD7B8');
INSERT INTO "record_audit" VALUES(2,7,'update',NULL,1796040712414,'filestore',NULL,2,1,'{"pi":3.141592653589793,"project":"apollo"}','{}','["gold","team/a"]','[]','ada',NULL,'before-schemas',NULL,X'1DF261298A32CF88ED464E0C992FD8F5C57FD5E7F6E699477185D4AE41588F32');
INSERT INTO "record_audit" VALUES(3,7,'update',NULL,1796040712424,'filestore',NULL,3,2,'{"pi":3.141592653589793,"project":"apollo","stage":2}','{"pi":3.141592653589793,"project":"apollo"}','["gold","team/a"]','["gold","team/a"]','ada','ada','before-schemas','before-schemas',X'F989712050800DC5FA5343471651736941E5D57236D235D9319441932F05A5A4');
INSERT INTO "record_audit" VALUES(4,6,'update',NULL,1796040712430,'filestore',NULL,2,1,'{}','{}','["of-a-deleted-file"]','[]',NULL,NULL,NULL,NULL,X'996E66E875B795E53E17356B97017E1AA4AF2CC850D5D812106FAAA3F818B25C');
INSERT INTO "record_audit" VALUES(5,10,'update',NULL,1796040712441,'filestore',NULL,2,1,'{}','{}','["moved"]','[]','bob',NULL,NULL,NULL,X'842DD9FE8C35C0AC473A9ECADDF1DDD0D0A131255EA83E7F224244BB79A1D01C');
INSERT INTO "record_audit" VALUES(6,8,'update',NULL,1796040712449,'finance',NULL,2,1,'{"costCentre":7}','{}','[]','[]',NULL,NULL,NULL,NULL,X'1C5D8B4CE8EB5E16AB2DF5CD7EEB4A4CF4B920B75A0AB74F3F77E68B8B4BABF1');
INSERT INTO "record_audit" VALUES(7,12,'create',NULL,1796040712453,'projects',NULL,1,NULL,'{"budget":{"eur":100}}',NULL,'["space"]',NULL,'ada',NULL,NULL,NULL,X'E8D044F1A60D4B6E8C57FDA72E0468AA7BB06542D4B0D00DAAD982B544E10FC0');
INSERT INTO "record_audit" VALUES(8,13,'create',NULL,1796040712461,'projects',NULL,1,NULL,'{"was":"here"}',NULL,'[]',NULL,'eve',NULL,NULL,NULL,X'8B82722C0A50FD8922B9638828B4AF3F53706CCEB47B69D7D67AC29FA18DBAA4');
INSERT INTO "record_audit" VALUES(9,13,'delete',NULL,1796040712468,'projects',NULL,2,1,'{"was":"here"}','{"was":"here"}','[]','[]','eve','eve',NULL,NULL,X'5700FB683E4B3FD5192F892ECCD23CE722D5F93827E78E82F0177AA18B21BE77');
CREATE TABLE record_tags (
    record_id INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    tag       TEXT    NOT NULL,
    PRIMARY KEY (record_id, tag)
) STRICT, WITHOUT ROWID;
INSERT INTO "record_tags" VALUES(7,'gold');
INSERT INTO "record_tags" VALUES(10,'moved');
INSERT INTO "record_tags" VALUES(6,'of-a-deleted-file');
INSERT INTO "record_tags" VALUES(12,'space');
INSERT INTO "record_tags" VALUES(7,'team/a');
CREATE TABLE records (
    id          INTEGER PRIMARY KEY,
    namespace   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    metadata    TEXT    NOT NULL DEFAULT '{}',
    owner       TEXT,
    schema_hash TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deleted_at  INTEGER,
    created_by  TEXT,
    updated_by  TEXT,
    UNIQUE (namespace, key)
) STRICT;
INSERT INTO "records" VALUES(1,'filestore','1','{}',NULL,NULL,1,1796040711129,1796040711129,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(2,'filestore','2','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(3,'filestore','3','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(4,'filestore','4','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(5,'filestore','5','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(6,'filestore','6','{}',NULL,NULL,2,1796040711247,1796040712430,NULL,'filestore-sync',NULL);
INSERT INTO "records" VALUES(7,'filestore','7','{"pi":3.141592653589793,"project":"apollo","stage":2}','ada','before-schemas',3,1796040711247,1796040712424,NULL,'filestore-sync',NULL);
INSERT INTO "records" VALUES(8,'finance','8','{"costCentre":7}',NULL,NULL,2,1796040711247,1796040712449,NULL,'filestore-sync',NULL);
INSERT INTO "records" VALUES(9,'filestore','9','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(10,'filestore','10','{}','bob',NULL,2,1796040711247,1796040712441,NULL,'filestore-sync',NULL);
INSERT INTO "records" VALUES(11,'filestore','11','{}',NULL,NULL,1,1796040711247,1796040711247,NULL,'filestore-sync','filestore-sync');
INSERT INTO "records" VALUES(12,'projects','apollo','{"budget":{"eur":100}}','ada',NULL,1,1796040712453,1796040712453,NULL,NULL,NULL);
INSERT INTO "records" VALUES(13,'projects','gone','{"was":"here"}','eve',NULL,2,1796040712461,1796040712468,1796040712468,NULL,NULL);
CREATE INDEX records_owner ON records (owner) WHERE owner IS NOT NULL;
CREATE INDEX record_tags_tag ON record_tags (tag, record_id);
CREATE INDEX record_audit_record ON record_audit (record_id, id);
CREATE INDEX filestore_nodes_path ON filestore_nodes (path, backend_mount_id);
CREATE UNIQUE INDEX filestore_nodes_record ON filestore_nodes (record_id);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
CREATE INDEX idempotency_record ON idempotency (record_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('record_audit',9);
PRAGMA user_version = 3;
COMMIT;
