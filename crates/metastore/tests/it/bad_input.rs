//! What is wrong is named, and nothing is half done.

use crate::support::Served;
use reqwest::Method;
use serde_json::{Value, json};

/// A filter with this many groups around a condition.
fn nested(groups: usize) -> Value {
    (0..groups).fold(
        json!({"field": "key", "operator": "eq", "value": "k"}),
        |inner, _| json!({"type": "group", "operator": "and", "filters": [inner]}),
    )
}

/// What is sent, over what the route needs; and the field that the refusal names.
const REFUSED: &[(&str, &str, &str)] = &[
    ("POST /records", r#"{"namespace": "a b"}"#, "/namespace"),
    ("POST /records", r#"{"namespace": ""}"#, "/namespace"),
    ("POST /records", r#"{"namespace": 7}"#, "/namespace"),
    ("POST /records", r#"{"key": "a\u0000b"}"#, "/key"),
    ("POST /records", r#"{"tags": [""]}"#, "/tags"),
    ("POST /records", r#"{"tags": ["a\u0000"]}"#, "/tags"),
    ("POST /records", r#"{"metadata": "text"}"#, "/metadata"),
    ("POST /records", r#"{"tags": "t"}"#, "/tags"),
    ("POST /records", r#"{"tags": ["t", 1]}"#, "/tags/1"),
    ("POST /records", r#"{"owner": ""}"#, "/owner"),
    ("POST /records", r#"{"schemaHash": "short"}"#, "/schemaHash"),
    (
        "POST /records",
        r#"{"schemaHash": "unknown-1"}"#,
        "/schemaHash",
    ),
    (
        "POST /records",
        r#"{"idempotencyKey": ""}"#,
        "/idempotencyKey",
    ),
    (
        "POST /records",
        r#"{"metadata": {"filestore": {"path": "x"}}}"#,
        "/metadata/filestore",
    ),
    ("PUT /records/n/k", "{}", "/metadata"),
    (
        "PUT /records/n/k",
        r#"{"metadata": {}, "expectedVersion": "1"}"#,
        "/expectedVersion",
    ),
    (
        "PUT /records/n/k",
        r#"{"metadata": {}, "expectedVersion": 0}"#,
        "/expectedVersion",
    ),
    (
        "PUT /records/n/k",
        r#"{"metadata": {}, "idempotencyKey": "a\nb"}"#,
        "/idempotencyKey",
    ),
    (
        "PUT /records/n/k",
        r#"{"metadata": {"filestore": 1}}"#,
        "/metadata/filestore",
    ),
    ("PATCH /records/n/k", r#"{"tags": {"add": 1}}"#, "/tags/add"),
    (
        "PATCH /records/n/k",
        r#"{"metadata": {"filestore": {}}}"#,
        "/metadata/filestore",
    ),
    (
        "PATCH /records/n/k",
        r#"{"metadataUnset": ["a", "filestore.path"]}"#,
        "/metadataUnset/1",
    ),
    (
        "PATCH /records/n/k",
        r#"{"metadataUnset": ["a..b"]}"#,
        "/metadataUnset/0",
    ),
    (
        "PATCH /records/n/k",
        r#"{"tags": {"add": ["\n"]}}"#,
        "/tags/add",
    ),
    ("PATCH /records/n/k", r#"{"owner": ""}"#, "/owner"),
    ("PATCH /records/n/k", "{}", ""),
    (
        "DELETE /records/n/k",
        r#"{"idempotencyKey": ""}"#,
        "/idempotencyKey",
    ),
    (
        "POST /records/search",
        r#"{"namespace": "a b"}"#,
        "/namespace",
    ),
    ("POST /records/search", r#"{"limit": 0}"#, "/limit"),
    ("POST /records/search", r#"{"limit": 1001}"#, "/limit"),
    ("POST /records/search", r#"{"offset": -1}"#, "/offset"),
    ("POST /records/search", r#"{"q": "owner:"}"#, "/q"),
    ("POST /records/search", r#"{"q": "mount:media"}"#, "/q"),
    ("POST /records/search", r#"{"preset": "none"}"#, "/preset"),
    (
        "POST /records/search",
        r#"{"sort": [{"field": "tags"}]}"#,
        "/sort/0/field",
    ),
    (
        "POST /records/search",
        r#"{"sort": [{"field": "owner"}, {"field": "nope"}]}"#,
        "/sort/1/field",
    ),
    (
        "POST /records/bulk",
        r#"{"operations": [{"namespace": "n", "key": "x", "metadata": {}}, {"namespace": "n", "key": ""}]}"#,
        "/operations/1/key",
    ),
    (
        "POST /records/bulk",
        r#"{"operations": [{"namespace": "n", "key": "x"}]}"#,
        "/operations/0/metadata",
    ),
    (
        "POST /records/bulk",
        r#"{"operations": [{"namespace": "n", "key": "x", "metadata": {}, "idempotencyKey": ""}]}"#,
        "/operations/0/idempotencyKey",
    ),
    ("POST /records/bulk", r#"{"operations": []}"#, "/operations"),
    (
        "PUT /namespace-rules",
        r#"{"rules": [{"namespace": "ok"}, {}]}"#,
        "/rules/1/namespace",
    ),
    (
        "POST /namespace-rules/preview",
        r#"{"rules": {"rules": [{}]}}"#,
        "/rules/rules/0/namespace",
    ),
];

/// Filters, and the part of each that the refusal names.
const FILTERS: &[(&str, &str)] = &[
    (r#""text""#, ""),
    (r#"{"operator": "eq", "value": 1}"#, "/field"),
    (
        r#"{"field": "nope", "operator": "eq", "value": 1}"#,
        "/field",
    ),
    (
        r#"{"field": "metadata.", "operator": "eq", "value": 1}"#,
        "/field",
    ),
    (
        r#"{"field": "metadata.a\"b", "operator": "eq", "value": 1}"#,
        "/field",
    ),
    (
        r#"{"field": "metadata.filestore.nope", "operator": "eq", "value": 1}"#,
        "/field",
    ),
    (
        r#"{"field": "key", "operator": "like", "value": "x"}"#,
        "/operator",
    ),
    (
        r#"{"field": "key", "operator": "has_key", "value": "x"}"#,
        "/operator",
    ),
    (
        r#"{"field": "version", "operator": "prefix", "value": "1"}"#,
        "/operator",
    ),
    (
        r#"{"field": "version", "operator": "eq", "value": "one"}"#,
        "/value",
    ),
    (
        r#"{"field": "createdAt", "operator": "gt", "value": "noon"}"#,
        "/value",
    ),
    (
        r#"{"field": "metadata.x", "operator": "lt", "value": [1]}"#,
        "/value",
    ),
    (
        r#"{"field": "metadata.filestore.path", "operator": "glob", "value": "[a"}"#,
        "/value",
    ),
    (
        r#"{"field": "key", "operator": "between", "values": [1]}"#,
        "/values",
    ),
    (r#"{"type": "not"}"#, "/filter"),
    (r#"{"type": "what"}"#, "/type"),
    (
        r#"{"type": "group", "operator": "and", "filters": []}"#,
        "/filters",
    ),
    (
        r#"{"type": "group", "operator": "xor", "filters": [{"field": "key", "operator": "eq", "value": "k"}]}"#,
        "/operator",
    ),
    (
        r#"{"type": "not", "filter": {"type": "group", "operator": "or", "filters":
            [{"field": "key", "operator": "eq", "value": "k"}, {"field": "key"}]}}"#,
        "/filter/filters/1/operator",
    ),
];

/// What a route needs besides what is wrong.
fn needed(path: &str) -> Value {
    match path {
        "/records" => json!({"namespace": "n", "key": "new", "metadata": {}}),
        "/records/search" => json!({"namespace": "n"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_refusal_names_the_field() {
    let served = Served::start().await;
    served
        .put("/records/n/k", json!({"metadata": {}}))
        .await
        .expect(201);
    let of_text = |(route, body, pointer): &(&str, &str, &str)| {
        let body = serde_json::from_str(body).unwrap();
        ((*route).to_owned(), body, (*pointer).to_owned())
    };
    let mut table: Vec<(String, Value, String)> = REFUSED.iter().map(of_text).collect();
    let filters = FILTERS
        .iter()
        .map(|(filter, part)| (serde_json::from_str(filter).unwrap(), (*part).to_owned()))
        .chain([(nested(8), "/filters/0".repeat(8))]);
    table.extend(filters.map(|(filter, part): (Value, String)| {
        let body = json!({ "filter": filter });
        let route = "POST /records/search".to_owned();
        (route, body, format!("/filter{part}"))
    }));
    for (route, body, pointer) in [
        ("POST /records", json!({"key": "x".repeat(257)}), "/key"),
        ("POST /records", json!({"tags": vec!["t"; 129]}), "/tags"),
        (
            "POST /records/search",
            json!({"projection": vec!["key"; 33]}),
            "/projection",
        ),
    ] {
        table.push((route.to_owned(), body, pointer.to_owned()));
    }
    for (route, sent, pointer) in table {
        let (method, path) = route.split_once(' ').unwrap();
        let mut body = needed(path);
        for (field, value) in sent.as_object().unwrap() {
            body[field] = value.clone();
        }
        let method = method.parse().unwrap();
        let answer = served.send(method, path, Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{route} {body} gave {:#}", answer.body);
        assert_eq!(
            answer.problem().2,
            pointer,
            "{route} {body} gave {:#}",
            answer.body
        );
    }
    let record = served.record("n", "k").await;
    assert_eq!(
        (&record["version"], &record["metadata"]),
        (&json!(1), &json!({}))
    );
    assert_eq!(
        served.keys(json!({"namespace": "*"})).await,
        ["k"],
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_deepest_filter_that_is_allowed_works() {
    let served = Served::start().await;
    served
        .put("/records/n/k", json!({"metadata": {}}))
        .await
        .expect(201);
    let search = json!({"namespace": "n", "filter": nested(7)});
    assert_eq!(served.keys(search).await, ["k"]);
}

#[tokio::test]
async fn what_is_no_json_is_said_to_be_none() {
    let served = Served::start().await;
    for (method, path) in [
        (Method::POST, "/records"),
        (Method::PUT, "/records/n/k"),
        (Method::PATCH, "/records/n/k"),
        (Method::DELETE, "/records/n/k"),
        (Method::POST, "/records/n/k/restore"),
        (Method::POST, "/records/search"),
        (Method::POST, "/records/bulk"),
        (Method::DELETE, "/records/n/k/purge"),
        (Method::POST, "/admin/schemas"),
        (Method::PUT, "/namespace-rules"),
        (Method::POST, "/namespace-rules/preview"),
    ] {
        let answer = served
            .send_text(method.clone(), path, Some("{".to_owned()))
            .await;
        assert_eq!(answer.problem().0, 400, "{method} {path}");
        assert_eq!(answer.problem().1, "malformed_json", "{method} {path}");
    }
}

#[tokio::test]
async fn too_much_is_refused_before_it_is_stored() {
    let served = Served::start().await;
    let big = json!({"namespace": "n", "key": "k", "metadata": {"x": "y".repeat(1 << 20)}});
    let answer = served.post("/records", big).await;
    assert_eq!(answer.problem(), (413, "payload_too_large", "/metadata"));
    let huge = format!("{{\"metadata\": {{\"x\": \"{}\"}}}}", "y".repeat(5 << 20));
    served
        .send_text(Method::PUT, "/records/n/k", Some(huge))
        .await
        .expect(413);
    let deep = format!(
        "{{\"metadata\": {{\"x\": {}1{}}}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    served
        .send_text(Method::PUT, "/records/n/k", Some(deep))
        .await
        .expect(400);
    served
        .get("/records/n/k?includeDeleted=true")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_named() {
    let served = Served::start().await;
    for (path, pointer) in [
        ("/records/n/k?includeDeleted=maybe", "/includeDeleted"),
        (
            "/records/by-path?backendMountId=x&path=a",
            "/backendMountId",
        ),
        ("/records/by-path?backendMountId=1", "/path"),
        ("/records/n/k/audit?limit=0", "/limit"),
        ("/records/n/k/audit/x/diff", "/id"),
        ("/records/a%20b/k", "/namespace"),
        ("/records/n/a%00b", "/key"),
        ("/filestore/nodes?after=x", "/after"),
        ("/namespaces?limit=500", "/limit"),
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.problem().0, 400, "{path}: {:#}", answer.body);
        assert_eq!(answer.problem().2, pointer, "{path}: {:#}", answer.body);
    }
}

/// Metadata with as many objects in one another, its own included.
fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({"end": "here"}), |inner, _| json!({ "x": inner }))
}

#[tokio::test]
async fn metadata_of_64_levels_comes_back_by_every_route_and_deeper_is_refused() {
    let served = Served::start().await;
    // The body is the outermost level.
    let metadata = deep(63);
    let body = json!({"metadata": metadata, "tags": ["deep"]});
    let made = served.put("/records/n/k", body).await.expect(201);
    assert_eq!(made["record"]["metadata"], metadata);
    assert_eq!(served.record("n", "k").await["metadata"], metadata);
    let found = json!({"namespace": "n", "q": "tag:deep"});
    let page = served.post("/records/search", found).await.expect(200);
    assert_eq!(page["records"][0]["metadata"], metadata);
    let end = format!("metadata{}.end", ".x".repeat(62));
    let filter = json!({"field": end, "operator": "eq", "value": "here"});
    let by_end = json!({"namespace": "n", "filter": filter});
    assert_eq!(served.keys(by_end).await, ["k"]);
    let patched = served
        .patch("/records/n/k", json!({"metadata": deep(63)}))
        .await
        .expect(200);
    assert_eq!(patched["idempotent"], true);
    let audit = served.get("/records/n/k/audit").await.expect(200);
    assert_eq!(audit["entries"][0]["metadata"], metadata);

    let deeper = json!({"metadata": deep(64)});
    for (method, path) in [
        (Method::PUT, "/records/n/k"),
        (Method::PATCH, "/records/n/k"),
        (Method::PUT, "/records/n/other"),
    ] {
        let answer = served.send(method, path, Some(deeper.clone())).await;
        assert_eq!(answer.status, 400, "{path}: {:#}", answer.body);
        assert!(
            answer.body["detail"].as_str().unwrap().contains("64"),
            "{:#}",
            answer.body
        );
    }
    assert_eq!(served.record("n", "k").await["version"], 1);
}
