//! The promise: whatever fails, each book ends where the journal says, and nothing is doubled.

use crate::deployment::{Deployment, LONG, many_files};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::{RedisServer, wait_for};

/// `count` commands of every kind by REST, from several clients at once. Returns when all are
/// answered.
fn commands(deployment: &Deployment, round: &str, count: usize) {
    const CLIENTS: usize = 8;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let next = &next;
            scope.spawn(move || {
                let root = format!("{round}/c{client}");
                deployment.make_directory(&root).unwrap();
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && at < count - CLIENTS
                {
                    command(deployment, &root, at);
                }
            });
        }
    });
}

fn command(deployment: &Deployment, root: &str, at: usize) {
    let file = format!("{root}/f{}", at / 40);
    let outcome = match at % 5 {
        0 => deployment.make_directory(&format!("{root}/d{at}")),
        1 => deployment.upload(&file, format!("contents {at}").as_bytes()),
        2 => deployment.upload(&format!("{root}/one{at}"), b"1"),
        3 => deployment
            .upload(&format!("{root}/two{at}"), b"22")
            .and_then(|_| {
                deployment.move_node(&format!("{root}/two{at}"), &format!("{root}/moved{at}"))
            }),
        _ => deployment
            .make_directory(&format!("{root}/gone{at}"))
            .and_then(|_| deployment.delete(&format!("{root}/gone{at}"))),
    };
    outcome.unwrap_or_else(|error| panic!("command {at}: {error}"));
}

/// Every journal entry is a row exactly once, and the three books agree.
fn is_complete(deployment: &Deployment) {
    deployment.settle();
    let head = deployment.head();
    assert_eq!(
        deployment.activity(),
        (head, head, head),
        "rows, distinct rows, last row"
    );
    for service in [1, 2] {
        let health = deployment.health(service);
        assert_eq!(health["status"], "ok", "{health}");
        assert_eq!(health["deadLetters"], 0, "{health}");
    }
    deployment.verify();
}

#[test]
fn three_processes_over_redis_lose_and_double_nothing_while_redis_is_killed() {
    let mut redis = RedisServer::start();
    let deployment = Deployment::apart(&redis.url());
    commands(&deployment, "before", 1_000);
    is_complete(&deployment);

    redis.kill();
    commands(&deployment, "during", 1_000);
    // The consumers went on from the journal while Redis was away.
    deployment.settle();
    for service in [1, 2] {
        wait_for("the bus to be seen as lost", LONG, || {
            let health = deployment.health(service);
            if health["bus"]["state"] == "live" {
                Err(health)
            } else {
                Ok(())
            }
        });
    }
    is_complete(&deployment);
    // So long that each session was begun anew a few times in vain.
    for service in [1, 2] {
        wait_for("the session to be begun anew in vain", LONG, || {
            let retries = deployment.health(service)["retries"]["connect"].clone();
            if retries.as_u64() >= Some(3) {
                Ok(())
            } else {
                Err(retries)
            }
        });
    }
    redis.start_again();
    for service in [1, 2] {
        wait_for("the bus to be live again", LONG, || {
            let health = deployment.health(service);
            if health["bus"]["state"] == "live" {
                Ok(())
            } else {
                Err(health)
            }
        });
    }
    commands(&deployment, "after", 100);
    is_complete(&deployment);
}

#[test]
fn three_processes_without_redis_lose_and_double_nothing() {
    let deployment = Deployment::apart("inline");
    commands(&deployment, "one", 1_000);
    is_complete(&deployment);
    commands(&deployment, "two", 1_000);
    is_complete(&deployment);
}

#[test]
fn one_process_loses_and_doubles_nothing() {
    let deployment = Deployment::together("inline");
    commands(&deployment, "one", 1_000);
    is_complete(&deployment);
    commands(&deployment, "two", 1_000);
    is_complete(&deployment);
}

/// Starts a scan of 100,000 files and returns while the consumers are in the middle of it.
fn in_the_middle_of_a_scan(deployment: &Deployment, service: usize) {
    many_files(&deployment.files(), 100, 1_000);
    let path = format!("/v1/backend-mounts/{}/scan", deployment.mount_id);
    deployment.post(0, &path, &json!({})).unwrap();
    wait_for("the consumer to be under way", LONG, || {
        let checkpoint = deployment.health(service)["checkpoint"]
            .as_u64()
            .unwrap_or_default();
        if checkpoint > 5_000 {
            Ok(())
        } else {
            Err(checkpoint)
        }
    });
}

/// A scan that wrote anything ends with exactly one `filestore.command.completed`.
fn scan_is_complete(deployment: &Deployment) {
    let sql = "SELECT count(*) AS n FROM filestore_activity \
               WHERE event_type = 'filestore.command.completed' AND command = 'scan'";
    wait_for("the scan to be in the activity", LONG, || {
        let answer = deployment.post(2, "/sql/read", &json!({"sql": sql}));
        match answer {
            Ok(answer) if answer["rows"][0]["n"] == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    is_complete(deployment);
}

#[test]
fn a_consumer_killed_in_the_middle_of_100_000_entries_goes_on_from_its_checkpoint() {
    let mut deployment = Deployment::apart("inline");
    in_the_middle_of_a_scan(&deployment, 1);
    for service in ["metastore", "timestore"] {
        deployment.kill(service);
        deployment.start(service);
    }
    scan_is_complete(&deployment);
}

#[test]
fn a_whole_process_killed_in_the_middle_of_100_000_entries_goes_on() {
    let mut deployment = Deployment::new("inline");
    many_files(&deployment.files(), 100, 1_000);
    deployment.start("dev");
    wait_for("the consumer to be under way", LONG, || {
        let checkpoint = deployment.health(2)["checkpoint"]
            .as_u64()
            .unwrap_or_default();
        if checkpoint > 5_000 {
            Ok(())
        } else {
            Err(checkpoint)
        }
    });
    deployment.kill("dev");
    // The scan begins again by itself and writes only what is missing.
    deployment.start("dev");
    scan_is_complete(&deployment);
    let nodes = deployment.run(&[
        "sql",
        "--output",
        "csv",
        "SELECT count(DISTINCT node_id) AS n FROM filestore_activity",
    ]);
    let text = String::from_utf8_lossy(&nodes.stdout).into_owned();
    // 100,000 files, 100 directories and the root.
    assert_eq!(text.split_whitespace().last(), Some("100101"), "{text}");
}
