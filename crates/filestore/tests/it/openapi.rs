//! The operations that there are, and what they ask of a token.

use filestore::{Filestore, Options};

#[test]
fn the_document_tells_every_operation_and_its_scope() {
    let dir = tempfile::tempdir().unwrap();
    let filestore = Filestore::open(Options::new(dir.path())).unwrap();
    let app = httpkit::App::new("filestore", "Tidemark filestore", filestore.router());
    let document = serde_json::to_value(app.openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"]
                .as_str()
                .filter(|_| path.starts_with("/v1/"))
            else {
                continue;
            };
            let scope = operation["security"][0]["bearer"][0]
                .as_str()
                .unwrap_or("-");
            operations.push(format!("{} {path} {id} {scope}", method.to_uppercase()));
        }
    }
    operations.sort();
    insta::assert_snapshot!(operations.join("\n"), @r"
    DELETE /v1/journal/consumers/{name} forgetJournalConsumer filestore:admin
    DELETE /v1/nodes deleteNode filestore:write
    DELETE /v1/reconciliation/jobs/{id} cancelReconciliationJob filestore:write
    DELETE /v1/scans/{id} cancelScan filestore:write
    GET /v1/backend-mounts listMounts filestore:read
    GET /v1/backend-mounts/{id} getMount filestore:read
    GET /v1/events/stream streamEvents filestore:read
    GET /v1/files/{id}/content downloadFile filestore:read
    GET /v1/files/{id}/presign presignFile filestore:read
    GET /v1/integrity checkIntegrity filestore:read
    GET /v1/journal readJournal filestore:read
    GET /v1/journal/consumers listJournalConsumers filestore:read
    GET /v1/nodes listNodes filestore:read
    GET /v1/nodes/by-path getNodeByPath filestore:read
    GET /v1/nodes/{id} getNode filestore:read
    GET /v1/nodes/{id}/children listChildren filestore:read
    GET /v1/reconciliation/jobs listReconciliationJobs filestore:read
    GET /v1/reconciliation/jobs/{id} getReconciliationJob filestore:read
    GET /v1/scans/{id} getScan filestore:read
    GET /v1/snapshot readSnapshot filestore:read
    PATCH /v1/backend-mounts/{id} updateMount filestore:admin
    PATCH /v1/nodes/{id}/metadata patchNodeMetadata filestore:write
    POST /v1/backend-mounts createMount filestore:admin
    POST /v1/backend-mounts/{id}/purge-missing purgeMissing filestore:write
    POST /v1/backend-mounts/{id}/scan startScan filestore:write
    POST /v1/directories createDirectory filestore:write
    POST /v1/files uploadFile filestore:write
    POST /v1/journal/trim trimJournal filestore:admin
    POST /v1/nodes/copy copyNode filestore:write
    POST /v1/nodes/move moveNode filestore:write
    POST /v1/reconciliation startReconciliation filestore:write
    ");
    filestore.close();
}
