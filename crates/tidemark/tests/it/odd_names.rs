//! Names, roots and folders as odd as Linux allows, on the command line.

use crate::deployment::{Deployment, LONG};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use testkit::Process;

/// What a command printed, and whether it ended well.
#[derive(Debug)]
struct Ran {
    is_good: bool,
    out: String,
    err: String,
}

/// A folder that `tidemark dev` follows.
struct Desk {
    deployment: Deployment,
    root: PathBuf,
}

impl Desk {
    /// With a root of this name, and files of these names in it.
    fn new(root: &[u8], names: &[Vec<u8>]) -> Self {
        let mut deployment = Deployment::with_settings("inline", &[("FILESTORE_WATCH", "true")]);
        let root = deployment.folder().join(OsStr::from_bytes(root));
        std::fs::create_dir(&root).unwrap();
        for name in names {
            std::fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
        }
        let mut command = deployment.command();
        let process = Process::spawn(command.arg("dev").arg(&root));
        process.wait_for_stdout("following changes", LONG);
        deployment.processes.push(("dev", process));
        Self { deployment, root }
    }

    /// In the root as the current folder.
    fn run(&self, words: &[&OsStr]) -> Ran {
        let mut command = self.deployment.command();
        let output = command
            .args(words)
            .current_dir(&self.root)
            .output()
            .unwrap();
        Ran {
            is_good: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn good(&self, words: &[&OsStr]) -> Vec<Value> {
        let ran = self.run(&[words, &["--output".as_ref(), "json".as_ref()]].concat());
        assert!(ran.is_good, "{words:?}: {ran:?}");
        let rows: Value = serde_json::from_str(&ran.out).unwrap();
        rows.as_array().unwrap().clone()
    }

    fn mount_key(&self) -> String {
        let mounts = self.good(&["mounts".as_ref(), "list".as_ref()]);
        mounts[0]["mountKey"].as_str().unwrap().to_owned()
    }
}

fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"caf\xe9"[..],
        b"two\nlines",
        b"-rf",
        b" spaces ",
        b"100%25?#&",
        b"a:b",
        b"quo'te\"s",
        b"\\xe9",
        b"..hidden",
        "private \u{efe9}".as_bytes(),
        b"42",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push(vec![b'n'; 255]);
    names.push(vec![0xff; 255]);
    names
}

fn joined(before: &str, bytes: &[u8]) -> OsString {
    OsString::from_vec([before.as_bytes(), bytes].concat())
}

#[test]
fn every_command_takes_every_name_however_it_is_written() {
    let desk = Desk::new(b"m\xfcsik", &names());
    let key = desk.mount_key();
    let word = OsStr::new;
    for name in names() {
        let spelled = node::name::from_bytes(&name);
        let path = desk.root.join(OsStr::from_bytes(&name));
        // A path, a name in the current folder, and the spelling of the books.
        let mut ways = vec![
            path.clone().into_os_string(),
            joined("./", &name),
            joined(&format!("{key}:"), spelled.as_bytes()),
        ];
        // These bytes are the spelling of another name.
        if !node::name::is_spelling(&String::from_utf8_lossy(&name)) || spelled.as_bytes() == name {
            ways.push(joined(&format!("{key}:"), &name));
        }
        for way in &ways {
            let node = desk.good(&[word("stat"), way]);
            assert_eq!(node[0]["path"], *spelled, "{way:?}");
        }
        let way = ways[0].as_os_str();
        assert_eq!(desk.good(&[word("ls"), way])[0]["path"], *spelled);
        desk.good(&[word("meta"), word("set"), way, word("a=1")]);
        desk.good(&[word("tag"), word("add"), way, word("odd")]);
        desk.good(&[word("reconcile"), way]);
        desk.good(&[word("as-of"), word("0s"), way]);
        let copy = joined("copies/", &name);
        desk.good(&[word("cp"), way, &copy]);
        desk.good(&[word("mv"), &copy, word("moved/")]);
        let moved = joined("moved/", &name);
        let got = desk.deployment.folder().join("got");
        desk.good(&[word("get"), &moved, got.as_os_str()]);
        assert_eq!(std::fs::read(&got).unwrap(), name);
        std::fs::remove_file(&got).unwrap();
        desk.good(&[word("rm"), &moved]);
        let local = desk.deployment.folder().join(OsStr::from_bytes(&name));
        std::fs::write(&local, b"local").unwrap();
        desk.good(&[word("put"), local.as_os_str(), word("put/")]);
        let there = desk.root.join("put").join(OsStr::from_bytes(&name));
        assert_eq!(std::fs::read(there).unwrap(), b"local");
        desk.good(&[word("mkdir"), &joined("made/", &name)]);
        assert!(
            desk.root
                .join("made")
                .join(OsStr::from_bytes(&name))
                .is_dir()
        );
    }
    let ran = desk.run(&[word("verify")]);
    assert!(ran.is_good, "{ran:?}");
}

#[test]
fn a_root_that_is_not_utf8_is_a_mount_like_any_other() {
    let desk = Desk::new(b"m\xfcsik \xff", &[b"f".to_vec()]);
    let root = desk.root.as_os_str();
    let word = OsStr::new;
    assert_eq!(desk.good(&[word("ls"), root])[0]["path"], "f");
    assert_eq!(desk.good(&[word("ls")])[0]["path"], "f");
    assert_eq!(desk.good(&[word("scan"), root])[0]["status"], "succeeded");
    // What an answer says of it can be typed.
    let mounts = desk.good(&[word("mounts"), word("list")]);
    let said = mounts[0]["rootPath"].as_str().unwrap();
    assert_eq!(desk.good(&[word("ls"), said.as_ref()])[0]["path"], "f");
    let set = [
        word("mounts"),
        word("set"),
        root,
        word("--name"),
        word("Music"),
    ];
    assert_eq!(desk.good(&set)[0]["displayName"], "Music");

    let other = desk
        .deployment
        .folder()
        .join(OsStr::from_bytes(b"more \xfe"));
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("g"), "").unwrap();
    let add = [
        word("mounts"),
        word("add"),
        other.as_os_str(),
        word("--key"),
        word("more"),
    ];
    desk.good(&add);
    desk.good(&[word("scan"), word("more")]);
    assert_eq!(desk.good(&[word("ls"), other.as_os_str()])[0]["path"], "g");
    // Outside every mount: on one line, with what to type.
    let outside = desk
        .deployment
        .folder()
        .join(OsStr::from_bytes(b"out\nside\xfe"));
    let ran = desk.run(&[word("ls"), outside.as_os_str()]);
    assert!(!ran.is_good);
    let says = "/out\\nside\\xfe is in no mount; the mounts are at ";
    assert!(
        ran.err.contains(says) && ran.err.lines().count() == 1,
        "{ran:?}"
    );
}

#[test]
fn a_name_of_a_table_is_on_one_line_and_shows_every_byte() {
    let names = [b"caf\xe9".to_vec(), b"two\nlines \x1b[31m".to_vec()];
    let desk = Desk::new(b"root", &names);
    let ran = desk.run(&[OsStr::new("ls")]);
    let first: Vec<_> = ran.out.lines().map(|line| &line[..10]).collect();
    assert_eq!(first.len(), 3, "{}", ran.out);
    assert!(ran.out.contains("caf\\xe9 ") && ran.out.contains("two\\nlines \\u{1b}[31m "));
    let ran = desk.run(&[OsStr::new("tree"), OsStr::new("root:")]);
    assert!(
        ran.out
            .ends_with("── caf\\xe9\n     15  └── two\\nlines \\u{1b}[31m\n"),
        "{}",
        ran.out
    );
}

/// Starts on this folder of the data, proves that the books agree, and starts once more.
fn keeps_its_books_in(data_dir: &Path) {
    let mut deployment = Deployment::with_settings("inline", &[("FILESTORE_WATCH", "true")]);
    testkit::tree(deployment.files(), "a/b 100\nc 3\n");
    for _ in 0..2 {
        let mut command = deployment.command();
        command.env("TIDEMARK_DATA_DIR", data_dir);
        let process = Process::spawn(command.arg("dev").arg(deployment.files()));
        process.wait_for_stdout("following changes", LONG);
        deployment.processes.push(("dev", process));
        for words in [
            &["verify"][..],
            &["ls", "files:a"],
            &["growth"],
            &["sql", "SELECT count(*) FROM filestore_activity"],
        ] {
            let output = deployment.command().args(words).output().unwrap();
            assert!(
                output.status.success(),
                "{}: {output:?}",
                data_dir.display()
            );
        }
        deployment.stop("dev");
    }
    let names: Vec<_> = std::fs::read_dir(data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    for name in ["filestore.db", "metastore.db", "timestore.duckdb"] {
        assert!(names.contains(&name.into()), "{name} in {names:?}");
    }
}

#[test]
fn a_folder_of_the_data_may_have_any_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        &b"what mode=memory&x#frag"[..],
        b"100%41 of it",
        b"qu'ote\" and \\ ; --",
        b"file:data",
        b"s3:data*[a]",
        b"d\xe9t\xff",
        b"two\nlines",
    ] {
        keeps_its_books_in(&dir.path().join(OsStr::from_bytes(name)));
    }
}

#[test]
fn a_question_mark_is_refused_for_the_timestore_and_its_setting_named() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("what?mode=memory");
    let deployment = Deployment::new("inline");
    let dev = |url: Option<&str>| {
        let mut command = deployment.command();
        command.env("TIDEMARK_DATA_DIR", &data_dir);
        if let Some(url) = url {
            command.env("TIMESTORE_DATABASE_URL", url);
        }
        command.arg("dev").arg(deployment.files());
        command
    };
    let refused = dev(None).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("TIMESTORE_DATABASE_URL"), "{said}");
    let elsewhere = format!("duckdb:{}", dir.path().join("history.duckdb").display());
    let process = Process::spawn(&mut dev(Some(&elsewhere)));
    process.wait_for_stdout("following changes", LONG);
    assert!(data_dir.join("filestore.db").is_file());
}

#[test]
fn a_relative_folder_of_the_data_is_no_url() {
    let dir = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::new("inline");
    let mut command = deployment.command();
    command
        .env("TIDEMARK_DATA_DIR", "file:data")
        .current_dir(dir.path())
        .arg("dev")
        .arg(deployment.files());
    let process = Process::spawn(&mut command);
    process.wait_for_stdout("following changes", LONG);
    deployment.processes.push(("dev", process));
    assert!(dir.path().join("file:data/filestore.db").is_file());
    assert!(dir.path().join("file:data/timestore.duckdb").is_file());
    deployment.stop("dev");
}
