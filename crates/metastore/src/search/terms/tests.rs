use super::*;
use crate::search::parse;
use serde_json::{Value, json};

fn now() -> Time {
    "2026-03-15T12:00:00Z".parse().unwrap()
}

fn filter(text: &str) -> Filter {
    terms(text, "/q", now()).unwrap().filter.unwrap()
}

fn same(text: &str, json: Value) {
    assert_eq!(filter(text), parse(&json, "").unwrap(), "{text}");
}

fn is(field: &str, operator: &str, value: Value) -> Value {
    json!({"field": field, "operator": operator, "value": value})
}

/// `value` or a list that has it, and its text where it is not text.
fn is_or_has(field: &str, values: Value) -> Value {
    let values = values.as_array().unwrap();
    let mut filters: Vec<_> = values
        .iter()
        .map(|it| is(field, "eq", it.clone()))
        .collect();
    filters.push(is(field, "array_contains", json!(values)));
    json!({"type": "group", "operator": "or", "filters": filters})
}

#[test]
fn terms_with_a_field_are_conditions() {
    same("owner:ada", is("owner", "eq", json!("ada")));
    same("owner:123", is("owner", "eq", json!("123")));
    same("owner:a*", is("owner", "glob", json!("a*")));
    same("tags:urgent", is("tags", "contains", json!("urgent")));
    same("tag:2024", is("tags", "contains", json!("2024")));
    same("tag:true", is("tags", "contains", json!("true")));
    same("tag:null", is("tags", "contains", json!("null")));
    same("tags:team*", is("tags", "glob", json!("team*")));
    same(
        "user:ada",
        is("metadata.filestore.user", "eq", json!("ada")),
    );
    same("user:1000", is("metadata.filestore.uid", "eq", json!(1000)));
    same(
        "user:\"1000\"",
        is("metadata.filestore.user", "eq", json!("1000")),
    );
    same(
        "group:staff",
        is("metadata.filestore.group", "eq", json!("staff")),
    );
    same("gid:0", is("metadata.filestore.gid", "eq", json!(0)));
    same(
        "mode:0644",
        is("metadata.filestore.mode", "eq", json!(0o644)),
    );
    same(
        "allocated:>1k",
        is("metadata.filestore.allocatedBytes", "gt", json!(1024)),
    );
    same("ns:finance", is("namespace", "eq", json!("finance")));
    same("key:7", is("key", "eq", json!("7")));
    same(
        "mount:2",
        is("metadata.filestore.backendMountId", "eq", json!(2)),
    );
    same(
        "kind:FOLDER",
        is("metadata.filestore.kind", "eq", json!("directory")),
    );
    same(
        "size:>1G",
        is("metadata.filestore.sizeBytes", "gt", json!(1_i64 << 30)),
    );
    same(
        "size>=10",
        is("metadata.filestore.sizeBytes", "gte", json!(10)),
    );
    same(
        "size:9007199254740993",
        is(
            "metadata.filestore.sizeBytes",
            "eq",
            json!(9_007_199_254_740_993_i64),
        ),
    );
    same(
        "modified:<1d",
        is(
            "metadata.filestore.lastModifiedAt",
            "gt",
            json!("2026-03-14T12:00:00Z"),
        ),
    );
    same(
        "path:docs/a.md",
        is("metadata.filestore.path", "eq", json!("docs/a.md")),
    );
    same(
        "path:/docs/",
        is("metadata.filestore.path", "prefix", json!("docs/")),
    );
    same(
        "path:docs/**/*.md",
        is("metadata.filestore.path", "glob", json!("docs/**/*.md")),
    );
    same(
        "filestore.path:docs/**/*.md",
        is("metadata.filestore.path", "glob", json!("docs/**/*.md")),
    );
    same("has:tags", json!({"field": "tags", "operator": "exists"}));
    same("has:owner", json!({"field": "owner", "operator": "exists"}));
    same(
        "has:project",
        json!({"field": "metadata.project", "operator": "exists"}),
    );
    same("owner!=ada", is("owner", "neq", json!("ada")));
    same("owner:!=ada", is("owner", "neq", json!("ada")));
}

#[test]
fn fields_of_the_metadata_are_what_was_typed_or_have_it() {
    same("rank:3", is_or_has("metadata.rank", json!(["3", 3])));
    same("code:\"007\"", is_or_has("metadata.code", json!(["007"])));
    same("a.b:true", is_or_has("metadata.a.b", json!(["true", true])));
    same("size2>-1.5", is("metadata.size2", "gt", json!(-1.5)));
    same("metadata.size>1", is("metadata.size", "gt", json!(1)));
    same(
        "when>2026-01-02",
        is("metadata.when", "gt", json!("2026-01-02")),
    );
    same("gone=null", is("metadata.gone", "eq", json!(null)));
    same(
        "url:http://x/y=z",
        is_or_has("metadata.url", json!(["http://x/y=z"])),
    );
    let others = terms("rank:3 owner:ada -has:metadata.x size:1", "/q", now())
        .unwrap()
        .others;
    assert_eq!(others, ["rank", "x"]);
}

#[test]
fn terms_are_joined_turned_around_and_grouped() {
    let word = |text: &str| Filter::Word(text.to_owned());
    let not = |filter| Filter::Not(Box::new(filter));
    assert_eq!(filter("Report"), word("report"));
    assert_eq!(filter("ÄRGER"), word("ärger"));
    assert_eq!(filter("\"annual Plan\""), word("annual plan"));
    assert_eq!(filter("foo(1).txt"), word("foo(1).txt"));
    assert_eq!(filter("- x"), Filter::All(vec![word("-"), word("x")]));
    let both = Filter::All(vec![word("a"), word("b")]);
    for text in ["a b", " a  b ", "a AND b", "(a b)", "(a) (b)"] {
        assert_eq!(filter(text), both, "{text}");
    }
    assert_eq!(
        filter("a OR b c"),
        Filter::Any(vec![word("a"), Filter::All(vec![word("b"), word("c")])])
    );
    assert_eq!(
        filter("(a OR b) c"),
        Filter::All(vec![Filter::Any(vec![word("a"), word("b")]), word("c")])
    );
    assert_eq!(filter("a -b"), Filter::All(vec![word("a"), not(word("b"))]));
    assert_eq!(filter("NOT a"), not(word("a")));
    assert_eq!(
        filter("-(a OR b)"),
        not(Filter::Any(vec![word("a"), word("b")]))
    );
    assert_eq!(
        filter("orange ORANGE"),
        Filter::All(vec![word("orange"), word("orange")])
    );
    assert_eq!(filter("\"OR\""), word("or"));
    assert_eq!(terms("  ", "/q", now()), Ok(Terms::default()));
}

#[test]
fn what_is_not_understood_is_refused_at_its_place_with_what_to_type() {
    for (text, place, says) in [
        (":x", 1, "field:value"),
        (">5", 1, "size:>1G"),
        ("a owner:", 9, "owner:\"\""),
        ("a owner:\"open", 9, "not closed"),
        ("a \"", 3, "not closed"),
        ("a (b OR c", 3, "not closed"),
        ("a b)", 4, "closes nothing"),
        ("()", 2, "a term is missing"),
        ("a OR", 5, "a term is missing"),
        ("OR a", 1, "a term is missing"),
        ("a AND", 3, "between two terms"),
        ("NOT", 1, "missing"),
        ("é createdAt>noon", 3, "createdAt:<30d"),
        ("size:>big", 1, "size:>1G"),
        ("modified:soon", 1, "modified:<30d"),
        ("kind:pipe", 1, "directory, file"),
        ("mount:photos", 1, "tidemark mounts list"),
        ("tag>a", 1, "tag:a"),
        ("user>ada", 1, "no order"),
        ("mode:999", 1, "in octal"),
        ("effective.owner:x", 1, "owner:"),
        ("filestore.nope:1", 1, "has no field"),
        ("path:[a*", 1, "glob"),
        ("a\0b", 2, "NUL"),
        ("version:x", 1, "whole number"),
    ] {
        let refusal = terms(text, "/q", now()).unwrap_err();
        assert_eq!(refusal.pointer, "/q", "{text}");
        let place = format!("at character {place}: ");
        assert!(
            refusal.detail.starts_with(&place) && refusal.detail.contains(says),
            "{text}: {}",
            refusal.detail
        );
    }
    terms(&"(".repeat(4_000), "/q", now()).unwrap_err();
    terms(&"-".repeat(4_000), "/q", now()).unwrap_err();
    terms(&"a ".repeat(300), "/q", now()).unwrap_err();
}
