//! The operations that there are, and what they ask of a token.

use metastore::Metastore;
use serde_json::Value;

#[test]
fn the_document_tells_every_operation_and_its_scope() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(crate::support::options(dir.path())).unwrap();
    let app = httpkit::App::new("metastore", "Tidemark metastore", metastore.router());
    let document = serde_json::to_value(app.openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            let scope = operation["security"][0]["bearer"][0]
                .as_str()
                .unwrap_or("-");
            operations.push(format!("{} {path} {id} {scope}", method.to_uppercase()));
        }
    }
    operations.retain(|it| {
        ["/records", "/namespace", "/filestore", "/schemas"]
            .iter()
            .any(|part| it.contains(part))
    });
    operations.sort();
    insta::assert_snapshot!(operations.join("\n"), @r"
    DELETE /records/{namespace}/{key} deleteRecord metastore:delete
    DELETE /records/{namespace}/{key}/purge purgeRecord metastore:admin
    GET /admin/schemas listSchemas metastore:admin
    GET /filestore/digest digestBook metastore:read
    GET /filestore/integrity checkIntegrity metastore:read
    GET /filestore/nodes listNodes metastore:read
    GET /namespace-rules getNamespaceRules metastore:read
    GET /namespaces listNamespaces metastore:read
    GET /records/by-path getRecordByPath metastore:read
    GET /records/{namespace}/{key} getRecord metastore:read
    GET /records/{namespace}/{key}/audit listAudit metastore:read
    GET /records/{namespace}/{key}/audit/{id}/diff diffAudit metastore:read
    GET /schemas/{hash} getSchema metastore:read
    GET /stream/records streamRecords metastore:read
    PATCH /records/{namespace}/{key} patchRecord metastore:write
    POST /admin/schemas registerSchema metastore:admin
    POST /namespace-rules/preview previewNamespaceRules metastore:read
    POST /records createRecord metastore:write
    POST /records/bulk bulkRecords metastore:write
    POST /records/search searchRecords metastore:read
    POST /records/{namespace}/{key}/restore restoreRecord metastore:write
    PUT /namespace-rules putNamespaceRules metastore:admin
    PUT /records/{namespace}/{key} putRecord metastore:write
    ");
    let schema = &document["components"]["schemas"]["Record"]["properties"];
    assert_ne!(schema["metadata"], Value::Null);
}
