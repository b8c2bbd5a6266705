//! Reconciliation jobs of the real service: the command line asks, the process dies in one, and the
//! timestore tells how they ended.

use crate::deployment::{Deployment, LONG};
use serde_json::Value;
use testkit::wait_for;

/// So long that nobody hashes it while a test runs; it takes no room.
const ENDLESS: u64 = 1 << 40;

fn reconcile(deployment: &Deployment, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["reconcile", "--output", "ndjson"], arguments].concat();
    let output = deployment.run(&arguments);
    let job = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        job.unwrap_or_else(|error| panic!("{error}: {output:?}")),
    )
}

fn wait_for_status(deployment: &Deployment, job: &Value, status: &str) -> Value {
    let path = format!("/v1/reconciliation/jobs/{}", job["id"]);
    wait_for(&format!("{job} to be {status}"), LONG, || {
        let job = deployment.get(0, &path)?["data"].clone();
        if job["status"] == status {
            Ok(job)
        } else {
            Err(job.to_string())
        }
    })
}

#[test]
fn jobs_are_resumed_after_a_death_and_stopped_when_asked_and_the_timestore_knows() {
    let mut deployment = Deployment::together("inline");
    let root = deployment.files();
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("d/file"), "12345").unwrap();
    let endless = std::fs::File::create(root.join("d/endless")).unwrap();
    endless.set_len(ENDLESS).unwrap();
    let (code, all) = reconcile(&deployment, &["-r", "files:"]);
    assert_eq!(
        (code, &all["status"]),
        (Some(0), &"succeeded".into()),
        "{all}"
    );
    assert_eq!(all["result"]["changes"]["created"], 3, "{all}");
    let (code, gone) = reconcile(&deployment, &["files:nothing"]);
    assert_eq!(
        (code, &gone["status"]),
        (Some(0), &"skipped".into()),
        "{gone}"
    );

    // The process dies in a job; the next one begins it again.
    let (code, job) = reconcile(&deployment, &["--no-wait", "--hash", "files:d/endless"]);
    assert_eq!(code, Some(0), "{job}");
    let running = wait_for_status(&deployment, &job, "running");
    assert_eq!(running["attempt"], 1);
    deployment.kill("all");
    deployment.start("all");
    let running = wait_for_status(&deployment, &job, "running");
    assert_eq!(running["attempt"], 2, "{running}");
    endless.set_len(5).unwrap();
    let ended = wait_for_status(&deployment, &job, "succeeded");
    assert_eq!(ended["attempt"], 2);
    // It shrank while it was hashed: a hash is of a file as the catalogue has it, or of none.
    let (_, hashed) = reconcile(&deployment, &["--hash", "files:d/endless"]);
    let hash = format!("blake3:{}", blake3::hash(&[0; 5]));
    assert_eq!(hashed["result"]["contentHash"], hash, "{hashed}");

    // A job is stopped while it runs, and leaves the mount to the next.
    endless.set_len(ENDLESS).unwrap();
    let (_, job) = reconcile(&deployment, &["--no-wait", "--hash", "files:d/endless"]);
    wait_for_status(&deployment, &job, "running");
    let waiting = std::thread::scope(|scope| {
        // Somebody waits for it, and is told.
        let waiting = scope.spawn(|| reconcile(&deployment, &["--hash", "files:d/file"]));
        let path = format!("/v1/reconciliation/jobs/{}", job["id"]);
        assert_eq!(deployment.delete_at(0, &path), 202);
        waiting.join().unwrap()
    });
    let stopped = wait_for_status(&deployment, &job, "cancelled");
    assert!(stopped["completedAt"].is_string(), "{stopped}");
    let (code, hashed) = waiting;
    assert_eq!((code, &hashed["status"]), (Some(0), &"succeeded".into()));
    let hash = format!("blake3:{}", blake3::hash(b"12345"));
    assert_eq!(hashed["result"]["contentHash"], hash, "{hashed}");

    deployment.settle();
    let days = deployment.get(2, "/filestore/reconciliation").unwrap();
    let days = days["rows"].as_array().unwrap();
    let sum = |name: &str| {
        days.iter()
            .map(|day| day[name].as_i64().unwrap())
            .sum::<i64>()
    };
    let counts = ["jobsCompleted", "jobsFailed", "jobsCancelled"].map(sum);
    assert_eq!(counts, [5, 0, 1], "{days:?}");
    assert!(sum("nodesReconciled") >= 1, "{days:?}");
    deployment.verify();
}
