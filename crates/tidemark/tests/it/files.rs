//! The command line for files, against the real service.

use crate::deployment::Deployment;
use crate::fake::{Answer, Asked, Fake, Ran};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A deployment, and a folder of this machine that is in no mount.
struct Desk {
    deployment: Deployment,
    local: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            deployment: Deployment::together("inline"),
            local: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.local.path().join(path)
    }

    fn mounted(&self, path: &str) -> PathBuf {
        self.deployment.files().join(path)
    }

    fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Runs `tidemark` in the folder that is in no mount.
    fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.deployment.command();
        command.current_dir(self.local.path()).args(words);
        crate::fake::run(command)
    }

    /// The rows of a command that ends well.
    #[track_caller]
    fn rows(&self, words: &[&str]) -> Vec<Value> {
        let mut words = words.to_vec();
        words.extend(["-o", "json"]);
        let ran = self.run(&words);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words:?}: {ran:?}");
        ran.json().as_array().unwrap().clone()
    }

    /// What a command says that ends with 1 and prints nothing.
    #[track_caller]
    fn refusal(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{words:?}: {ran:?}");
        ran.err
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn files_go_there_and_back_under_the_names_that_are_meant() {
    let desk = Desk::new();
    desk.write("a.txt", "alpha");
    desk.write("b.txt", "beta");
    let put = desk.rows(&["put", "a.txt", "files:docs/first.txt"]);
    assert_eq!(put[0]["path"], "docs/first.txt");
    assert_eq!((&put[0]["files"], &put[0]["bytes"]), (&json!(1), &json!(5)));
    // Into a directory that is there, by its key or by its path on this machine.
    desk.rows(&["put", "a.txt", "b.txt", "files:docs"]);
    let docs = desk.mounted("docs");
    assert_eq!(names(&docs), ["a.txt", "b.txt", "first.txt"]);
    let docs = docs.to_str().unwrap().to_owned();
    let metadata = r#"{"team":"x"}"#;
    desk.rows(&[
        "put",
        "b.txt",
        &format!("{docs}/c.txt"),
        "--metadata",
        metadata,
    ]);
    assert_eq!(
        desk.rows(&["meta", "get", "files:docs/c.txt"])[0],
        json!({"team": "x"})
    );
    // Into a directory that is to be made, and from stdin.
    desk.rows(&["put", "a.txt", "files:new/folder/"]);
    assert_eq!(names(&desk.mounted("new/folder")), ["a.txt"]);

    let got = desk.rows(&["get", "files:docs/first.txt"]);
    assert_eq!((&got[0]["files"], &got[0]["bytes"]), (&json!(1), &json!(5)));
    assert_eq!(fs::read(desk.at("first.txt")).unwrap(), b"alpha");
    desk.rows(&["get", "files:docs/b.txt", "renamed.txt"]);
    assert_eq!(fs::read(desk.at("renamed.txt")).unwrap(), b"beta");
    let node = desk.rows(&["stat", "files:docs/b.txt"])[0]["id"].to_string();
    let ran = desk.run(&["get", &node, "-"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "beta", "")
    );
    assert!(
        names(desk.local.path())
            .iter()
            .all(|name| !name.ends_with(".part"))
    );
    desk.deployment.settle();
    desk.deployment.verify();
}

#[test]
fn nothing_is_replaced_unless_it_is_said() {
    let desk = Desk::new();
    desk.write("a.txt", "alpha");
    desk.write("b.txt", "beta");
    desk.rows(&["put", "a.txt", "files:f"]);
    let said = desk.refusal(&["put", "b.txt", "files:f"]);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read(desk.mounted("f")).unwrap(), b"alpha");
    desk.rows(&["put", "b.txt", "files:f", "--overwrite"]);
    assert_eq!(fs::read(desk.mounted("f")).unwrap(), b"beta");

    let said = desk.refusal(&["get", "files:f", "a.txt"]);
    assert!(said.contains("--overwrite"), "{said}");
    assert_eq!(fs::read(desk.at("a.txt")).unwrap(), b"alpha");
    desk.rows(&["get", "files:f", "a.txt", "-f"]);
    assert_eq!(fs::read(desk.at("a.txt")).unwrap(), b"beta");
}

#[test]
fn trees_go_there_and_back_with_all_in_them() {
    let desk = Desk::new();
    for number in 0..60 {
        desk.write(
            &format!("tree/d{}/f{number}", number % 7),
            format!("contents {number}"),
        );
    }
    fs::create_dir_all(desk.at("tree/empty/below")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xE9\nline");
    fs::write(desk.at("tree").join(odd), "odd").unwrap();
    let put = desk.rows(&["put", "-r", "tree", "files:in/"]);
    assert_eq!(
        (&put[0]["files"], &put[0]["directories"], &put[0]["failed"]),
        (&json!(61), &json!(10), &json!(0))
    );
    desk.rows(&["get", "-r", "files:in/tree", "back"]);
    let diff = std::process::Command::new("diff")
        .args(["-r", "tree", "back"])
        .current_dir(desk.local.path())
        .output()
        .unwrap();
    assert!(diff.status.success(), "{diff:?}");

    // What cannot be taken along is named, and the rest is taken.
    std::os::unix::fs::symlink("/etc", desk.at("tree/link")).unwrap();
    let ran = desk.run(&["put", "-r", "tree", "files:again", "-o", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("tree/link: left out: a symlink"),
        "{ran:?}"
    );
    assert_eq!(
        (&ran.json()[0]["files"], &ran.json()[0]["failed"]),
        (&json!(61), &json!(1))
    );
    desk.deployment.settle();
    desk.deployment.verify();
}

#[test]
fn a_download_goes_on_where_it_ended_and_is_checked() {
    let desk = Desk::new();
    let contents: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    desk.write("big", &contents);
    let id = desk.rows(&["put", "big", "files:big"]);
    assert_eq!(id[0]["bytes"], 12_000_000);
    let ranges = |from: u64| {
        let path = format!("/v1/journal?after={from}&limit=1000");
        let url = format!("{}{path}", desk.deployment.url(0));
        let text = reqwest::blocking::get(url).unwrap().text().unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let events = lines.map(|line| line["event"].clone());
        let downloads = events.filter(|event| event["type"] == "filestore.node.downloaded");
        downloads
            .map(|event| event["data"]["range"].clone())
            .collect::<Vec<_>>()
    };
    // An interrupted `get` is one whose service goes away in the middle.
    let half = half_of(&desk, &contents);
    let ran = desk.run(&["get", "files:big", "copy", "--filestore-url", &half.url]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let part: Vec<_> = names(desk.local.path())
        .into_iter()
        .filter(|name| name.ends_with(".part"))
        .collect();
    assert_eq!(part.len(), 1, "what came is kept: {ran:?}");
    assert!(!desk.at("copy").try_exists().unwrap());
    let there = fs::metadata(desk.at(&part[0])).unwrap().len();
    assert!(there > 0 && there < 12_000_000, "{there}");

    let head = desk.deployment.head();
    desk.rows(&["get", "files:big", "copy"]);
    assert!(fs::read(desk.at("copy")).unwrap() == contents);
    assert!(!desk.at(&part[0]).try_exists().unwrap());
    assert!(
        ranges(head).contains(&json!(format!("bytes={there}-"))),
        "{:?}",
        ranges(head)
    );

    // A part that is damaged is thrown away, and said so.
    fs::remove_file(desk.at("copy")).unwrap();
    fs::write(desk.at(&part[0]), vec![7; 1_000]).unwrap();
    let said = desk.refusal(&["get", "files:big", "copy"]);
    assert!(said.contains("arrived damaged"), "{said}");
    assert!(!desk.at("copy").try_exists().unwrap());
    desk.rows(&["get", "files:big", "copy"]);
    assert!(fs::read(desk.at("copy")).unwrap() == contents);
}

/// A service that answers as the real one does, but sends half of what it promises.
fn half_of(desk: &Desk, contents: &[u8]) -> Fake {
    let real = desk.deployment.url(0);
    let half = contents[..contents.len() / 2].to_vec();
    Fake::start(move |asked: &Asked| {
        let query: Vec<_> = asked.query.iter().collect();
        let (real, path) = (real.clone(), asked.path.clone());
        let query: Vec<(String, String)> = query
            .into_iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // The fake answers on a runtime, in which a blocking client may not be.
        let asking = std::thread::spawn(move || {
            let client = reqwest::blocking::Client::new();
            let answer = client
                .get(format!("{real}{path}"))
                .query(&query)
                .send()
                .unwrap();
            let etag = answer
                .headers()
                .get("etag")
                .map(|tag| tag.to_str().unwrap().to_owned());
            (etag, answer.bytes().unwrap().to_vec())
        });
        let (etag, body) = asking.join().unwrap();
        match etag {
            Some(etag) => Answer::broken_off(half.clone(), 12_000_000).header("etag", etag),
            None => Answer::text(body).header("content-type", "application/json"),
        }
    })
}

#[test]
fn files_are_moved_copied_and_deleted_as_with_the_tools_of_the_same_names() {
    let desk = Desk::new();
    desk.write("f", "contents");
    desk.rows(&["mkdir", "files:a/b", "files:c"]);
    let said = desk.refusal(&["mkdir", "files:c"]);
    assert!(said.contains("is there already"), "{said}");
    desk.rows(&["mkdir", "-p", "files:c"]);
    desk.rows(&["put", "f", "files:a/f"]);
    let id = desk.rows(&["stat", "files:a/f"])[0]["id"].clone();

    let moved = desk.rows(&["mv", "files:a/f", "files:c"]);
    assert_eq!((&moved[0]["path"], &moved[0]["id"]), (&json!("c/f"), &id));
    let copied = desk.rows(&["cp", "files:c/f", "files:a/g"]);
    assert_eq!(copied[0]["path"], "a/g");
    let said = desk.refusal(&["cp", "files:a", "files:d"]);
    assert!(said.contains("--recursive"), "{said}");
    desk.rows(&["cp", "-r", "files:a", "files:d"]);
    assert_eq!(names(&desk.mounted("d")), ["b", "g"]);
    let said = desk.refusal(&["mv", "files:a/g", "files:c/f"]);
    assert!(said.contains("is there already"), "{said}");
    desk.rows(&["mv", "--overwrite", "files:a/g", "files:c/f"]);
    desk.rows(&["mv", "files:a", "files:c/f", "files:new/"]);
    assert_eq!(names(&desk.mounted("new")), ["a", "f"]);

    let said = desk.refusal(&["rm", "files:new"]);
    assert!(said.contains("--recursive"), "{said}");
    let said = desk.refusal(&["rm", "files:nothing"]);
    assert!(said.contains("there is no node"), "{said}");
    desk.rows(&["rm", "-f", "files:nothing"]);
    // One that fails does not stop the others.
    let ran = desk.run(&["rm", "-r", "files:new", "files:nothing", "files:d"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("files:nothing"), "{ran:?}");
    assert_eq!(names(&desk.deployment.files()), ["c"]);
    let listed = desk.rows(&["ls", "files:"]);
    assert_eq!(listed.len(), 1);
    desk.deployment.settle();
    desk.deployment.verify();
}

#[test]
fn metadata_is_set_shown_and_removed() {
    let desk = Desk::new();
    desk.write("f", "contents");
    desk.rows(&["put", "f", "files:f"]);
    let words = [
        "meta",
        "set",
        "files:f",
        "colour=red",
        "n=1",
        "tags=[\"a\"]",
    ];
    let set = desk.rows(&words);
    assert_eq!(set[0], json!({"colour": "red", "n": 1, "tags": ["a"]}));
    let one = desk.rows(&["meta", "get", "files:f", "n"]);
    assert_eq!(one[0], json!({"key": "n", "value": 1}));
    let unset = desk.rows(&["meta", "unset", "files:f", "n", "tags"]);
    assert_eq!(unset[0], json!({"colour": "red"}));
    let said = desk.refusal(&["meta", "get", "files:f", "n"]);
    assert!(said.contains("colour"), "{said}");
    let table = desk.run(&["meta", "get", "files:f"]);
    assert_eq!(table.out, "KEY     VALUE\ncolour  red\n");
}

#[test]
fn the_mistakes_of_a_new_user_are_named_with_the_way_out() {
    let desk = Desk::new();
    desk.write("f", "contents");
    fs::create_dir(desk.at("folder")).unwrap();
    desk.rows(&["put", "f", "files:f"]);
    desk.rows(&["mkdir", "files:d"]);
    for (words, expected) in [
        (vec!["put", "nothing", "files:x"], "nothing cannot be read"),
        (vec!["put", "folder", "files:x"], "--recursive"),
        (vec!["put", "f", "nowhere:x"], "there is no mount `nowhere`"),
        (vec!["put", "f", "f", "files:x"], "is not a directory"),
        (
            vec!["put", "f", "f", "files:f"],
            "is a file; name a directory",
        ),
        (vec!["put", "f", "files:f/g"], "is a file"),
        (vec!["put", "-", "files:d"], "has no name"),
        (vec!["get", "files:nothing"], "there is no nothing in"),
        (vec!["get", "files:d"], "--recursive"),
        (vec!["get", "files:d", "-"], "only a file can go to stdout"),
        (vec!["get", "files:f", "nowhere/x"], "nowhere"),
        (vec!["get", "files:f", "folder/../f"], "--overwrite"),
        (vec!["mv", "files:nothing", "files:x"], "there is no node"),
        (vec!["mv", "files:d", "files:d/e"], "into itself"),
        (vec!["mv", "files:", "files:x"], "root of its mount"),
        (vec!["rm", "-r", "files:"], "root of its mount"),
        (vec!["cp", "999999", "files:x"], "there is no node"),
        (
            vec!["meta", "get", "files:nothing"],
            "there is no nothing in",
        ),
    ] {
        let said = desk.refusal(&words);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(said.starts_with("error: "), "{words:?}: {said}");
    }
    // What is no command at all is usage.
    for words in [
        vec!["put", "f"],
        vec!["mv", "files:f"],
        vec!["rm"],
        vec!["meta", "set", "files:f", "colour"],
        vec!["put", "f", "files:x", "--metadata", "[]"],
        vec!["get", "files:f", "--output", "xml"],
    ] {
        let ran = desk.run(&words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}: {ran:?}");
    }
    assert_eq!(names(&desk.deployment.files()), ["d", "f"]);
    assert_eq!(names(desk.local.path()), ["f", "folder"]);
}

/// Reconciliation as the contract has it: the job beside `enqueued`, and then asked for by its id.
fn reconciling(end: &'static str) -> (Fake, tempfile::TempDir) {
    let asked_before = std::sync::atomic::AtomicUsize::new(0);
    let job = |status: &str| {
        let error = (status == "failed").then(|| json!({"message": "the disk is away"}));
        json!({"id": 5, "backendMountId": 1, "path": "a", "reason": "audit", "status": status,
            "result": null, "error": error, "durationMs": 3})
    };
    let fake = Fake::start(move |asked: &Asked| match asked.line().as_str() {
        "GET /v1/backend-mounts" => Answer::json(&json!({"data": {"mounts": [
            {"id": 1, "mountKey": "data", "rootPath": "/srv/data"}]}})),
        "POST /v1/reconciliation" => {
            let expected = json!({"backendMountId": 1, "path": "a", "reason": "audit",
                "detectChildren": true, "requestedHash": false});
            assert_eq!(asked.json(), expected);
            let data = json!({"data": {"enqueued": true, "job": job("queued")}});
            Answer::json(&data).status(202)
        }
        "GET /v1/reconciliation/jobs/5" => {
            let before = asked_before.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let status = if before < 2 { "running" } else { end };
            Answer::json(&json!({ "data": job(status) }))
        }
        _ => Answer::not_found(),
    });
    (fake, tempfile::tempdir().unwrap())
}

#[test]
fn a_reconciliation_is_followed_to_its_end() {
    let words = [
        "reconcile",
        "-r",
        "--reason",
        "audit",
        "data:a",
        "-o",
        "json",
    ];
    let (fake, dir) = reconciling("succeeded");
    let mut command = crate::fake::tidemark(dir.path(), &words);
    command.env("FILESTORE_URL", &fake.url);
    let ran = crate::fake::run(command);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(ran.json()[0]["status"], "succeeded");

    let (fake, dir) = reconciling("failed");
    let mut command = crate::fake::tidemark(dir.path(), &words);
    command.env("FILESTORE_URL", &fake.url);
    let ran = crate::fake::run(command);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "the reconciliation failed: the disk is away\n");

    let (fake, dir) = reconciling("succeeded");
    let mut command = crate::fake::tidemark(dir.path(), &[&words[..], &["--no-wait"]].concat());
    command.env("FILESTORE_URL", &fake.url);
    let ran = crate::fake::run(command);
    assert_eq!((ran.code, &ran.json()[0]["status"]), (0, &json!("queued")));
    fake.asked_once("POST /v1/reconciliation");
}
