//! The samples of the documentation, run as they are printed.

use crate::deployment::Deployment;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// The fenced blocks of this language in a page at the repository's root.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(info)) if info == language => block = Some(String::new()),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some(open), None) => {
                open.push_str(line);
                open.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// A tree with everything that the samples speak of, known to all three books.
fn deployment() -> Deployment {
    let mut deployment = Deployment::new("inline");
    testkit::tree(
        deployment.files(),
        "srv/data/plan.txt 40\nsrv/data/notes.txt 7\nbig.bin 9000\n",
    );
    deployment.start("dev");
    let mounts = deployment.get(0, "/v1/backend-mounts").unwrap();
    let mounts = mounts["data"]["mounts"]
        .as_array()
        .or(mounts["data"].as_array())
        .unwrap();
    deployment.mount_id = mounts[0]["id"].as_i64().unwrap();
    testkit::wait_for("the tree to be catalogued", crate::deployment::LONG, || {
        let head = deployment.head();
        if head >= 7 { Ok(()) } else { Err(head) }
    });
    deployment
        .upload("srv/data/plan.txt", b"a better plan")
        .unwrap();
    deployment.settle();
    deployment
}

fn run_shell(deployment: &Deployment, script: &str) {
    let mut script = script.to_owned();
    for (printed, real) in [4200, 4100, 4300].into_iter().zip(deployment.ports) {
        script = script.replace(&format!(":{printed}"), &format!(":{real}"));
    }
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!output.stdout.is_empty(), "no answer to\n{script}");
}

#[test]
fn every_sql_sample_answers_with_rows() {
    let deployment = deployment();
    let samples = blocks("docs/activity.md", "sql");
    assert!(samples.len() >= 7, "the samples are found");
    for sql in samples {
        let answer = deployment.post(2, "/sql/read", &json!({"sql": sql}));
        let answer = answer.unwrap_or_else(|error| panic!("{sql}\n{error}"));
        assert!(answer["rows"].is_array(), "{sql}\n{answer}");
        // Nothing has drifted in this tree, so this one sample alone has nothing to show.
        let is_drift = sql.contains("reconciliation_reason");
        assert_eq!(
            answer["rows"].as_array().unwrap().is_empty(),
            is_drift,
            "{sql}\n{answer}"
        );
    }
}

#[test]
fn every_curl_sample_answers() {
    let deployment = deployment();
    let mut count = 0;
    for page in ["README.md", "docs/activity.md", "docs/records.md"] {
        for script in blocks(page, "sh")
            .iter()
            .filter(|script| script.contains("curl"))
        {
            run_shell(&deployment, script);
            count += 1;
        }
    }
    assert!(count >= 7, "the samples are found: {count}");
}
