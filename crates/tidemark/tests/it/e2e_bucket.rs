//! A bucket by the real executable: mounted, filled, changed by others, and told by both books.
//! Credentials come from the environment of the service.

use crate::deployment::{Deployment, LONG};
use crate::fake::{Answer, Fake};
use serde_json::{Value, json};
use testkit::{S3Server, wait_for};

const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "KEYOFTHEENVIRONMENT"),
    ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
    ("AWS_SESSION_TOKEN", "token-of-the-environment"),
];

/// Runs a command line that must succeed; what it printed.
fn run(deployment: &Deployment, args: &[&str]) -> String {
    let ran = deployment.run(args);
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{args:?}: {error}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_bucket_is_worked_with_on_the_command_line_and_both_books_follow() {
    let s3 = S3Server::start();
    s3.create_bucket("data");
    s3.put("data", "team/there/before", "was there");
    s3.put("data", "other/not-ours", "x");
    let mut deployment = Deployment::with_settings("inline", &CREDENTIALS);
    deployment.start("all");
    let url = s3.url();
    let add = [
        "mounts",
        "add",
        "s3://data/team",
        "--key",
        "films",
        "--endpoint",
        &url,
    ];
    let refused = deployment.run(&add);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        error.contains("allowHttp") && !error.contains("hush"),
        "{error}"
    );
    let added = run(
        &deployment,
        &[&add[..], &["--allow-http", "-o", "json"]].concat(),
    );
    let mounts: Value = serde_json::from_str(&added).unwrap();
    deployment.mount_id = mounts[0]["id"].as_i64().unwrap();
    assert_eq!(mounts[0]["location"], "s3://data/team");
    run(&deployment, &["scan", "films"]);

    let tree = deployment.files().join("tree");
    std::fs::create_dir_all(tree.join("deep")).unwrap();
    std::fs::write(tree.join("deep/a"), "a").unwrap();
    std::fs::write(tree.join("b"), "bb".repeat(5_000_000)).unwrap();
    let tree = tree.to_str().unwrap();
    run(&deployment, &["put", "-r", tree, "films:"]);
    run(&deployment, &["cp", "-r", "films:tree", "films:copy"]);
    run(&deployment, &["mv", "films:copy/b", "films:there/"]);
    run(&deployment, &["rm", "-r", "films:copy"]);
    let listed = run(&deployment, &["ls", "films:there", "-o", "csv"]);
    assert!(
        listed.contains("before") && listed.contains("10000000"),
        "{listed}"
    );
    let got = deployment.files().join("got");
    run(
        &deployment,
        &["get", "-r", "films:tree", got.to_str().unwrap()],
    );
    assert_eq!(std::fs::read_to_string(got.join("deep/a")).unwrap(), "a");
    // The commands that make directories mark them.
    let mut keys = s3.keys("data");
    keys.retain(|key| !key.ends_with('/'));
    let expected = [
        "other/not-ours",
        "team/there/b",
        "team/there/before",
        "team/tree/b",
        "team/tree/deep/a",
    ];
    assert_eq!(keys, expected);

    // What others do is found when it is asked for.
    s3.delete("data", "team/tree/deep/a");
    s3.put("data", "team/there/before", "is another now");
    run(&deployment, &["reconcile", "-r", "films:"]);
    deployment.settle();
    deployment.verify();
    let record = |path: &str| {
        let search = json!({"namespace": "filestore", "includeDeleted": true,
            "filter": {"field": "metadata.filestore.path", "operator": "eq", "value": path}});
        let found = deployment.post(1, "/records/search", &search).unwrap();
        found["records"][0]["metadata"]["filestore"].clone()
    };
    assert_eq!(record("tree/deep/a")["state"], "missing");
    assert_eq!(record("there/before")["sizeBytes"], 14);
    let sql = json!({"sql": "SELECT event_type, path, size_delta FROM filestore_activity \
        WHERE event_type IN ('filestore.node.missing', 'filestore.node.reconciled') \
        AND path IN ('tree/deep/a', 'there/before') ORDER BY path"});
    let rows = deployment.post(2, "/sql/read", &sql).unwrap();
    assert_eq!(
        rows["rows"],
        json!([
            {"event_type": "filestore.node.reconciled", "path": "there/before", "size_delta": 5},
            {"event_type": "filestore.node.missing", "path": "tree/deep/a", "size_delta": -1},
        ])
    );
}

#[test]
fn requests_are_signed_by_the_credentials_of_the_environment() {
    let s3 = Fake::start(|_| {
        Answer::text(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>data</Name>\
             <IsTruncated>false</IsTruncated></ListBucketResult>",
        )
    });
    let mut deployment = Deployment::with_settings("inline", &CREDENTIALS);
    deployment.start("all");
    let add = [
        "mounts",
        "add",
        "s3://data",
        "--endpoint",
        &s3.url,
        "--allow-http",
        "--region",
    ];
    run(&deployment, &[&add[..], &["eu-central-1"]].concat());
    let asked = wait_for("a request", LONG, || {
        s3.asked().first().cloned().ok_or("none")
    });
    let header = |name: &str| asked.headers[name].to_str().unwrap();
    let authorization = header("authorization");
    assert!(
        authorization.contains("Credential=KEYOFTHEENVIRONMENT/")
            && authorization.contains("/eu-central-1/s3/aws4_request"),
        "{authorization}"
    );
    assert_eq!(header("x-amz-security-token"), "token-of-the-environment");
    assert!(asked.path.starts_with("/data"), "{asked:?}");
    let known = deployment.body(0, "/v1/backend-mounts");
    assert!(
        !known.contains("KEYOF") && !known.contains("hush"),
        "{known}"
    );
}
