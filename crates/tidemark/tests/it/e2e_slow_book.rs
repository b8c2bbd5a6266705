//! A book that cannot be written holds up nobody else.

use crate::deployment::{Deployment, LONG};
use rusqlite::{Connection, OpenFlags};
use testkit::wait_for;

#[test]
fn a_metastore_that_cannot_write_holds_up_neither_the_timestore_nor_the_commands() {
    let deployment = Deployment::together("inline");
    deployment.make_directory("before").unwrap();
    deployment.settle();
    let reached = deployment.head();

    // Somebody else holds the metastore's file.
    let path = deployment.data_dir().join("metastore.db");
    let held = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for number in 0..100 {
        deployment
            .make_directory(&format!("during/{number}"))
            .unwrap();
    }
    let head = deployment.head();
    assert!(head >= reached + 200, "every command was committed");
    wait_for("the timestore to reach the head", LONG, || {
        let health = deployment.health(2);
        (health["checkpoint"] == head).then_some(()).ok_or(health)
    });
    assert_eq!(deployment.activity(), (head, head, head));
    // It sees the head when it tries again.
    let health = wait_for("the metastore to say why it waits", LONG, || {
        let health = deployment.health(1);
        let is_told = health["lastError"].is_string() && health["lagEntries"] == head - reached;
        is_told.then(|| health.clone()).ok_or(health)
    });
    assert_eq!(health["checkpoint"], reached, "{health}");

    held.execute_batch("ROLLBACK").unwrap();
    deployment.settle();
    deployment.verify();
}
