//! `search`, `tag` and `owner`.

use super::{Services, data, nothing, one_mount};
use crate::fake::{Answer, Asked};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn record(namespace: &str) -> Value {
    json!({"namespace": namespace, "key": "7", "tags": ["raw", "keep"], "owner": "ada",
        "metadata": {"filestore": {"path": "a/b", "sizeBytes": 1536}}})
}

#[test]
fn search_prints_records_with_their_nodes() {
    let services = Services::new(
        nothing,
        |_: &Asked| {
            Answer::json(&json!({"pagination": {"total": 5},
            "records": [record("media")]}))
        },
        nothing,
    );
    let ran = services.run(&["search", "owner:ada", "tags:raw", "--limit", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "PATH  SIZE  OWNER  TAGS      NAMESPACE  KEY\n\
         a/b   1.5K  ada    raw,keep  media      7\n"
    );
    assert_eq!(ran.err, "1 of 5 records; more with --limit\n");
    let body = services.metastore.asked_once("POST /records/search").json();
    assert_eq!(body["q"], "owner:ada tags:raw");
    assert_eq!(body["namespace"], "*");
}

/// Finds nothing.
fn nowhere(_: &Asked) -> Answer {
    Answer::json(&json!({"pagination": {"total": 0}, "records": []}))
}

#[test]
fn words_that_begin_with_a_minus_are_terms_wherever_the_flags_stand() {
    for (args, q) in [
        (&["report", "-draft", "-o", "json"][..], "report -draft"),
        (&["--output", "json", "-draft", "report"], "-draft report"),
        (
            &["report", "-o=json", "-draft", "-old"],
            "report -draft -old",
        ),
        (
            &["-draft", "--limit", "5", "-ojson", "-tag:raw"],
            "-draft -tag:raw",
        ),
        (&["-h1", "--output=json"], "-h1"),
        (&["-o", "json", "--", "-o", "report"], "-o report"),
    ] {
        let services = Services::new(nothing, nowhere, nothing);
        let ran = services.run(&[&["search"], args].concat());
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "[]\n"),
            "{args:?}: {ran:?}"
        );
        let asked = services.metastore.asked_once("POST /records/search");
        assert_eq!(asked.json()["q"], q, "{args:?}");
    }
    // A flag that is not known is not a term: it is mistyped.
    let services = Services::new(nothing, nowhere, nothing);
    let ran = services.run(&["search", "report", "--outptu", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("--outptu") && ran.err.contains("--output"),
        "{}",
        ran.err
    );
    let ran = services.run(&["search", "-o", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("<QUERY>"), "{}", ran.err);
    let ran = services.run(&["search", "-draft", "--help"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("Usage: tidemark search"), "{}", ran.out);
}

#[test]
fn a_mount_is_named_by_its_key_too() {
    for (args, q) in [
        (&["mount:data", "plan"][..], "mount:1 plan"),
        (
            &["plan (mount:data OR -mount:data)"],
            "plan (mount:1 OR -mount:1)",
        ),
        (&["-mount:\"data\"", "mount=data"], "-mount:1 mount=1"),
        (&["mount:/srv/data/a"], "mount:1"),
        // What is no term of a mount, or names it by its id, is left alone, and filestore is not asked.
        (
            &["mount:7", "\"mount:data\"", "amount:data"],
            "mount:7 \"mount:data\" amount:data",
        ),
    ] {
        let services = Services::new(one_mount, nowhere, nothing);
        let ran = services.run(&[&["search"], args].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        let asked = services.metastore.asked_once("POST /records/search");
        assert_eq!(asked.json()["q"], q, "{args:?}");
        let looks = services.filestore.asked().len();
        assert_eq!(looks, usize::from(!q.contains("mount:7")), "{args:?}");
    }
    let services = Services::new(one_mount, nowhere, nothing);
    let ran = services.run(&["search", "mount:dta"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "error: there is no mount dta; the mounts are data\n"
    );
}

#[test]
fn metadata_as_deep_as_the_services_take_is_shown_in_every_form() {
    // The object of the metadata itself is the first level.
    let mut deep = json!("bottom");
    for level in 1..httpkit::json::MAX_DEPTH {
        deep = match level % 2 {
            0 => json!({ "in": deep }),
            _ => json!([deep]),
        };
    }
    let metadata = json!({ "deep": deep });
    let (of_node, of_record) = (metadata.clone(), metadata.clone());
    let services = Services::new(
        move |asked: &Asked| match asked.line().as_str() {
            "GET /v1/nodes/by-path" => data(json!({"id": 7, "backendMountId": 1, "path": "a/b",
                "kind": "file", "state": "active", "sizeBytes": 1, "rollup": null,
                "metadata": of_node})),
            _ => one_mount(asked),
        },
        move |_: &Asked| {
            let mut record = record("media");
            record["metadata"]["filestore"]["metadata"] = of_record.clone();
            Answer::json(&json!({"pagination": {"total": 1}, "records": [record]}))
        },
        |_: &Asked| Answer::not_found(),
    );
    for (args, place) in [
        (&["meta", "get", "data:a/b"][..], "/0"),
        (&["meta", "get", "data:a/b", "deep"], "/0/value"),
        (&["stat", "data:a/b"], "/0/metadata"),
        (&["search", "bottom"], "/0/metadata/filestore/metadata"),
    ] {
        for form in ["json", "ndjson", "csv", "table"] {
            let ran = services.run(&[args, &["-o", form]].concat());
            assert_eq!(ran.code, 0, "{args:?} {form}: {}", ran.err);
            let shown = match form {
                "json" => ran.json(),
                "ndjson" => json!([ran.json()]),
                // A table of records has no column for it.
                _ => {
                    assert!(
                        args[0] == "search" || ran.out.contains("bottom"),
                        "{args:?}"
                    );
                    continue;
                }
            };
            let shown = shown.pointer(place).or_else(|| shown.pointer(&place[2..]));
            let expected = if place == "/0/value" {
                &metadata["deep"]
            } else {
                &metadata
            };
            assert_eq!(shown, Some(expected), "{args:?} {form}");
        }
    }
}

#[test]
fn search_goes_on_by_cursor_and_passes_on_what_it_is_warned_of() {
    let services = Services::new(
        nothing,
        |asked: &Asked| match asked.json()["cursor"].as_str() {
            None => Answer::json(&json!({
                "pagination": {"total": 1100, "isTotalExact": false, "nextCursor": "c2"},
                "warnings": ["no record has a field `sise`; did you mean size?"],
                "records": [record("media")]})),
            Some("c2") => {
                Answer::json(&json!({"pagination": {"total": 1100, "isTotalExact": false,
                "nextCursor": "c3"}, "records": [record("films")]}))
            }
            _ => Answer::not_found(),
        },
        nothing,
    );
    let ran = services.run(&["search", "sise:1", "annual report", "--limit", "2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    assert_eq!(
        ran.err,
        "no record has a field `sise`; did you mean size?\n2 of 1100+ records; more with --limit\n"
    );
    let asked = services.metastore.asked();
    assert_eq!(asked[0].json()["q"], "sise:1 \"annual report\"");
}

#[test]
fn a_search_that_is_not_understood_is_marked_at_its_place() {
    let refused = |_: &Asked| {
        let what = "at character 6: size takes bytes; write size:>1G";
        Answer::json(
            &json!({"detail": format!("/q: {what}"), "code": "invalid_request",
            "errors": [{"pointer": "/q", "detail": what}]}),
        )
        .status(400)
    };
    let services = Services::new(nothing, refused, nothing);
    let ran = services.run(&["search", "plan", "size:>big"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: size takes bytes; write size:>1G\n  plan size:>big\n       ^\n"
    );
}

#[test]
fn tags_and_owner_are_set_on_the_nodes_record_wherever_it_lives() {
    let services = Services::new(
        one_mount,
        |asked: &Asked| match asked.line().as_str() {
            "POST /records/search" => Answer::json(&json!({"records": [record("raw films")]})),
            "PATCH /records/raw%20films/7" => Answer::json(&json!({"record": record("raw films")})),
            _ => Answer::not_found(),
        },
        nothing,
    );
    for (args, body) in [
        (
            &["tag", "add", "7", "raw", "keep"][..],
            json!({"tags": {"add": ["raw", "keep"]}}),
        ),
        (
            &["tag", "remove", "/srv/data/a/b", "raw"],
            json!({"tags": {"remove": ["raw"]}}),
        ),
        (
            &["owner", "set", "data:a/b", "ada"],
            json!({"owner": "ada"}),
        ),
        (&["owner", "set", "7", ""], json!({"owner": null})),
    ] {
        let ran = services.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("raw films  7"), "{}", ran.out);
        let asked = services.metastore.asked();
        assert_eq!(asked.last().unwrap().json(), body);
    }
    let search = services.metastore.asked()[0].json();
    assert_eq!(search["filter"]["filters"][0]["value"], "7");
}

#[test]
fn a_record_that_is_not_there_yet_is_waited_for() {
    let is_there = std::sync::atomic::AtomicBool::new(false);
    let services = Services::new(
        one_mount,
        move |asked: &Asked| match asked.line().as_str() {
            "GET /filestore/nodes" => {
                assert_eq!(asked.headers["tidemark-min-journal-id"], "9");
                is_there.store(true, Ordering::SeqCst);
                Answer::lines([])
            }
            "POST /records/search" if is_there.load(Ordering::SeqCst) => {
                Answer::json(&json!({"records": [record("filestore")]}))
            }
            "POST /records/search" => Answer::json(&json!({"records": []})),
            "PATCH /records/filestore/7" => Answer::json(&json!({"record": record("filestore")})),
            _ => Answer::not_found(),
        },
        nothing,
    );
    assert_eq!(services.run(&["tag", "add", "7", "x"]).code, 0);

    let never = |asked: &Asked| match asked.line().as_str() {
        "GET /filestore/nodes" => Answer::text("").status(504),
        "POST /records/search" => Answer::json(&json!({"records": []})),
        _ => Answer::not_found(),
    };
    let ran = Services::new(one_mount, never, nothing).run(&["tag", "add", "7", "x"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("the metastore has no record of node 7"),
        "{}",
        ran.err
    );
}
