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

#[tokio::test]
async fn every_refusal_names_the_field() {
    let served = Served::start().await;
    served
        .put("/records/n/k", json!({"metadata": {}}))
        .await
        .expect(201);
    let long = "x".repeat(257);
    let record = |field: &str, value: Value| {
        let mut body = json!({"namespace": "n", "key": "new", "metadata": {}});
        body[field] = value;
        (Method::POST, "/records", body)
    };
    let put = |body: Value| (Method::PUT, "/records/n/k", body);
    let patch = |body: Value| (Method::PATCH, "/records/n/k", body);
    let search = |field: &str, value: Value| {
        let mut body = json!({"namespace": "n"});
        body[field] = value;
        (Method::POST, "/records/search", body)
    };
    let filter = |value: Value| search("filter", value);
    let is = |field: &str, operator: &str, value: Value| {
        filter(json!({"field": field, "operator": operator, "value": value}))
    };
    let table = [
        (record("namespace", json!("a b")), "/namespace"),
        (record("namespace", json!("")), "/namespace"),
        (record("namespace", json!(7)), "/namespace"),
        (record("key", json!("a\u{0}b")), "/key"),
        (record("key", json!(long)), "/key"),
        (record("tags", json!([""])), "/tags"),
        (record("tags", json!(["a\u{0}"])), "/tags"),
        (record("tags", json!(vec!["t"; 129])), "/tags"),
        (record("metadata", json!("text")), "/metadata"),
        (record("tags", json!("t")), "/tags"),
        (record("tags", json!(["t", 1])), "/tags/1"),
        (put(json!({})), "/metadata"),
        (
            put(json!({"metadata": {}, "expectedVersion": "1"})),
            "/expectedVersion",
        ),
        (patch(json!({"tags": {"add": 1}})), "/tags/add"),
        (record("owner", json!("")), "/owner"),
        (record("schemaHash", json!("short")), "/schemaHash"),
        (
            record("metadata", json!({"filestore": {"path": "x"}})),
            "/metadata/filestore",
        ),
        (
            put(json!({"metadata": {"filestore": 1}})),
            "/metadata/filestore",
        ),
        (
            put(json!({"metadata": {}, "expectedVersion": 0})),
            "/expectedVersion",
        ),
        (
            patch(json!({"metadata": {"filestore": {}}})),
            "/metadata/filestore",
        ),
        (
            patch(json!({"metadataUnset": ["a", "filestore.path"]})),
            "/metadataUnset/1",
        ),
        (
            patch(json!({"metadataUnset": ["a..b"]})),
            "/metadataUnset/0",
        ),
        (patch(json!({"tags": {"add": ["\n"]}})), "/tags/add"),
        (patch(json!({"owner": ""})), "/owner"),
        (patch(json!({})), ""),
        (search("namespace", json!("a b")), "/namespace"),
        (search("limit", json!(0)), "/limit"),
        (search("limit", json!(1001)), "/limit"),
        (search("offset", json!(-1)), "/offset"),
        (search("q", json!("owner:")), "/q"),
        (search("preset", json!("none")), "/preset"),
        (search("sort", json!([{"field": "tags"}])), "/sort/0/field"),
        (
            search("sort", json!([{"field": "owner"}, {"field": "nope"}])),
            "/sort/1/field",
        ),
        (search("projection", json!(vec!["key"; 33])), "/projection"),
        (filter(json!("text")), "/filter"),
        (
            filter(json!({"operator": "eq", "value": 1})),
            "/filter/field",
        ),
        (is("nope", "eq", json!(1)), "/filter/field"),
        (is("metadata.", "eq", json!(1)), "/filter/field"),
        (is("metadata.a\"b", "eq", json!(1)), "/filter/field"),
        (
            is("metadata.filestore.nope", "eq", json!(1)),
            "/filter/field",
        ),
        (is("key", "like", json!("x")), "/filter/operator"),
        (is("key", "has_key", json!("x")), "/filter/operator"),
        (is("version", "prefix", json!("1")), "/filter/operator"),
        (is("version", "eq", json!("one")), "/filter/value"),
        (is("createdAt", "gt", json!("noon")), "/filter/value"),
        (is("metadata.x", "lt", json!([1])), "/filter/value"),
        (
            is("metadata.filestore.path", "glob", json!("[a")),
            "/filter/value",
        ),
        (
            filter(json!({"field": "key", "operator": "between", "values": [1]})),
            "/filter/values",
        ),
        (filter(json!({"type": "not"})), "/filter/filter"),
        (filter(json!({"type": "what"})), "/filter/type"),
        (
            filter(json!({"type": "group", "operator": "and", "filters": []})),
            "/filter/filters",
        ),
        (
            filter(json!({"type": "group", "operator": "xor", "filters": [nested(0)]})),
            "/filter/operator",
        ),
        (
            filter(
                json!({"type": "not", "filter": {"type": "group", "operator": "or",
                   "filters": [nested(0), {"field": "key"}]}}),
            ),
            "/filter/filter/filters/1/operator",
        ),
        (
            filter(nested(8)),
            "/filter/filters/0/filters/0/filters/0/filters/0/filters/0/filters/0/filters/0/filters/0",
        ),
        (
            (
                Method::POST,
                "/records/bulk",
                json!({"operations": [
                    {"namespace": "n", "key": "x", "metadata": {}},
                    {"namespace": "n", "key": ""},
                ]}),
            ),
            "/operations/1/key",
        ),
        (
            (
                Method::POST,
                "/records/bulk",
                json!({"operations": [{"namespace": "n", "key": "x"}]}),
            ),
            "/operations/0/metadata",
        ),
        (
            (Method::POST, "/records/bulk", json!({"operations": []})),
            "/operations",
        ),
        (
            (
                Method::PUT,
                "/namespace-rules",
                json!({"rules": [{"namespace": "ok"}, {}]}),
            ),
            "/rules/1/namespace",
        ),
        (
            (
                Method::POST,
                "/namespace-rules/preview",
                json!({"rules": {"rules": [{}]}}),
            ),
            "/rules/rules/0/namespace",
        ),
    ];
    for ((method, path, body), pointer) in table {
        let answer = served.send(method, path, Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body} gave {:#}", answer.body);
        assert_eq!(answer.problem().2, pointer, "{body} gave {:#}", answer.body);
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
