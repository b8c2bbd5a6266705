//! What people type: words, fields, pages, and the index of names behind them.

use crate::support::{Journal, Served, options};
use metastore::SearchPreset;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const TREE: &[(&str, &str, i64)] = &[
    ("docs", "directory", 0),
    ("docs/Annual Report.pdf", "file", 5 << 20),
    ("docs/annual", "directory", 0),
    ("docs/annual/plan.TXT", "file", 100),
    ("docs/annual/plan-2.txt", "file", 2_000),
    ("docs-old", "directory", 0),
    ("docs-old/report.txt", "file", 7),
    ("Ärger.txt", "file", 1),
    ("img", "directory", 0),
    ("img/a(1).JPG", "file", 3 << 30),
    ("img/.hidden", "file", 0),
    ("x", "directory", 0),
    ("x/go", "file", 1),
];

/// Applies the tree; the node's id is its number.
fn plant(journal: &mut Journal) {
    for (id, (path, kind, size)) in (1..).zip(TREE) {
        let fields = json!({"kind": kind, "sizeBytes": size,
                            "lastModifiedAt": "2025-12-20T00:00:00.000Z"});
        journal.node("created", id, path, fields);
    }
    journal.apply();
}

/// The paths that a search finds, or the keys of what has none; in order.
async fn found(served: &Served, search: Value) -> Vec<String> {
    let page = served.post("/records/search", search).await.expect(200);
    let mut found: Vec<_> = page["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            let path = &record["metadata"]["filestore"]["path"];
            path.as_str()
                .unwrap_or_else(|| record["key"].as_str().unwrap())
                .to_owned()
        })
        .collect();
    found.sort();
    found
}

async fn q(served: &Served, q: &str) -> Vec<String> {
    found(served, json!({"namespace": "*", "q": q, "limit": 1000})).await
}

#[tokio::test]
async fn what_people_type_finds_what_they_mean() {
    let served = Served::start().await;
    let mut journal = served.journal();
    plant(&mut journal);
    for (key, patch) in [
        (
            2,
            json!({"tags": {"add": ["2024", "team/docs"]}, "owner": "ada"}),
        ),
        (
            4,
            json!({"metadata": {"year": 2024, "ok": true, "list": ["red", 7], "project": "Apollo 11"}}),
        ),
        (
            5,
            json!({"metadata": {"year": "2024", "ok": 1, "deep": {"x": 1.0}}, "tags": {"add": ["true"]}}),
        ),
    ] {
        let path = format!("/records/filestore/{key}");
        served.patch(&path, patch).await.expect(200);
    }
    let own =
        json!({"metadata": {"year": 2024.0, "big": 9_007_199_254_740_993_i64}, "owner": "Ada L"});
    served
        .put("/records/projects/apollo", own)
        .await
        .expect(201);
    let docs = [
        "docs",
        "docs/Annual Report.pdf",
        "docs/annual",
        "docs/annual/plan-2.txt",
        "docs/annual/plan.TXT",
    ];
    let plans = ["docs/annual/plan-2.txt", "docs/annual/plan.TXT"];
    let report = ["docs/Annual Report.pdf"];
    let cases: &[(&str, &[&str])] = &[
        ("REPORT", &["docs-old/report.txt", "docs/Annual Report.pdf"]),
        ("annual", &docs[1..]),
        ("annual report", &report),
        ("\"annual report\"", &report),
        ("\"report annual\"", &[]),
        ("docs/annual", &docs[1..]),
        ("/annual", &docs[1..]),
        ("/nnual", &[]),
        ("docs/", &docs[1..]),
        ("ärger", &["Ärger.txt"]),
        ("ÄRGER.TXT", &["Ärger.txt"]),
        ("a(1)", &["img/a(1).JPG"]),
        (
            "g",
            &["img", "img/.hidden", "img/a(1).JPG", "x/go", "Ärger.txt"],
        ),
        ("go", &["x/go"]),
        ("zz", &[]),
        ("nothing-has-this", &[]),
        (
            "*.txt",
            &[
                "docs-old/report.txt",
                "docs/annual/plan-2.txt",
                "docs/annual/plan.TXT",
                "Ärger.txt",
            ],
        ),
        ("annual/*.txt", &plans),
        ("plan?2*", &["docs/annual/plan-2.txt"]),
        ("name:plan.txt", &["docs/annual/plan.TXT"]),
        ("name:PLAN*", &plans),
        ("ext:pdf", &report),
        ("ext:jp*", &["img/a(1).JPG"]),
        ("ext:hidden", &[]),
        ("path:docs/annual/plan.TXT", &["docs/annual/plan.TXT"]),
        ("path:docs/annual/plan.txt", &[]),
        ("path:docs/", &docs[1..]),
        ("path:docs/*", &docs[1..3]),
        ("kind:dir path:docs*", &["docs", "docs-old"]),
        ("size:>1G", &["img/a(1).JPG"]),
        ("size:100", &["docs/annual/plan.TXT"]),
        ("kind:file size:0", &["img/.hidden"]),
        ("plan size>=1k", &["docs/annual/plan-2.txt"]),
        ("docs/annual -plan.txt -plan-2", &docs[1..3]),
        (
            "plan OR go",
            &["docs/annual/plan-2.txt", "docs/annual/plan.TXT", "x/go"],
        ),
        ("(plan OR go) ext:txt", &plans),
        ("go OR tag:2024", &["docs/Annual Report.pdf", "x/go"]),
        ("tag:2024", &report),
        ("tags:2024", &report),
        ("tags:team*", &[]),
        ("tags:team/*", &report),
        ("tags:team**", &report),
        ("tag:true", &["docs/annual/plan-2.txt"]),
        ("owner:ada", &report),
        ("owner:\"Ada L\"", &["apollo"]),
        ("-has:path has:owner", &["apollo"]),
        (
            "year:2024",
            &["apollo", "docs/annual/plan-2.txt", "docs/annual/plan.TXT"],
        ),
        ("year:\"2024\"", &["docs/annual/plan-2.txt"]),
        ("year:2024.0", &["apollo", "docs/annual/plan.TXT"]),
        ("year:>2023", &["apollo", "docs/annual/plan.TXT"]),
        ("ok:true", &["docs/annual/plan.TXT"]),
        ("ok:1", &["docs/annual/plan-2.txt"]),
        ("deep.x:1", &["docs/annual/plan-2.txt"]),
        ("list:red", &["docs/annual/plan.TXT"]),
        ("list:7", &["docs/annual/plan.TXT"]),
        ("project:Apollo*", &["docs/annual/plan.TXT"]),
        // A field and a word, a name, an extension.
        ("project:Apollo* plan", &["docs/annual/plan.TXT"]),
        ("plan project:Apollo*", &["docs/annual/plan.TXT"]),
        ("project:Apollo* report", &[]),
        (
            "year:2024 name:plan*",
            &["docs/annual/plan-2.txt", "docs/annual/plan.TXT"],
        ),
        ("ok:true ext:txt docs", &["docs/annual/plan.TXT"]),
        ("has:project path:docs/", &["docs/annual/plan.TXT"]),
        ("big:9007199254740993", &["apollo"]),
        ("big:9007199254740992", &[]),
        ("big:>9007199254740992", &["apollo"]),
        ("big:<18446744073709551616", &["apollo"]),
        ("ns:projects", &["apollo"]),
        ("key:apollo", &["apollo"]),
        ("mount:2", &[]),
        ("has:project", &["docs/annual/plan.TXT"]),
        ("modified:>2025-12-19 go", &["x/go"]),
        ("modified:2025-12 go", &["x/go"]),
        ("modified:<20d go", &["x/go"]),
        ("modified:>20d go", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(q(&served, text).await, *expected, "{text}");
    }
}

#[tokio::test]
async fn a_field_that_nothing_has_is_told_with_the_nearest_name() {
    let served = Served::start().await;
    plant(&mut served.journal());
    let body = json!({"metadata": {"project": {"code": 1}}});
    served.put("/records/projects/a", body).await.expect(201);
    for (q, warning) in [
        ("sise:3", "no record has a field `sise`; did you mean size?"),
        (
            "-porject:x",
            "no record has a field `porject`; did you mean project?",
        ),
        (
            "http://x",
            "no record has a field `http`; to look for the text itself",
        ),
        ("has:project.cod", "no record has a field `project.cod`"),
    ] {
        let search = json!({"namespace": "*", "q": q});
        let page = served.post("/records/search", search).await.expect(200);
        let told = page["warnings"][0].as_str().unwrap_or_default();
        assert!(told.starts_with(warning), "{q}: {page}");
    }
    for q in ["project.code:1", "size:3", "plan", "has:project"] {
        let search = json!({"namespace": "*", "q": q});
        let page = served.post("/records/search", search).await.expect(200);
        assert_eq!(page["warnings"], json!([]), "{q}");
    }
    let unseen = json!({"namespace": "filestore", "q": "project:1"});
    let page = served.post("/records/search", unseen).await.expect(200);
    assert_eq!(
        page["warnings"].as_array().unwrap().len(),
        1,
        "another namespace shows nothing"
    );
}

#[tokio::test]
async fn pages_by_cursor_neither_repeat_nor_leave_out_while_others_write() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for id in 1..=60 {
        let path = if id == 1 {
            "box".to_owned()
        } else {
            format!("box/f{id:02}")
        };
        let kind = if id == 1 { "directory" } else { "file" };
        journal.node(
            "created",
            id,
            &path,
            json!({"kind": kind, "sizeBytes": id % 7}),
        );
    }
    journal.apply();
    let searches = [
        json!({"namespace": "*", "q": "box"}),
        json!({"namespace": "*", "q": "kind:file"}),
        json!({"namespace": "filestore", "q": "ext:\"\" name:f*"}),
        json!({"namespace": "*", "q": "box", "sort": [{"field": "size"}, {"field": "owner", "direction": "asc"}]}),
        json!({"namespace": "*", "sort": [{"field": "owner"}, {"field": "metadata.n", "direction": "asc"}]}),
    ];
    let mut next_id = 1_000;
    for search in searches {
        let all = {
            let mut all = search.clone();
            all["limit"] = json!(1000);
            served.keys(all).await
        };
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut page = search.clone();
            page["limit"] = json!(7);
            page["cursor"] = cursor;
            let page = served.post("/records/search", page).await.expect(200);
            let records = page["records"].as_array().unwrap();
            seen.extend(
                records
                    .iter()
                    .map(|it| it["key"].as_str().unwrap().to_owned()),
            );
            // Before and behind what was seen.
            for path in ["box/a", "box/zz", "a-box", "z"] {
                let path = format!("{path}{next_id}");
                journal.node("created", next_id, &path, json!({}));
                next_id += 1;
            }
            journal.apply();
            cursor = page["pagination"]["nextCursor"].clone();
            assert!(
                page["pagination"].get("nextOffset").is_some()
                    == (seen.len() == 7 && !cursor.is_null())
            );
            if cursor.is_null() || seen.len() > 2_000 {
                break;
            }
        }
        let old: Vec<_> = seen.iter().filter(|key| all.contains(key)).collect();
        assert_eq!(old, all.iter().collect::<Vec<_>>(), "{search}");
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{search}");
    }
    let page = json!({"namespace": "*", "q": "box", "limit": 1});
    let page = served.post("/records/search", page).await.expect(200);
    let cursor = &page["pagination"]["nextCursor"];
    let other = json!({"namespace": "*", "q": "f", "cursor": cursor});
    let refused = served.post("/records/search", other).await;
    assert_eq!(refused.problem(), (400, "invalid_request", "/cursor"));
}

#[tokio::test]
async fn totals_are_exact_as_far_as_they_are_counted() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "many", json!({"kind": "directory"}));
    for id in 2..=1_500 {
        journal.node("created", id, &format!("many/f{id}"), json!({}));
    }
    journal.apply();
    for (q, counted) in [("many", 1_010), ("kind:file OR kind:dir", 1_500)] {
        let search = |more: Value| {
            let mut search = json!({"namespace": "*", "q": q, "limit": 10});
            search
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            search
        };
        let page = served
            .post("/records/search", search(json!({})))
            .await
            .expect(200);
        assert_eq!(page["pagination"]["total"], counted, "{q}");
        assert_eq!(page["pagination"]["isTotalExact"], counted == 1_500);
        let all = search(json!({"exactTotal": true}));
        let page = served.post("/records/search", all).await.expect(200);
        assert_eq!(page["pagination"]["total"], 1_500, "{q}");
        assert_eq!(page["pagination"]["isTotalExact"], true);
    }
}

/// The live paths by node, as a model keeps them.
type Model = BTreeMap<i64, String>;

/// The nodes whose paths have all words; the last of `ext:txt` and the like is how their names end.
fn expected(model: &Model, q: &str) -> Vec<String> {
    let has = |path: &str, term: &str| match term.split_once(':') {
        Some(("ext", extension)) => path.ends_with(&format!(".{extension}")),
        _ => term.split('|').any(|word| path.contains(word)),
    };
    let mut keys: Vec<_> = model
        .iter()
        .filter(|(_, path)| q.split(' ').all(|term| has(&path.to_lowercase(), term)))
        .map(|(id, _)| id.to_string())
        .collect();
    keys.sort();
    keys
}

async fn check(served: &Served, model: &Model, stage: &str) {
    // `|` is OR, without spaces.
    for word in [
        "f12",
        "f1",
        "deep",
        "d7",
        "renamed",
        "moved",
        "0",
        "zz",
        "f4321.",
        "d1/f",
        "x99",
        "f12 ext:txt",
        "deep f12",
        "f12 deep",
        "deep28 d7",
        "f1 f2 ext:txt",
        "moved x",
        "d7|moved f1|x1",
        "deep8|renamed 1|2 d",
        "deep renamed ext:txt",
        "ext:txt 99",
    ] {
        let (mut keys, mut cursor) = (Vec::new(), Value::Null);
        let terms = word.split(' ').map(|term| match term.split_once('|') {
            Some((one, two)) => format!("({one} OR {two})"),
            None => term.to_owned(),
        });
        let q = terms.collect::<Vec<_>>().join(" ");
        loop {
            let search = json!({"namespace": "*", "q": q, "limit": 1000, "cursor": cursor});
            let page = served.post("/records/search", search).await.expect(200);
            let records = page["records"].as_array().unwrap();
            keys.extend(
                records
                    .iter()
                    .map(|it| it["key"].as_str().unwrap().to_owned()),
            );
            cursor = page["pagination"]["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        keys.sort();
        assert_eq!(keys, expected(model, word), "{stage}: {word}");
    }
}

fn wait_for_index(served: &Served) {
    testkit::wait_for("the index of names", Duration::from_secs(60), || {
        let left = served.metastore.names_to_index().unwrap();
        if left < 4_096 { Ok(()) } else { Err(left) }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_the_same_before_and_after_names_are_indexed() {
    let served = Served::start().await;
    let mut journal = served.journal();
    let mut model = Model::new();
    let tell = |journal: &mut Journal, model: &mut Model, verb: &str, id: i64, path: String| {
        let kind = if id <= 40 { "directory" } else { "file" };
        journal.node(verb, id, &path, json!({"kind": kind}));
        if verb == "deleted" {
            model.remove(&id);
        } else {
            model.insert(id, path);
        }
    };
    let directory = |id: i64| {
        if id % 4 == 0 {
            format!("d{}/deep{id}", id / 4)
        } else {
            format!("d{id}")
        }
    };
    for id in 1..=40 {
        tell(&mut journal, &mut model, "created", id, directory(id));
    }
    for id in 41..=6_000 {
        let path = format!("{}/f{id}.txt", directory(id % 40 + 1));
        tell(&mut journal, &mut model, "created", id, path);
    }
    journal.apply();
    check(&served, &model, "before").await;
    wait_for_index(&served);
    check(&served, &model, "indexed").await;
    for id in (100..1_400).step_by(2) {
        let path = format!("{}/renamed{id}", directory(id % 40 + 1));
        tell(&mut journal, &mut model, "moved", id, path);
    }
    // A directory is renamed, and all below it are told.
    let paths: Vec<(i64, String)> = model.iter().map(|(id, path)| (*id, path.clone())).collect();
    for (id, path) in paths {
        if let Some(rest) = path.strip_prefix("d7/").or((path == "d7").then_some("")) {
            let path = format!("moved/{rest}").trim_end_matches('/').to_owned();
            tell(&mut journal, &mut model, "moved", id, path);
        }
    }
    for id in (3_000..3_100).step_by(3) {
        let path = model[&id].clone();
        tell(&mut journal, &mut model, "deleted", id, path);
    }
    journal.apply();
    check(&served, &model, "renamed").await;
    for id in 1_401..3_000 {
        let path = format!("{}/x{id}", directory(id % 40 + 1));
        tell(&mut journal, &mut model, "moved", id, path);
    }
    for id in 6_001..=11_000 {
        let path = format!("{}/f{id}.txt", directory(id % 40 + 1));
        tell(&mut journal, &mut model, "created", id, path);
    }
    journal.apply();
    check(&served, &model, "more").await;
    wait_for_index(&served);
    check(&served, &model, "all indexed").await;
    let search = json!({"namespace": "*", "q": "f1", "explain": true});
    let page = served.post("/records/search", search).await.expect(200);
    assert_eq!(page["explain"]["beginsWith"], "names");
    assert_eq!(page["warnings"], json!([]));
}

#[tokio::test]
async fn a_search_that_reads_everything_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.indexed_fields = vec!["project".to_owned()];
    let served = Served::with(options, None).await;
    plant(&mut served.journal());
    for (key, project) in [
        ("a", json!("x")),
        ("b", json!(["x", "y"])),
        ("c", json!(7)),
        ("d", json!("xy")),
    ] {
        let body = json!({"metadata": {"project": project, "other": 1}});
        served
            .put(&format!("/records/n/{key}"), body)
            .await
            .expect(201);
    }
    let explained = async |q: &str| {
        let search = json!({"namespace": "*", "q": q, "explain": true});
        let page = served.post("/records/search", search).await.expect(200);
        let begins = page["explain"]["beginsWith"].as_str().unwrap().to_owned();
        let warning = page["warnings"][0].as_str().unwrap_or_default().to_owned();
        let mut keys: Vec<_> = page["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["key"].as_str().unwrap().to_owned())
            .collect();
        keys.sort();
        (begins, warning, keys.join(" "))
    };
    let (begins, warning, _) = explained("size:>1G").await;
    assert_eq!(begins, "everything");
    assert!(warning.contains("reads every record"), "{warning}");
    let (begins, warning, keys) = explained("other:1").await;
    assert_eq!((begins.as_str(), keys.as_str()), ("metadata", "a b c d"));
    assert!(warning.contains("METASTORE_INDEXED_FIELDS"), "{warning}");
    for (q, expected) in [
        ("project:x", "a b"),
        ("project:7", "c"),
        ("project:x*", "a d"),
        ("project:>6", "c"),
        ("project:\"x\" other:1", "a b"),
    ] {
        let (begins, warning, keys) = explained(q).await;
        assert_eq!(
            (begins.as_str(), warning.as_str(), keys.as_str()),
            ("field", "", expected),
            "{q}"
        );
    }
}

#[tokio::test]
async fn presets_and_summaries_are_as_configured_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut with_presets = options(dir.path());
    let preset = |json: Value| serde_json::from_value::<SearchPreset>(json).unwrap();
    with_presets.search_presets = vec![
        preset(json!({"name": "big", "q": "size:>1G"})),
        preset(json!({"name": "reports", "q": "report",
                      "filter": {"field": "metadata.filestore.kind", "operator": "eq", "value": "file"}})),
    ];
    let served = Served::with(with_presets, None).await;
    plant(&mut served.journal());
    let preset = |name: &str| json!({"namespace": "*", "preset": name, "search": "a"});
    assert_eq!(found(&served, preset("big")).await, ["img/a(1).JPG"]);
    assert_eq!(
        found(&served, preset("reports")).await,
        ["docs/Annual Report.pdf"]
    );
    let unknown = served.post("/records/search", preset("none")).await;
    assert_eq!(unknown.problem(), (400, "invalid_request", "/preset"));
    assert!(
        unknown.body["detail"]
            .as_str()
            .unwrap()
            .contains("big, reports"),
        "{}",
        unknown.body
    );
    let summary = json!({"namespace": "filestore", "q": "go", "summary": true, "projection": ["metadata.filestore.path"]});
    let page = served.post("/records/search", summary).await.expect(200);
    let record = page["records"][0].as_object().unwrap();
    let mut fields: Vec<_> = record.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "deletedAt",
            "key",
            "metadata",
            "namespace",
            "owner",
            "schemaHash",
            "tags",
            "updatedAt",
            "version"
        ]
    );
    assert_eq!(record["metadata"], json!({"filestore": {"path": "x/go"}}));
}
