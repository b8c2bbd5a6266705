//! `mounts` and `scan`.

use super::{Services, data, nothing, one_mount};
use crate::fake::{Answer, Asked, Ran};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn mounts_are_listed_and_added() {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "POST /v1/backend-mounts" => {
                let mut mount = asked.json();
                (mount["id"], mount["mountKey"]) = (json!(4), json!("some-films"));
                data(mount).status(201)
            }
            _ => one_mount(asked),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&["mounts", "list", "-o", "csv"]);
    assert_eq!(
        ran.out,
        "mountKey,location,backendKind,accessMode,state,health,totalBytes,files,hashes,id\n\
         data,/srv/data,local,rw,active,,,,off,1\n"
    );
    let ran = services.run(&[
        "mounts",
        "add",
        "Some Films",
        "--access",
        "ro",
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let body = services
        .filestore
        .asked_once("POST /v1/backend-mounts")
        .json();
    let root = services.dir.path().join("Some Films");
    assert_eq!(
        body,
        json!({"mountKey": null, "backendKind": "local", "accessMode": "ro", "rootPath": root,
            "config": {}})
    );
    assert_eq!(ran.json()[0]["id"], json!(4));
    assert!(ran.err.contains("tidemark scan some-films"), "{}", ran.err);
}

/// What `mounts` asks to be made or changed, of a bucket's mount among others.
fn asked_of_mounts(args: &[&str]) -> (Ran, Option<serde_json::Value>) {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "GET /v1/backend-mounts" => data(json!({"mounts": [
                {"id": 1, "mountKey": "data", "backendKind": "local", "rootPath": "/srv/data",
                    "config": {"crossFilesystems": true}},
                {"id": 2, "mountKey": "films", "backendKind": "s3", "bucket": "b", "prefix": "p",
                    "config": {"region": "eu-west-1", "hashing": {"minBytes": 7}}}]})),
            "POST /v1/backend-mounts"
            | "PATCH /v1/backend-mounts/1"
            | "PATCH /v1/backend-mounts/2" => data(json!({"id": 2, "mountKey": "films",
                "bucket": "b", "prefix": "p", "hashing": {"state": "hashing", "pendingFiles": 3,
                "unreadableFiles": 1}})),
            _ => Answer::not_found(),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&[&["mounts"], args].concat());
    let asked = services.filestore.asked();
    let asked = asked.iter().find(|asked| asked.method != "GET");
    (
        ran,
        asked.map(|asked| json!({"ask": asked.line(), "body": asked.json()})),
    )
}

#[test]
fn a_bucket_is_mounted_by_its_url_and_flags() {
    let (ran, asked) = asked_of_mounts(&[
        "add",
        "s3://b/p/q",
        "--key",
        "films",
        "--region",
        "eu-west-1",
        "--endpoint",
        "http://127.0.0.1:9000",
        "--path-style",
        "false",
        "--allow-http",
        "--credentials-file",
        "keys",
        "--credentials-profile",
        "work",
        "--hash",
        "on",
        "-o",
        "csv",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("\nfilms,s3://b/p,")
            && ran
                .out
                .ends_with(",\"hashing, 3 files to go, 1 left out\",2\n"),
        "{ran:?}"
    );
    let mut asked = asked.unwrap();
    let file = asked["body"]["config"]["credentialsFile"].take();
    assert!(file.as_str().unwrap().starts_with('/') && file.as_str().unwrap().ends_with("/keys"));
    assert_eq!(
        asked["body"],
        json!({"mountKey": "films", "backendKind": "s3", "accessMode": "rw", "bucket": "b",
            "prefix": "p/q", "config": {"region": "eu-west-1", "endpoint": "http://127.0.0.1:9000",
            "forcePathStyle": false, "allowHttp": true, "credentialsFile": null,
            "credentialsProfile": "work", "hashing": {}}})
    );
    let (ran, asked) = asked_of_mounts(&["add", "folder", "--region", "x"]);
    assert_eq!((ran.code, asked), (1, None));
    assert!(ran.err.contains("--region is for buckets only"), "{ran:?}");
}

#[test]
fn of_a_mount_only_what_is_named_is_changed() {
    for (args, ask, body) in [
        (
            &[
                "set", "data", "--access", "ro", "--state", "inactive", "--name", "",
            ][..],
            "PATCH /v1/backend-mounts/1",
            json!({"accessMode": "ro", "state": "inactive", "displayName": null}),
        ),
        (
            &[
                "set",
                "1",
                "--hash-max-bytes",
                "9",
                "--hash-glob",
                "*.a",
                "--hash-glob",
                "*.b",
            ],
            "PATCH /v1/backend-mounts/1",
            json!({"config": {"crossFilesystems": true,
                "hashing": {"maxBytes": 9, "pathGlobs": ["*.a", "*.b"]}}}),
        ),
        (
            &["set", "films", "--hash", "pause", "--region", "eu-west-2"],
            "PATCH /v1/backend-mounts/2",
            json!({"config": {"region": "eu-west-2", "hashing": {"minBytes": 7, "paused": true}}}),
        ),
        (
            &["set", "films", "--hash", "off"],
            "PATCH /v1/backend-mounts/2",
            json!({"config": {"region": "eu-west-1", "hashing": false}}),
        ),
    ] {
        let (ran, asked) = asked_of_mounts(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(asked, Some(json!({"ask": ask, "body": body})), "{args:?}");
    }
    for (args, words) in [
        (&["set", "none", "--hash", "on"][..], "no mount none"),
        (&["set", "data"], "nothing to change"),
        (
            &["set", "data", "--region", "x"],
            "is for buckets only, and data is a folder",
        ),
    ] {
        let (ran, asked) = asked_of_mounts(args);
        assert_eq!((ran.code, asked), (1, None), "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
}

#[test]
fn scan_follows_its_job_to_the_end() {
    let looks = AtomicU64::new(0);
    let services = Services::new(
        move |asked: &Asked| {
            let job = |status: &str, report: Value| {
                json!({"id": "j1", "backendMountId": 1, "status": status, "report": report,
                    "progress": {"phase": "walking", "directories": 1, "files": 2, "bytes": 3,
                        "expectedChanges": 0, "changes": 0}, "error": null})
            };
            match asked.line().as_str() {
                "POST /v1/backend-mounts/1/scan" => data(job("running", Value::Null)).status(202),
                "GET /v1/scans/j1" if looks.fetch_add(1, Ordering::SeqCst) == 0 => {
                    data(job("running", Value::Null))
                }
                "GET /v1/scans/j1" => data(job(
                    "succeeded",
                    json!({"directories": 10, "files": 20, "bytes": 4096, "created": 30,
                        "updated": 0, "moved": 0, "missing": 0, "reconciled": 0,
                        "problemCount": 1, "durationMs": 7,
                        "problems": [{"path": "x\ny", "reason": "Permission denied"}]}),
                )),
                _ => one_mount(asked),
            }
        },
        nothing,
        nothing,
    );
    for target in ["data", "1", "/srv/data/deep/inside"] {
        let ran = services.run(&["scan", target, "-o", "json"]);
        assert_eq!(ran.code, 0, "{target}: {ran:?}");
        assert_eq!(ran.json()[0]["created"], json!(30));
        assert_eq!(ran.err, "data: x\\ny: Permission denied\n");
    }
    let ran = services.run(&["scan"]);
    assert!(
        ran.out.contains("succeeded") && ran.out.contains("4.0K"),
        "{}",
        ran.out
    );
    let ran = services.run(&["scan", "/elsewhere"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("/elsewhere is in no mount"), "{}", ran.err);
}

#[test]
fn a_scan_that_fails_says_why_and_exits_with_1() {
    let services = Services::new(
        |asked: &Asked| match asked.line().as_str() {
            "POST /v1/backend-mounts/1/scan" => data(json!({"id": "j1", "status": "failed",
                "progress": {}, "report": null, "error": "the root is gone"}))
            .status(202),
            _ => one_mount(asked),
        },
        nothing,
        nothing,
    );
    let ran = services.run(&["scan", "data"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("the scan of data failed: the root is gone"),
        "{}",
        ran.err
    );
}
