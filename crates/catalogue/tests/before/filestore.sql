BEGIN TRANSACTION;
CREATE TABLE former_identities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id INTEGER NOT NULL,
    mount_id INTEGER NOT NULL,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER NOT NULL,
    replaced_at INTEGER NOT NULL
);
INSERT INTO "former_identities" VALUES(1,9,1,0,19,1796040629288821904,1796040633469);
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('c0259064-1789-4381-b80f-2c8a08dc6678',X'8E9A9F9E44811344B4CB8251D3599CCCBB0C3B009B92BB998341E7377886291A','{"idempotent":false,"journalEntryId":40,"node":{"id":26,"backendMountId":1,"parentId":25,"path":"inbox/up.txt","name":"up.txt","depth":2,"kind":"file","sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{"reviewed":true},"state":"active","version":2,"isSymlink":false,"lastSeenAt":"2026-11-30T12:10:34.188Z","lastModifiedAt":"2026-11-30T12:10:34.177Z","consistencyState":"active","consistencyCheckedAt":"2026-11-30T12:10:34.188Z","lastReconciledAt":null,"lastDriftDetectedAt":null,"createdAt":"2026-11-30T12:10:34.188Z","updatedAt":"2026-11-30T12:10:34.777Z","deletedAt":null,"lastJournalId":39,"rollup":null,"download":{"mode":"stream","streamUrl":"/v1/files/26/content","presignUrl":null,"supportsRange":true,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","filename":"up.txt"}},"result":{"metadata":{"reviewed":true},"path":"inbox/up.txt"}}',1796040634777);
INSERT INTO "idempotency" VALUES('dac34f29-ef7b-43e4-b4ff-ca1d2cfea736',X'DD400833CB3B7507476D6307257082BD803071D26EAE4613E0FB14610B690BB3','{"idempotent":false,"journalEntryId":38,"node":{"id":26,"backendMountId":1,"parentId":25,"path":"inbox/up.txt","name":"up.txt","depth":2,"kind":"file","sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{},"state":"active","version":1,"isSymlink":false,"lastSeenAt":"2026-11-30T12:10:34.188Z","lastModifiedAt":"2026-11-30T12:10:34.177Z","consistencyState":"active","consistencyCheckedAt":"2026-11-30T12:10:34.188Z","lastReconciledAt":null,"lastDriftDetectedAt":null,"createdAt":"2026-11-30T12:10:34.188Z","updatedAt":"2026-11-30T12:10:34.188Z","deletedAt":null,"lastJournalId":37,"rollup":null,"download":{"mode":"stream","streamUrl":"/v1/files/26/content","presignUrl":null,"supportsRange":true,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","filename":"up.txt"}},"result":{"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","overwritten":false,"path":"inbox/up.txt","sizeBytes":8}}',1796040634188);
INSERT INTO "idempotency" VALUES('move-1',X'C9D0CC202BC650E0AB46AFB728C572BFA38B8297C30295A230AC322F6F1DCEA6','{"idempotent":false,"journalEntryId":42,"node":{"id":26,"backendMountId":1,"parentId":25,"path":"inbox/report.txt","name":"report.txt","depth":2,"kind":"file","sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{"reviewed":true},"state":"active","version":3,"isSymlink":false,"lastSeenAt":"2026-11-30T12:10:34.188Z","lastModifiedAt":"2026-11-30T12:10:34.177Z","consistencyState":"active","consistencyCheckedAt":"2026-11-30T12:10:34.188Z","lastReconciledAt":null,"lastDriftDetectedAt":null,"createdAt":"2026-11-30T12:10:34.188Z","updatedAt":"2026-11-30T12:10:35.316Z","deletedAt":null,"lastJournalId":41,"rollup":null,"download":{"mode":"stream","streamUrl":"/v1/files/26/content","presignUrl":null,"supportsRange":true,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","filename":"report.txt"}},"result":{"nodesChanged":1,"path":"inbox/up.txt","targetPath":"inbox/report.txt"}}',1796040635316);
CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO "intents" VALUES(4,'{"command":"createDirectory","commandId":"01a22c5d-41f5-72c9-9a2b-a5a124b7b2e8","actor":{"idempotencyKey":"late-1","principal":null},"fingerprint":[21,237,26,156,66,17,142,206,239,158,34,71,83,75,248,198,30,38,32,158,40,171,123,160,130,204,174,249,5,131,15,43],"acceptedAtMs":1796040638965,"action":{"type":"createDirectory","mount_id":1,"path":"made/late","metadata":null}}',1796040638965);
INSERT INTO "intents" VALUES(5,'{"command":"moveNode","commandId":"01a22c5d-45de-7291-ba1f-d9f603cb9c5a","actor":{"idempotencyKey":"late-2","principal":null},"fingerprint":[96,167,198,65,126,42,131,254,72,10,177,91,88,4,102,253,245,124,197,227,227,148,210,65,24,37,232,241,96,107,52,250],"acceptedAtMs":1796040639966,"action":{"type":"move","mount_id":1,"path":"archive/plan.txt","node_id":12,"target_mount_id":1,"target_path":"docs/plan.txt","identity":{"dev":0,"ino":12,"born_ns":1796040629287784888},"transfer":null,"copied":null}}',1796040639966);
CREATE TABLE journal (
    journal_id INTEGER PRIMARY KEY,
    committed_at INTEGER NOT NULL,
    node_id INTEGER,
    event_type TEXT NOT NULL,
    size_delta INTEGER NOT NULL,
    data TEXT NOT NULL,
    digest BLOB NOT NULL
);
INSERT INTO "journal" VALUES(8,1796040630039,8,'filestore.node.created',0,'{"backendMountId":1,"nodeId":8,"path":"old","kind":"directory","state":"active","parentId":1,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":8,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'CB66831669F8FC4A69DCE667E4DCE51A5B7CB72ABDAC32D5FB8B61BB54511BB9');
INSERT INTO "journal" VALUES(9,1796040630039,9,'filestore.node.created',5,'{"backendMountId":1,"nodeId":9,"path":"saved.txt","kind":"file","state":"active","parentId":1,"version":1,"sizeBytes":5,"checksum":null,"contentHash":null,"metadata":{},"journalId":9,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":5,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'023B7A302F728BC2FD831D2DFD0E4B779C5F786157505ADC61A5F81A96E97D4B');
INSERT INTO "journal" VALUES(10,1796040630039,10,'filestore.node.created',0,'{"backendMountId":1,"nodeId":10,"path":"swap","kind":"directory","state":"active","parentId":1,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":10,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'AD0095B12D813F2C0F9C55CC5273C18CA8BAF5D60C85CE6D5F9EF8BA97CBCFDC');
INSERT INTO "journal" VALUES(11,1796040630039,11,'filestore.node.created',0,'{"backendMountId":1,"nodeId":11,"path":"docs/deep","kind":"directory","state":"active","parentId":3,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":11,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'84529F72766A482695F302D55DABFFAEBC37D3DB1D59E6440BEDC3E41F788035');
INSERT INTO "journal" VALUES(12,1796040630039,12,'filestore.node.created',8,'{"backendMountId":1,"nodeId":12,"path":"docs/plan.txt","kind":"file","state":"active","parentId":3,"version":1,"sizeBytes":8,"checksum":null,"contentHash":null,"metadata":{},"journalId":12,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":8,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'D2F90A55035FDBB3E4C03D1B10BD80DB75DFB77A9CC0A97A063E95B355AF05BA');
INSERT INTO "journal" VALUES(13,1796040630039,13,'filestore.node.created',0,'{"backendMountId":1,"nodeId":13,"path":"docs/deep/er","kind":"directory","state":"active","parentId":11,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":13,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'E22A52B8395F0BF57E83B70D29BC08144C454F09F579448F5970E11F3D9C32F8');
INSERT INTO "journal" VALUES(14,1796040630039,14,'filestore.node.created',5,'{"backendMountId":1,"nodeId":14,"path":"docs/deep/er/notes.txt","kind":"file","state":"active","parentId":13,"version":1,"sizeBytes":5,"checksum":null,"contentHash":null,"metadata":{},"journalId":14,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":5,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'F7CEC708C27F26177ECAA99E5B0762C387B5C1C09A96204542238B51579597DF');
INSERT INTO "journal" VALUES(15,1796040630039,15,'filestore.node.created',5000,'{"backendMountId":1,"nodeId":15,"path":"media/link.mov","kind":"file","state":"active","parentId":7,"version":1,"sizeBytes":5000,"checksum":null,"contentHash":null,"metadata":{},"journalId":15,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":5000,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'61C779203679E80EE2C0172D7D6AC005BBD592469C001FEDE1657780676A7DDE');
INSERT INTO "journal" VALUES(16,1796040630039,16,'filestore.node.created',0,'{"backendMountId":1,"nodeId":16,"path":"media/raw","kind":"directory","state":"active","parentId":7,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":16,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'E20B8D74B4D1FF6AFF2ECA0869EFAF9E04386B246E22B5A2576033CAADD3F176');
INSERT INTO "journal" VALUES(17,1796040630039,17,'filestore.node.created',5000,'{"backendMountId":1,"nodeId":17,"path":"media/raw/take-1.mov","kind":"file","state":"active","parentId":16,"version":1,"sizeBytes":5000,"checksum":null,"contentHash":null,"metadata":{},"journalId":17,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":5000,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'2AED5BB4491A990DF591FC576F0F0A056B415B42DEE479795E556F961C9AA6AC');
INSERT INTO "journal" VALUES(18,1796040630039,18,'filestore.node.created',4,'{"backendMountId":1,"nodeId":18,"path":"old/gone.txt","kind":"file","state":"active","parentId":8,"version":1,"sizeBytes":4,"checksum":null,"contentHash":null,"metadata":{},"journalId":18,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":4,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'72C3659C2163293F67A72E5A3BD0703202CB7FF03C1209B655EA74AE29894587');
INSERT INTO "journal" VALUES(19,1796040630039,19,'filestore.node.created',1,'{"backendMountId":1,"nodeId":19,"path":"swap/a","kind":"file","state":"active","parentId":10,"version":1,"sizeBytes":1,"checksum":null,"contentHash":null,"metadata":{},"journalId":19,"command":"scan","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:30.039Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","previousPath":null,"previousSizeBytes":null,"sizeDelta":1,"lastModifiedAt":"2026-11-30T12:10:29.289Z"}',X'A669270892EFC82A7F7EC9C9E2685A2CAB18D2B4398898119B68D6DB0B84C19B');
INSERT INTO "journal" VALUES(20,1796040630064,NULL,'filestore.command.completed',0,'{"journalId":20,"command":"scan","backendMountId":1,"nodeId":null,"path":"","idempotencyKey":null,"principal":null,"result":{"created":18,"updated":0,"moved":0,"missing":0,"reconciled":0},"observedAt":"2026-11-30T12:10:30.064Z","commandId":"01a22c5d-1eee-72ef-bd7f-b1bae52e00ac","durationMs":66,"nodesChanged":18}',X'052DEAD7FE29CB5547EB538F44EDC79ECC19B33191C074ED362862A0EF7AAE65');
INSERT INTO "journal" VALUES(21,1796040631298,NULL,'filestore.drift.detected',0,'{"backendMountId":1,"nodeId":null,"path":"","detectedAt":"2026-11-30T12:10:31.298Z","reason":"drift","reporter":"watch","metadata":{"commandId":"01a22c5d-23fe-743e-ac96-2937ed84e0a2","differences":3},"journalId":21}',X'C1C1C2F0C2A63C27105A5E248FEB44EEC309341239ACA12F3038C174F42BF45D');
INSERT INTO "journal" VALUES(22,1796040631298,20,'filestore.node.created',0,'{"backendMountId":1,"nodeId":20,"path":"archive","kind":"directory","state":"active","parentId":1,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":22,"command":"watch","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:31.298Z","commandId":"01a22c5d-23fe-743e-ac96-2937ed84e0a2","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'EAB92344DF170D224F7296807F60402BD94B59222C9DFC7CD0DA7DC35E2840D3');
INSERT INTO "journal" VALUES(23,1796040631298,12,'filestore.node.moved',0,'{"backendMountId":1,"nodeId":12,"path":"archive/plan.txt","kind":"file","state":"active","parentId":20,"version":2,"sizeBytes":8,"checksum":null,"contentHash":null,"metadata":{},"journalId":23,"command":"watch","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:31.298Z","commandId":"01a22c5d-23fe-743e-ac96-2937ed84e0a2","previousPath":"docs/plan.txt","previousSizeBytes":8,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'0A67E8F99BE836601AE1B3AFAEA869BCDB53962B214994C6AED1C96701B59E42');
INSERT INTO "journal" VALUES(24,1796040631301,NULL,'filestore.command.completed',0,'{"journalId":24,"command":"watch","backendMountId":1,"nodeId":null,"path":"","idempotencyKey":null,"principal":null,"result":{"created":1,"updated":0,"moved":1,"missing":0,"reconciled":0},"observedAt":"2026-11-30T12:10:31.301Z","commandId":"01a22c5d-23fe-743e-ac96-2937ed84e0a2","durationMs":7,"nodesChanged":2}',X'B49BD8309978A64EBDF6C7E8815925EEFD3A3D2C0EC7C8140221E837794C25A0');
INSERT INTO "journal" VALUES(25,1796040632019,NULL,'filestore.drift.detected',0,'{"backendMountId":1,"nodeId":null,"path":"","detectedAt":"2026-11-30T12:10:32.019Z","reason":"drift","reporter":"watch","metadata":{"commandId":"01a22c5d-26cd-760c-a901-09a45f0bdb79","differences":3},"journalId":25}',X'C31FED173156D16C21BB97BB1FC7B2404B734CAF963EAA78685F900207B6CDE2');
INSERT INTO "journal" VALUES(26,1796040632019,10,'filestore.node.moved',0,'{"backendMountId":1,"nodeId":10,"path":"moved","kind":"directory","state":"active","parentId":1,"version":2,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":26,"command":"watch","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:32.019Z","commandId":"01a22c5d-26cd-760c-a901-09a45f0bdb79","previousPath":"swap","previousSizeBytes":0,"sizeDelta":0,"lastModifiedAt":null}',X'3BC93E0B7666A9A5F4822C6D219E3273CC72B5C329F4F528F14486988452E4DA');
INSERT INTO "journal" VALUES(27,1796040632019,19,'filestore.node.moved',0,'{"backendMountId":1,"nodeId":19,"path":"moved/a","kind":"file","state":"active","parentId":10,"version":2,"sizeBytes":1,"checksum":null,"contentHash":null,"metadata":{},"journalId":27,"command":"watch","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:32.019Z","commandId":"01a22c5d-26cd-760c-a901-09a45f0bdb79","previousPath":"swap/a","previousSizeBytes":1,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:29.289Z"}',X'4289C94F0F3CFF40FFD1FD35663B2D72E4BD5CB6756FFE3C93B9FC781EDBEB8A');
INSERT INTO "journal" VALUES(28,1796040632024,NULL,'filestore.command.completed',0,'{"journalId":28,"command":"watch","backendMountId":1,"nodeId":null,"path":"","idempotencyKey":null,"principal":null,"result":{"created":0,"updated":0,"moved":2,"missing":0,"reconciled":0},"observedAt":"2026-11-30T12:10:32.024Z","commandId":"01a22c5d-26cd-760c-a901-09a45f0bdb79","durationMs":11,"nodesChanged":2}',X'C4A47EF0F1DCE73DFE5E585409F98CCACF37A23DD122ED9FDABCBADB74ACA488');
INSERT INTO "journal" VALUES(29,1796040632744,8,'filestore.drift.detected',0,'{"backendMountId":1,"nodeId":8,"path":"old","detectedAt":"2026-11-30T12:10:32.744Z","reason":"drift","reporter":"watch","metadata":{"commandId":"01a22c5d-29a6-72bc-be8a-1e14428b7c0c","differences":1},"journalId":29}',X'381051A1367E6874457CFA5A805111F65D630AFD91E9BE7567B7265308F0AC6C');
INSERT INTO "journal" VALUES(30,1796040632744,8,'filestore.node.missing',0,'{"backendMountId":1,"nodeId":8,"path":"old","kind":"directory","state":"missing","parentId":1,"version":2,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"consistencyState":"missing","consistencyCheckedAt":"2026-11-30T12:10:32.744Z","lastReconciledAt":null,"previousState":"active","reason":"drift","observedAt":"2026-11-30T12:10:32.744Z","journalId":30,"previousPath":null,"previousSizeBytes":0,"sizeDelta":0,"lastModifiedAt":null}',X'2BC484FA9FA3EFCEDA44872D1A6018FFA9E6F1EC5EBDB37A871F3B2B9BF891A7');
INSERT INTO "journal" VALUES(31,1796040632746,18,'filestore.node.missing',-4,'{"backendMountId":1,"nodeId":18,"path":"old/gone.txt","kind":"file","state":"missing","parentId":8,"version":2,"sizeBytes":4,"checksum":null,"contentHash":null,"metadata":{},"consistencyState":"missing","consistencyCheckedAt":"2026-11-30T12:10:32.746Z","lastReconciledAt":null,"previousState":"active","reason":"drift","observedAt":"2026-11-30T12:10:32.746Z","journalId":31,"previousPath":null,"previousSizeBytes":4,"sizeDelta":-4,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'0B47D46185A29A0D2DF9332003BE642CE092CA6AD65EE802DCE4DC0D36B5469E');
INSERT INTO "journal" VALUES(32,1796040632751,NULL,'filestore.command.completed',0,'{"journalId":32,"command":"watch","backendMountId":1,"nodeId":null,"path":"","idempotencyKey":null,"principal":null,"result":{"created":0,"updated":0,"moved":0,"missing":2,"reconciled":0},"observedAt":"2026-11-30T12:10:32.751Z","commandId":"01a22c5d-29a6-72bc-be8a-1e14428b7c0c","durationMs":9,"nodesChanged":2}',X'7AFB18D50B92BA5B4537FD01070B94FC64D201777743FCB40F22E6C0D225AF9F');
INSERT INTO "journal" VALUES(33,1796040633469,9,'filestore.drift.detected',0,'{"backendMountId":1,"nodeId":9,"path":"saved.txt","detectedAt":"2026-11-30T12:10:33.469Z","reason":"drift","reporter":"watch","metadata":{"commandId":"01a22c5d-2c78-75f4-849e-f461eede619e","differences":2},"journalId":33}',X'D61127A755C9A00893EB257B6878E18E420ABFEAEB1A7BA29B81101DDE61515E');
INSERT INTO "journal" VALUES(34,1796040633469,9,'filestore.node.updated',1,'{"backendMountId":1,"nodeId":9,"path":"saved.txt","kind":"file","state":"active","parentId":1,"version":2,"sizeBytes":6,"checksum":null,"contentHash":null,"metadata":{},"journalId":34,"command":"watch","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:33.469Z","commandId":"01a22c5d-2c78-75f4-849e-f461eede619e","previousPath":null,"previousSizeBytes":5,"sizeDelta":1,"lastModifiedAt":"2026-11-30T12:10:33.362Z"}',X'7A7D4C8997D52404FEE1D7F5FA59AEC06937F09F54B5FBA092AA22E1E3ED1193');
INSERT INTO "journal" VALUES(35,1796040633471,NULL,'filestore.command.completed',0,'{"journalId":35,"command":"watch","backendMountId":1,"nodeId":null,"path":"","idempotencyKey":null,"principal":null,"result":{"created":0,"updated":1,"moved":0,"missing":0,"reconciled":0},"observedAt":"2026-11-30T12:10:33.471Z","commandId":"01a22c5d-2c78-75f4-849e-f461eede619e","durationMs":8,"nodesChanged":1}',X'BADA93CF03D6116473E4FE7D62BB53B26467912842054C53E0808A226D87F1A4');
INSERT INTO "journal" VALUES(36,1796040634188,25,'filestore.node.created',0,'{"backendMountId":1,"nodeId":25,"path":"inbox","kind":"directory","state":"active","parentId":1,"version":1,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":36,"command":"uploadFile","idempotencyKey":"dac34f29-ef7b-43e4-b4ff-ca1d2cfea736","principal":null,"observedAt":"2026-11-30T12:10:34.188Z","commandId":"01a22c5d-2f46-713b-881d-b36cd80f4a8a","previousPath":null,"previousSizeBytes":null,"sizeDelta":0,"lastModifiedAt":null}',X'BE96B46EAD1FE98BA2806BC8525B4483BB429143682BFC72A3AAEBC4C8239AFF');
INSERT INTO "journal" VALUES(37,1796040634188,26,'filestore.node.uploaded',8,'{"backendMountId":1,"nodeId":26,"path":"inbox/up.txt","kind":"file","state":"active","parentId":25,"version":1,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{},"journalId":37,"command":"uploadFile","idempotencyKey":"dac34f29-ef7b-43e4-b4ff-ca1d2cfea736","principal":null,"observedAt":"2026-11-30T12:10:34.188Z","commandId":"01a22c5d-2f46-713b-881d-b36cd80f4a8a","previousPath":null,"previousSizeBytes":null,"sizeDelta":8,"lastModifiedAt":"2026-11-30T12:10:34.177Z"}',X'28507DABAD8D96379291856538F60D69510AA06FF92D598702420C542E70401C');
INSERT INTO "journal" VALUES(38,1796040634188,26,'filestore.command.completed',0,'{"journalId":38,"command":"uploadFile","backendMountId":1,"nodeId":26,"path":"inbox/up.txt","idempotencyKey":"dac34f29-ef7b-43e4-b4ff-ca1d2cfea736","principal":null,"result":{"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","overwritten":false,"path":"inbox/up.txt","sizeBytes":8},"observedAt":"2026-11-30T12:10:34.188Z","commandId":"01a22c5d-2f46-713b-881d-b36cd80f4a8a","durationMs":6,"nodesChanged":2}',X'2AC0BE2CEB5ECE3D41D7E7D416EDD0FCF892C7F26DEADCA9864CA341A8D8C039');
INSERT INTO "journal" VALUES(39,1796040634777,26,'filestore.node.updated',0,'{"backendMountId":1,"nodeId":26,"path":"inbox/up.txt","kind":"file","state":"active","parentId":25,"version":2,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{"reviewed":true},"journalId":39,"command":"updateNodeMetadata","idempotencyKey":"c0259064-1789-4381-b80f-2c8a08dc6678","principal":null,"observedAt":"2026-11-30T12:10:34.777Z","commandId":"01a22c5d-3199-75e5-830f-9ed1b1875241","previousPath":null,"previousSizeBytes":8,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:34.177Z"}',X'68E81E08061A40356C5AD834829721F782D87659165FF6A2165C97B53696FD78');
INSERT INTO "journal" VALUES(40,1796040634777,26,'filestore.command.completed',0,'{"journalId":40,"command":"updateNodeMetadata","backendMountId":1,"nodeId":26,"path":"inbox/up.txt","idempotencyKey":"c0259064-1789-4381-b80f-2c8a08dc6678","principal":null,"result":{"metadata":{"reviewed":true},"path":"inbox/up.txt"},"observedAt":"2026-11-30T12:10:34.777Z","commandId":"01a22c5d-3199-75e5-830f-9ed1b1875241","durationMs":0,"nodesChanged":1}',X'A434DD046205EC08AE1BECDF3EF081F479F79D53CD152487053C1F45EC3B9EAA');
INSERT INTO "journal" VALUES(41,1796040635316,26,'filestore.node.moved',0,'{"backendMountId":1,"nodeId":26,"path":"inbox/report.txt","kind":"file","state":"active","parentId":25,"version":3,"sizeBytes":8,"checksum":null,"contentHash":"blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4","metadata":{"reviewed":true},"journalId":41,"command":"moveNode","idempotencyKey":"move-1","principal":null,"observedAt":"2026-11-30T12:10:35.316Z","commandId":"01a22c5d-33b1-77ba-b2df-e8ebb84b2020","previousPath":"inbox/up.txt","previousSizeBytes":8,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:34.177Z"}',X'CAC2BC324A1574446D5E3D38211A68EA74AFA4E02E1A1F54D593A15426214C4A');
INSERT INTO "journal" VALUES(42,1796040635316,26,'filestore.command.completed',0,'{"journalId":42,"command":"moveNode","backendMountId":1,"nodeId":26,"path":"inbox/report.txt","idempotencyKey":"move-1","principal":null,"result":{"nodesChanged":1,"path":"inbox/up.txt","targetPath":"inbox/report.txt"},"observedAt":"2026-11-30T12:10:35.316Z","commandId":"01a22c5d-33b1-77ba-b2df-e8ebb84b2020","durationMs":3,"nodesChanged":1}',X'41E3A5244D455E9325683232D11AC6A44E603A4B6B06832C5692A37844B1C6BD');
INSERT INTO "journal" VALUES(43,1796040635941,4,'filestore.node.deleted',0,'{"backendMountId":1,"nodeId":4,"path":"empty","kind":"directory","state":"deleted","parentId":1,"version":2,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"journalId":43,"command":"deleteNode","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:35.941Z","commandId":"01a22c5d-3621-735a-a0f0-9d09123c4503","previousPath":null,"previousSizeBytes":0,"sizeDelta":0,"lastModifiedAt":null}',X'F54F31555C9E4DE267D237CF545A383FFB14735B446468A43DF31976712ED478');
INSERT INTO "journal" VALUES(44,1796040635941,4,'filestore.command.completed',0,'{"journalId":44,"command":"deleteNode","backendMountId":1,"nodeId":4,"path":"empty","idempotencyKey":null,"principal":null,"result":{"deleted":1,"path":"empty"},"observedAt":"2026-11-30T12:10:35.941Z","commandId":"01a22c5d-3621-735a-a0f0-9d09123c4503","durationMs":5,"nodesChanged":1}',X'5966F39FB6F6C6AE1A04E9E8A7B123DF85F758BBA98F1A9D6CCABA2D5751F126');
INSERT INTO "journal" VALUES(45,1796040636639,15,'filestore.node.updated',0,'{"backendMountId":1,"nodeId":15,"path":"media/link.mov","kind":"file","state":"active","parentId":7,"version":2,"sizeBytes":5000,"checksum":null,"contentHash":"blake3:52b712cd5eb5ba93e295fe417a06e3c30e5b13270850a43a28fe4d69570564a9","metadata":{},"journalId":45,"command":"hash","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:36.639Z","previousPath":null,"previousSizeBytes":5000,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'66DA4EA1869B74FF1CB46A5BD837134B10BD06538F1A04DCB39891654E450BB7');
INSERT INTO "journal" VALUES(46,1796040636639,17,'filestore.node.updated',0,'{"backendMountId":1,"nodeId":17,"path":"media/raw/take-1.mov","kind":"file","state":"active","parentId":16,"version":2,"sizeBytes":5000,"checksum":null,"contentHash":"blake3:52b712cd5eb5ba93e295fe417a06e3c30e5b13270850a43a28fe4d69570564a9","metadata":{},"journalId":46,"command":"hash","idempotencyKey":null,"principal":null,"observedAt":"2026-11-30T12:10:36.639Z","previousPath":null,"previousSizeBytes":5000,"sizeDelta":0,"lastModifiedAt":"2026-11-30T12:10:29.288Z"}',X'7CE6202F9912FB2E091A98897FE690620372D640FD99D8F9EA08A91BFA40BEBE');
INSERT INTO "journal" VALUES(47,1796040637709,NULL,'filestore.reconciliation.job.queued',0,'{"id":1,"jobKey":"reconcile:1:docs","backendMountId":1,"nodeId":null,"path":"docs","reason":"manual","status":"queued","detectChildren":true,"requestedHash":false,"attempt":1,"result":null,"error":null,"enqueuedAt":"2026-11-30T12:10:37.709Z","startedAt":null,"completedAt":null,"durationMs":null,"updatedAt":"2026-11-30T12:10:37.709Z","journalId":47}',X'9F7EE37E1D35EA955276030B830D47F30F6AC5926F4D8FFA8C36CBD88A9E9877');
INSERT INTO "journal" VALUES(48,1796040637716,NULL,'filestore.reconciliation.job.started',0,'{"id":1,"jobKey":"reconcile:1:docs","backendMountId":1,"nodeId":null,"path":"docs","reason":"manual","status":"running","detectChildren":true,"requestedHash":false,"attempt":1,"result":null,"error":null,"enqueuedAt":"2026-11-30T12:10:37.709Z","startedAt":"2026-11-30T12:10:37.716Z","completedAt":null,"durationMs":null,"updatedAt":"2026-11-30T12:10:37.716Z","journalId":48}',X'A3095B5CB0B15C2878E8FB8DD8DA271871A24F3A2590E9288FFDF490F4A0D597');
INSERT INTO "journal" VALUES(49,1796040637745,3,'filestore.node.reconciled',0,'{"backendMountId":1,"nodeId":3,"path":"docs","kind":"directory","state":"active","parentId":1,"version":2,"sizeBytes":0,"checksum":null,"contentHash":null,"metadata":{},"consistencyState":"active","consistencyCheckedAt":"2026-11-30T12:10:37.745Z","lastReconciledAt":"2026-11-30T12:10:37.745Z","previousState":"active","reason":"manual","observedAt":"2026-11-30T12:10:37.745Z","journalId":49,"previousPath":null,"previousSizeBytes":0,"sizeDelta":0,"lastModifiedAt":null}',X'196A32F1E3617A0F3CFCEE780698FC91311E233874DCFC95A33B750C8AF909DB');
INSERT INTO "journal" VALUES(50,1796040637751,3,'filestore.reconciliation.job.completed',0,'{"id":1,"jobKey":"reconcile:1:docs","backendMountId":1,"nodeId":3,"path":"docs","reason":"manual","status":"succeeded","detectChildren":true,"requestedHash":false,"attempt":1,"result":{"backendMountId":1,"changes":{"created":0,"missing":0,"moved":0,"reconciled":0,"updated":0},"commandId":null,"contentHash":null,"detectChildren":true,"emittedEvent":"filestore.node.reconciled","hashedBytes":0,"hashedFiles":0,"nodeId":3,"outcome":"reconciled","path":"docs","previousNodeId":3,"previousState":"active","problemCount":0,"reason":"manual","requestedHash":false,"unhashedFiles":0},"error":null,"enqueuedAt":"2026-11-30T12:10:37.709Z","startedAt":"2026-11-30T12:10:37.716Z","completedAt":"2026-11-30T12:10:37.751Z","durationMs":35,"updatedAt":"2026-11-30T12:10:37.751Z","journalId":50}',X'FD32F2649EA74862EC316176A3E7C127C66F4CF8ABB8635F7BCEDD7138F6206D');
CREATE TABLE journal_consumers (
    name TEXT PRIMARY KEY,
    after_id INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE journal_meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch BLOB NOT NULL,
    head_id INTEGER NOT NULL,
    head_digest BLOB NOT NULL,
    trimmed_id INTEGER NOT NULL,
    trimmed_digest BLOB NOT NULL,
    next_node_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO "journal_meta" VALUES(1,X'309E8097AE20432C9D301E6DFB5A4ACF',50,X'FD32F2649EA74862EC316176A3E7C127C66F4CF8ABB8635F7BCEDD7138F6206D',7,X'FAFF04AACFE136622C4631FA9D5FAEF12087263866281C8FB326A2C4E01C7928',27,1796040629494);
CREATE TABLE listings (
    node_id INTEGER PRIMARY KEY,
    digest BLOB,
    directories BLOB,
    touched_id INTEGER NOT NULL
);
INSERT INTO "listings" VALUES(1,NULL,NULL,49);
INSERT INTO "listings" VALUES(3,X'8335E84D58F8E51F30F0728B409D0E03',X'0B00000000000000',23);
INSERT INTO "listings" VALUES(4,X'AF1349B9F5F9A1A6A0404DEA36DCC949',X'',0);
INSERT INTO "listings" VALUES(7,NULL,NULL,45);
INSERT INTO "listings" VALUES(8,NULL,NULL,31);
INSERT INTO "listings" VALUES(10,NULL,NULL,27);
INSERT INTO "listings" VALUES(11,X'B7F6C9B853D30E3423A5187D44924BA8',X'0D00000000000000',13);
INSERT INTO "listings" VALUES(13,X'8A14B41D72DAFF073B0F2C97F2985F8A',X'',14);
INSERT INTO "listings" VALUES(16,NULL,NULL,46);
INSERT INTO "listings" VALUES(20,NULL,NULL,23);
INSERT INTO "listings" VALUES(25,NULL,NULL,41);
CREATE TABLE mounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mount_key TEXT NOT NULL UNIQUE,
    backend_kind TEXT NOT NULL,
    access_mode TEXT NOT NULL,
    root_path TEXT,
    bucket TEXT,
    prefix TEXT,
    display_name TEXT,
    labels TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL DEFAULT 'active',
    config TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
, description TEXT, contact TEXT, state_reason TEXT);
INSERT INTO "mounts" VALUES(1,'tree','local','rw','/srv/tree',NULL,NULL,'The tree','["kept"]','active','{"hashing":{"minBytes":1000,"pathGlobs":["media/**"]}}',1796040629960,1796040636564,'Kept for a test','ops',NULL);
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    mount_id INTEGER NOT NULL,
    parent_id INTEGER,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    depth INTEGER NOT NULL,
    kind TEXT NOT NULL,
    is_symlink INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER,
    checksum TEXT,
    content_hash TEXT,
    metadata TEXT,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    last_seen_at INTEGER,
    consistency_state TEXT NOT NULL,
    consistency_checked_at INTEGER,
    last_reconciled_at INTEGER,
    last_drift_detected_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    last_journal_id INTEGER NOT NULL,
    vacated INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN state IN ('active', 'inconsistent') THEN 0 ELSE id END) VIRTUAL
);
INSERT INTO "nodes" VALUES(1,1,NULL,'','',0,'directory',0,0,NULL,0,2,1796040629000000000,NULL,NULL,NULL,'active',1,1796040629960,'active',NULL,NULL,NULL,1796040629960,1796040629960,NULL,1);
INSERT INTO "nodes" VALUES(2,1,1,'bad','bad',1,'file',0,3,1796040629289172863,0,21,1796040629289081080,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,2);
INSERT INTO "nodes" VALUES(3,1,1,'docs','docs',1,'directory',0,0,NULL,0,11,1796040629285203773,NULL,NULL,NULL,'active',2,1796040630039,'active',1796040637745,1796040637745,NULL,1796040630039,1796040637745,NULL,49);
INSERT INTO "nodes" VALUES(4,1,1,'empty','empty',1,'directory',0,0,NULL,0,4097,1796040629289172863,NULL,NULL,NULL,'deleted',2,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040635941,1796040635941,43);
INSERT INTO "nodes" VALUES(5,1,1,'it''s "odd".txt','it''s "odd".txt',1,'file',0,1,1796040629289328875,0,23,1796040629289275315,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,5);
INSERT INTO "nodes" VALUES(6,1,1,'link','link',1,'file',1,0,1796040629289172863,0,22,1796040629289172863,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,6);
INSERT INTO "nodes" VALUES(7,1,1,'media','media',1,'directory',0,0,NULL,0,2049,1796040629288342464,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,7);
INSERT INTO "nodes" VALUES(8,1,1,'old','old',1,'directory',0,0,NULL,0,2050,1796040629288645874,NULL,NULL,NULL,'missing',2,1796040630039,'missing',1796040632744,NULL,1796040632744,1796040630039,1796040632744,NULL,30);
INSERT INTO "nodes" VALUES(9,1,1,'saved.txt','saved.txt',1,'file',0,6,1796040633362709682,0,18,1796040633357203764,NULL,NULL,NULL,'active',2,1796040633469,'active',NULL,NULL,1796040633469,1796040630039,1796040633469,NULL,34);
INSERT INTO "nodes" VALUES(10,1,1,'moved','moved',1,'directory',0,0,NULL,0,2051,1796040629288925548,NULL,NULL,NULL,'active',2,1796040632019,'active',NULL,NULL,1796040632019,1796040630039,1796040632019,NULL,26);
INSERT INTO "nodes" VALUES(11,1,3,'deep','docs/deep',2,'directory',0,0,NULL,0,13,1796040629288007035,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,11);
INSERT INTO "nodes" VALUES(12,1,20,'plan.txt','archive/plan.txt',2,'file',0,8,1796040629288007035,0,12,1796040629287784888,NULL,NULL,NULL,'active',2,1796040631298,'active',NULL,NULL,1796040631298,1796040630039,1796040631298,NULL,23);
INSERT INTO "nodes" VALUES(13,1,11,'er','docs/deep/er',3,'directory',0,0,NULL,0,14,1796040629288007035,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,13);
INSERT INTO "nodes" VALUES(14,1,13,'notes.txt','docs/deep/er/notes.txt',4,'file',0,5,1796040629288342464,0,15,1796040629288007035,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,14);
INSERT INTO "nodes" VALUES(15,1,7,'link.mov','media/link.mov',2,'file',0,5000,1796040629288645874,0,17,1796040629288342464,NULL,'blake3:52b712cd5eb5ba93e295fe417a06e3c30e5b13270850a43a28fe4d69570564a9',NULL,'active',2,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040636639,NULL,45);
INSERT INTO "nodes" VALUES(16,1,7,'raw','media/raw',2,'directory',0,0,NULL,0,16,1796040629288342464,NULL,NULL,NULL,'active',1,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040630039,NULL,16);
INSERT INTO "nodes" VALUES(17,1,16,'take-1.mov','media/raw/take-1.mov',3,'file',0,5000,1796040629288645874,0,17,1796040629288342464,NULL,'blake3:52b712cd5eb5ba93e295fe417a06e3c30e5b13270850a43a28fe4d69570564a9',NULL,'active',2,1796040630039,'active',NULL,NULL,NULL,1796040630039,1796040636639,NULL,46);
INSERT INTO "nodes" VALUES(18,1,8,'gone.txt','old/gone.txt',2,'file',0,4,1796040629288821904,0,18,1796040629288645874,NULL,NULL,NULL,'missing',2,1796040630039,'missing',1796040632746,NULL,1796040632746,1796040630039,1796040632746,NULL,31);
INSERT INTO "nodes" VALUES(19,1,10,'a','moved/a',2,'file',0,1,1796040629289081080,0,20,1796040629288925548,NULL,NULL,NULL,'active',2,1796040632019,'active',NULL,NULL,1796040632019,1796040630039,1796040632019,NULL,27);
INSERT INTO "nodes" VALUES(20,1,1,'archive','archive',1,'directory',0,0,NULL,0,4098,1796040631189203769,NULL,NULL,NULL,'active',1,1796040631298,'active',NULL,NULL,NULL,1796040631298,1796040631298,NULL,22);
INSERT INTO "nodes" VALUES(25,1,1,'inbox','inbox',1,'directory',0,0,NULL,0,2050,1796040634181203762,NULL,NULL,NULL,'active',1,1796040634188,'active',1796040634188,NULL,NULL,1796040634188,1796040634188,NULL,36);
INSERT INTO "nodes" VALUES(26,1,25,'report.txt','inbox/report.txt',2,'file',0,8,1796040634177203762,0,19,1796040634177203762,NULL,'blake3:5b621759020e28af7c5adf4250b568b60995585ce6505f323bf1dd30e5679cb4','{"reviewed":true}','active',3,1796040634188,'active',1796040634188,NULL,NULL,1796040634188,1796040635316,NULL,41);
CREATE TABLE reconciliation_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_key TEXT NOT NULL,
    mount_id INTEGER NOT NULL,
    node_id INTEGER,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    detect_children INTEGER NOT NULL,
    requested_hash INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    enqueued_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    updated_at INTEGER NOT NULL
);
INSERT INTO "reconciliation_jobs" VALUES(1,'reconcile:1:docs',1,3,'docs','manual','succeeded',1,0,1,'{"backendMountId":1,"changes":{"created":0,"missing":0,"moved":0,"reconciled":0,"updated":0},"commandId":null,"contentHash":null,"detectChildren":true,"emittedEvent":"filestore.node.reconciled","hashedBytes":0,"hashedFiles":0,"nodeId":3,"outcome":"reconciled","path":"docs","previousNodeId":3,"previousState":"active","problemCount":0,"reason":"manual","requestedHash":false,"unhashedFiles":0}',NULL,1796040637709,1796040637716,1796040637751,1796040637751);
CREATE TABLE rollups (
    node_id INTEGER PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    directory_count INTEGER NOT NULL,
    child_count INTEGER NOT NULL,
    last_calculated_at INTEGER NOT NULL
);
INSERT INTO "rollups" VALUES(1,10032,10,8,9,1796040635941);
INSERT INTO "rollups" VALUES(3,5,1,2,1,1796040631298);
INSERT INTO "rollups" VALUES(4,0,0,0,0,1796040630039);
INSERT INTO "rollups" VALUES(7,10000,2,1,2,1796040630039);
INSERT INTO "rollups" VALUES(8,0,0,0,0,1796040632746);
INSERT INTO "rollups" VALUES(10,1,1,0,1,1796040630039);
INSERT INTO "rollups" VALUES(11,5,1,1,1,1796040630039);
INSERT INTO "rollups" VALUES(13,5,1,0,1,1796040630039);
INSERT INTO "rollups" VALUES(16,5000,1,0,1,1796040630039);
INSERT INTO "rollups" VALUES(20,8,1,0,1,1796040631298);
INSERT INTO "rollups" VALUES(25,8,1,0,1,1796040634188);
CREATE TABLE unfinished_scans (mount_id INTEGER PRIMARY KEY);
CREATE UNIQUE INDEX mounts_by_root ON mounts (root_path) WHERE root_path IS NOT NULL;
CREATE UNIQUE INDEX nodes_by_path ON nodes (mount_id, path, vacated) WHERE state <> 'deleted';
CREATE INDEX nodes_by_parent ON nodes (parent_id, name) WHERE state <> 'deleted';
CREATE INDEX nodes_by_identity ON nodes (mount_id, ino) WHERE state <> 'deleted' AND ino <> 0;
CREATE INDEX nodes_off ON nodes (mount_id, path) WHERE state IN ('inconsistent', 'missing');
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX nodes_directories ON nodes (mount_id, path)
WHERE kind = 'directory' AND state <> 'deleted';
CREATE INDEX nodes_deleted ON nodes (mount_id, path) WHERE state = 'deleted';
CREATE INDEX reconciliation_jobs_open ON reconciliation_jobs (status, id)
    WHERE status IN ('queued', 'running');
CREATE INDEX reconciliation_jobs_by_key ON reconciliation_jobs (job_key, id);
CREATE INDEX former_identities_by_file ON former_identities (mount_id, ino);
CREATE INDEX former_identities_by_node ON former_identities (node_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('mounts',1);
INSERT INTO "sqlite_sequence" VALUES('former_identities',1);
INSERT INTO "sqlite_sequence" VALUES('intents',5);
INSERT INTO "sqlite_sequence" VALUES('reconciliation_jobs',1);
PRAGMA user_version = 6;
COMMIT;
