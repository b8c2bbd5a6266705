//! Search, by examples and against a model.

use crate::support::{Served, options};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Records of people and of nodes with every kind of value in them.
async fn fill(served: &Served) -> Vec<Value> {
    let mut journal = served.journal();
    let paths = [
        "", "d", "d/a", "d/ab", "d/b/x", "da", "é", "z/x", "gone", "[odd]*",
    ];
    for ((id, path), value) in (1..).zip(paths).zip(values()) {
        let fields = json!({
            "sizeBytes": if id % 4 == 0 { Value::Null } else { json!(id * 10) },
            "principal": if id % 3 == 0 { json!("ada") } else { Value::Null },
            "kind": if id < 3 { "directory" } else { "file" },
            "metadata": {"a": value},
        });
        journal.node("created", id, path, fields);
    }
    journal.node("deleted", 9, "gone", json!({}));
    journal.apply();
    for (index, value) in values().into_iter().enumerate() {
        let key = format!("p{index}");
        let tags: &[&str] = match index % 4 {
            0 => &[],
            1 => &["t"],
            2 => &["t", "urgent"],
            _ => &["é/x"],
        };
        let owner = [Value::Null, json!("ada"), json!("bob")][index % 3].clone();
        let metadata = json!({"a": value, "c": {"b": value, "n": index}});
        let body = json!({"metadata": metadata, "tags": tags, "owner": owner});
        served
            .put(&format!("/records/filestore/{key}"), body)
            .await
            .expect(201);
    }
    served
        .patch("/records/filestore/3", json!({"tags": {"add": ["t"]}}))
        .await
        .expect(200);
    served.delete("/records/filestore/p2").await.expect(200);
    let all = json!({"namespace": "*", "includeDeleted": true, "limit": 1000,
                     "sort": [{"field": "key", "direction": "asc"}]});
    let page = served.post("/records/search", all).await.expect(200);
    page["records"].as_array().unwrap().clone()
}

fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.5),
        json!(-2),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("1"),
        json!("d/é"),
        json!([]),
        json!(["a", 1, null]),
        json!([["a"], {"b": 1}]),
        json!({}),
        json!({"b": "a", "x": {"y": [1, 2]}}),
        json!({"b": null}),
        json!("2026-01-01T00:00:00Z"),
        json!(9_007_199_254_740_993_i64),
    ]
}

/// What a filter means, said a second time and without SQL.
fn matches(record: &Value, filter: &Value) -> bool {
    match filter["type"].as_str() {
        Some("not") => return !matches(record, &filter["filter"]),
        Some("group") => {
            let mut filters = filter["filters"].as_array().unwrap().iter();
            return match filter["operator"].as_str().unwrap() {
                "and" => filters.all(|filter| matches(record, filter)),
                _ => filters.any(|filter| matches(record, filter)),
            };
        }
        _ => {}
    }
    let field = filter["field"].as_str().unwrap();
    let at = field
        .split('.')
        .try_fold(record, |value, name| value.get(name))
        .unwrap_or(&Value::Null);
    let wanted = &filter["value"];
    let order = |wanted: &Value| match (at, wanted) {
        (Value::String(at), Value::String(wanted)) => Some(at.as_str().cmp(wanted.as_str())),
        (Value::Number(at), Value::Number(wanted)) => match (at.as_i64(), wanted.as_i64()) {
            (Some(at), Some(wanted)) => Some(at.cmp(&wanted)),
            _ => at.as_f64().unwrap().partial_cmp(&wanted.as_f64().unwrap()),
        },
        _ => None,
    };
    let list = || match wanted {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let texts = || match at {
        Value::Array(texts) if field == "tags" => texts.clone(),
        one => vec![one.clone()],
    };
    let has_text = |is: &dyn Fn(&str) -> bool| texts().iter().filter_map(Value::as_str).any(is);
    match filter["operator"].as_str().unwrap() {
        "eq" if field == "tags" => at.as_array().unwrap().contains(wanted),
        "neq" if field == "tags" => !at.as_array().unwrap().contains(wanted),
        "eq" => same(at, wanted),
        "neq" => !same(at, wanted),
        "lt" => order(wanted).is_some_and(|it| it.is_lt()),
        "lte" => order(wanted).is_some_and(|it| it.is_le()),
        "gt" => order(wanted).is_some_and(|it| it.is_gt()),
        "gte" => order(wanted).is_some_and(|it| it.is_ge()),
        "between" => {
            order(&filter["values"][0]).is_some_and(|it| it.is_ge())
                && order(&filter["values"][1]).is_some_and(|it| it.is_le())
        }
        "exists" => {
            let is_there = if field == "tags" {
                at != &json!([])
            } else {
                !at.is_null()
            };
            is_there != (wanted == &json!(false))
        }
        "prefix" => has_text(&|text| text.starts_with(wanted.as_str().unwrap())),
        "glob" => {
            let (_, is_match) = GLOBS
                .iter()
                .find(|(glob, _)| wanted == glob)
                .expect("a glob of the table");
            has_text(is_match)
        }
        "contains" if field == "tags" => {
            list().iter().all(|it| at.as_array().unwrap().contains(it))
        }
        "contains" => match (at, wanted) {
            (Value::String(at), Value::String(wanted)) => at.contains(wanted.as_str()),
            (Value::Null, _) => false,
            _ => covers(at, wanted),
        },
        "array_contains" => match at {
            Value::Array(elements) => list()
                .iter()
                .any(|wanted| elements.iter().any(|it| same(it, wanted))),
            _ => false,
        },
        "has_key" => at
            .as_object()
            .is_some_and(|it| it.contains_key(wanted.as_str().unwrap())),
        other => panic!("{other}"),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            a.as_f64() == b.as_f64()
        }
        _ => a == b,
    }
}

fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Array(whole), Value::Array(parts)) => parts
            .iter()
            .all(|part| whole.iter().any(|it| covers(it, part))),
        (Value::Array(whole), part) => whole.iter().any(|it| same(it, part)),
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|it| covers(it, part))),
        _ => same(whole, part),
    }
}

type IsMatch = fn(&str) -> bool;

const GLOBS: &[(&str, IsMatch)] = &[
    ("d/**", |text| text.starts_with("d/")),
    ("d/*", |text| {
        text.strip_prefix("d/")
            .is_some_and(|rest| !rest.contains('/'))
    }),
    ("*", |text| !text.contains('/')),
    ("**/x", |text| text == "x" || text.ends_with("/x")),
    ("?", |text| text.len() == 1 && text != "/"),
    ("a*", |text| text.starts_with('a') && !text.contains('/')),
    ("\\[odd\\]\\*", |text| text == "[odd]*"),
    ("{t,urgent}", |text| text == "t" || text == "urgent"),
];

fn text_value() -> impl Strategy<Value = Value> + Clone {
    prop::sample::select(vec![
        "", "a", "ab", "ada", "d", "d/", "d/a", "t", "urgent", "é", "active", "p1", "3", "zz",
        "'; --",
    ])
    .prop_map(|text| json!(text))
}

fn number_value() -> impl Strategy<Value = Value> + Clone {
    prop::sample::select(vec![
        json!(-2),
        json!(0),
        json!(1),
        json!(1.5),
        json!(20),
        json!(9_007_199_254_740_993_i64),
    ])
}

/// Conditions with `values` and the operators that take them.
fn ordered(
    fields: &'static [&'static str],
    values: impl Strategy<Value = Value> + Clone,
) -> impl Strategy<Value = Value> {
    let operators = prop::sample::select(vec!["eq", "neq", "lt", "lte", "gt", "gte"]);
    let fields = prop::sample::select(fields);
    let one = (fields.clone(), operators, values.clone()).prop_map(
        |(field, operator, value)| json!({"field": field, "operator": operator, "value": value}),
    );
    let two = (fields, values.clone(), values)
        .prop_map(|(field, a, b)| json!({"field": field, "operator": "between", "values": [a, b]}));
    prop_oneof![4 => one, 1 => two]
}

fn texts(fields: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let operators = prop::sample::select(vec!["contains", "prefix"]);
    let fields = prop::sample::select(fields);
    let globs = prop::sample::select(GLOBS).prop_map(|(glob, _)| json!(glob));
    prop_oneof![
        (fields.clone(), operators, text_value()).prop_map(|(field, operator, value)| {
            json!({"field": field, "operator": operator, "value": value})
        }),
        (fields, globs)
            .prop_map(|(field, value)| json!({"field": field, "operator": "glob", "value": value})),
    ]
}

const TEXTS: &[&str] = &[
    "key",
    "owner",
    "namespace",
    "createdBy",
    "metadata.filestore.path",
    "metadata.filestore.principal",
    "metadata.filestore.state",
];
const NUMBERS: &[&str] = &[
    "version",
    "metadata.filestore.sizeBytes",
    "metadata.filestore.journalId",
];
const TIMES: &[&str] = &[
    "createdAt",
    "updatedAt",
    "deletedAt",
    "metadata.filestore.observedAt",
];
const JSON: &[&str] = &[
    "metadata.a",
    "metadata.a.b",
    "metadata.c.b",
    "metadata.c.n",
    "metadata.none",
    "metadata.filestore.nodeMetadata.a",
];
const TAGS: &[&str] = &["tags"];

fn condition() -> impl Strategy<Value = Value> {
    let times = prop::sample::select(vec![
        "2025-06-01T00:00:00.000Z",
        "2026-01-01T00:00:05.000Z",
        "2026-01-01T00:00:20.000Z",
    ])
    .prop_map(|time| json!(time));
    let anything = prop::sample::select(values());
    let lists = prop::collection::vec(prop::sample::select(values()), 1..3).prop_map(Value::Array);
    let tags = prop::collection::vec(text_value(), 1..3).prop_map(Value::Array);
    let is = |fields: &'static [&'static str], operators: &'static [&'static str]| {
        (
            prop::sample::select(fields),
            prop::sample::select(operators),
        )
    };
    let given = |(field, operator): (&str, &str), value: Value| json!({"field": field, "operator": operator, "value": value});
    let all: Vec<&str> = [TEXTS, NUMBERS, TIMES, JSON, TAGS].concat();
    let nullable: Vec<&str> = [TEXTS, NUMBERS, TIMES, JSON].concat();
    let like = prop_oneof![
        Just("eq"),
        Just("neq"),
        Just("contains"),
        Just("array_contains")
    ];
    prop_oneof![
        ordered(TEXTS, text_value()),
        ordered(NUMBERS, number_value()),
        ordered(TIMES, times),
        ordered(JSON, text_value()),
        ordered(JSON, number_value()),
        texts(TEXTS),
        texts(JSON),
        (
            prop::sample::select(JSON),
            like,
            prop_oneof![anything, lists]
        )
            .prop_filter("a list to choose from", |(_, operator, value)| {
                *operator != "array_contains" || value != &json!([])
            })
            .prop_map(move |(field, operator, value)| given((field, operator), value)),
        (
            is(JSON, &["has_key"]),
            prop::sample::select(vec!["a", "b", "x", "n", "\""])
        )
            .prop_map(move |(of, key)| given(of, json!(key))),
        (is(TAGS, &["eq", "neq", "prefix"]), text_value())
            .prop_map(move |(of, value)| given(of, value)),
        (is(TAGS, &["contains", "array_contains"]), tags)
            .prop_map(move |(of, tags)| given(of, tags)),
        prop::sample::select(GLOBS).prop_map(move |(glob, _)| given(("tags", "glob"), json!(glob))),
        (prop::sample::select(all), any::<bool>())
            .prop_map(move |(field, value)| given((field, "exists"), json!(value))),
        (
            prop::sample::select(nullable),
            prop_oneof![Just("eq"), Just("neq")]
        )
            .prop_map(move |(field, operator)| given((field, operator), Value::Null)),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    condition().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|filter| json!({"type": "not", "filter": filter})),
            (prop::collection::vec(inner, 1..4), any::<bool>()).prop_map(|(filters, is_and)| {
                json!({"type": "group", "operator": if is_and { "and" } else { "or" },
                       "filters": filters})
            }),
        ]
    })
}

/// The keys that a search finds, page by page.
async fn all_pages(served: &Served, mut search: Value, limit: u32) -> Vec<String> {
    search["limit"] = json!(limit);
    let mut keys = Vec::new();
    while let Some(page) = served.next_keys(&mut search).await {
        keys.extend(page);
    }
    keys
}

#[test]
fn a_search_finds_what_the_model_finds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let served = runtime.block_on(Served::with(options(dir.path()), None));
    let records = runtime.block_on(fill(&served));
    let mut runner = TestRunner::new(Config {
        cases: 1_500,
        ..Config::default()
    });
    let found_some = std::cell::Cell::new(0);
    runner
        .run(&filter(), |filter| {
            let search = json!({"namespace": "filestore", "filter": filter, "includeDeleted": true,
                                "limit": 1000, "sort": [{"field": "key", "direction": "asc"}]});
            let found = runtime.block_on(served.keys(search));
            let expected: Vec<_> = records
                .iter()
                .filter(|record| matches(record, &filter))
                .map(|record| record["key"].as_str().unwrap().to_owned())
                .collect();
            if !expected.is_empty() && expected.len() < records.len() {
                found_some.set(found_some.get() + 1);
            }
            prop_assert_eq!(&found, &expected);
            // In whatever order they are found, page by page.
            let search = json!({"namespace": "*", "filter": filter, "includeDeleted": true});
            let mut paged = runtime.block_on(all_pages(&served, search, 9));
            paged.sort();
            prop_assert_eq!(paged, expected);
            Ok(())
        })
        .unwrap();
    assert!(
        found_some.get() > 300,
        "many filters tell records apart: {}",
        found_some.get()
    );
}

#[tokio::test]
async fn text_terms_presets_and_filters_all_must_hold() {
    let dir = tempfile::tempdir().unwrap();
    let mut with_preset = options(dir.path());
    let live = json!({"field": "metadata.filestore.state", "operator": "eq", "value": "active"});
    with_preset.search_presets =
        vec![serde_json::from_value(json!({"name": "live", "filter": live})).unwrap()];
    let served = Served::with(with_preset, None).await;
    let mut journal = served.journal();
    for (id, path) in [
        (1, "docs/a.md"),
        (2, "docs/b.txt"),
        (3, "docs/sub/c.md"),
        (4, "img/d.md"),
    ] {
        journal.node("created", id, path, json!({}));
    }
    journal.node("missing", 3, "docs/sub/c.md", json!({}));
    journal.apply();
    for key in [1, 3, 4] {
        let patch = json!({"owner": "ada", "metadata": {"rank": key}});
        served
            .patch(&format!("/records/filestore/{key}"), patch)
            .await
            .expect(200);
    }
    let search = |more: Value| {
        let mut search = json!({"namespace": "filestore",
                                "sort": [{"field": "metadata.rank", "direction": "asc"}]});
        search
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        search
    };
    let q = "filestore.path:docs/**/*.md owner:ada";
    assert_eq!(served.keys(search(json!({"q": q}))).await, ["1", "3"]);
    assert_eq!(
        served.keys(search(json!({"q": q, "preset": "live"}))).await,
        ["1"]
    );
    let filter = json!({"field": "metadata.rank", "operator": "gt", "value": 1});
    assert_eq!(
        served.keys(search(json!({"q": q, "filter": filter}))).await,
        ["3"]
    );
    assert_eq!(
        served
            .keys(search(
                json!({"q": "rank>=3 AND filestore.path!=\"img/d.md\""})
            ))
            .await,
        ["3"]
    );
}

#[tokio::test]
async fn pages_are_ordered_counted_and_projected() {
    let served = Served::start().await;
    for n in 0..7 {
        let body = json!({"metadata": {"n": n, "deep": {"x": n, "y": 0}}, "owner": "ada"});
        served
            .put(&format!("/records/n/k{n}"), body)
            .await
            .expect(201);
    }
    served
        .put("/records/other/k", json!({"metadata": {}}))
        .await
        .expect(201);
    let latest = json!({"namespace": "n", "limit": 2});
    assert_eq!(
        served.keys(latest).await,
        ["k6", "k5"],
        "newest first by default"
    );
    let sort = json!([{"field": "owner"}, {"field": "metadata.n", "direction": "asc"}]);
    let page = |offset: u64| {
        json!({"namespace": "n", "sort": sort, "limit": 3, "offset": offset,
               "projection": ["metadata.deep.x", "owner"]})
    };
    let mut seen = Vec::new();
    for offset in [0, 3, 6, 9] {
        let answer = served
            .post("/records/search", page(offset))
            .await
            .expect(200);
        assert_eq!(answer["pagination"]["total"], 7);
        let next = if offset < 6 {
            json!(offset + 3)
        } else {
            Value::Null
        };
        assert_eq!(
            answer["pagination"]["nextOffset"],
            if offset == 3 { json!(6) } else { next }
        );
        seen.extend(answer["records"].as_array().unwrap().clone());
    }
    let expected: Vec<_> = (0..7)
        .map(|n| {
            json!({"namespace": "n", "key": format!("k{n}"), "owner": "ada",
                   "metadata": {"deep": {"x": n}}})
        })
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(served.keys(json!({"namespace": "*"})).await.len(), 8);
}
