//! The real thing under faults: every shape once, some seeds of `soak`, a full disk, and a stop in
//! the middle of a batch.

use crate::deployment::{Deployment, LONG, many_files};
use serde_json::json;
use soak::schedule::{self, Plan};
use soak::shape::Shape;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use testkit::{SmallDisk, wait_for};

/// Runs a plan; every fault of it must have been injected and caught up with.
fn run(plan: &Plan) {
    let outcome = schedule::run(plan).unwrap_or_else(|difference| panic!("{difference}"));
    assert_eq!(outcome.caught_up.len(), plan.steps.len());
    assert!(outcome.commands > 0 && outcome.entries >= outcome.commands);
    assert!(outcome.health.looks > 0);
}

#[test]
fn every_shape_of_a_bus_outage_loses_and_doubles_nothing() {
    run(&Plan::through(1, &Shape::BUS));
}

#[test]
fn every_death_of_a_service_loses_and_doubles_nothing() {
    run(&Plan::through(2, &Shape::ALL[..10]));
}

#[test]
fn a_journal_out_of_reach_and_full_disks_lose_and_double_nothing() {
    let shapes = [
        Shape::DiskFullMetastore,
        Shape::DiskFullTimestore,
        Shape::JournalDownAtStart,
        Shape::JournalCut,
        Shape::JournalStalled,
    ];
    run(&Plan::through(3, &shapes));
}

#[test]
fn damage_to_the_files_of_any_service_is_noticed_and_healed_or_harmless() {
    run(&Plan::through(4, &Shape::DAMAGE));
}

#[test]
fn schedules_of_faults_by_seed_lose_and_double_nothing() {
    for seed in 0..3 {
        run(&Plan::of_seed(seed));
    }
}

#[test]
fn a_metastore_whose_disk_is_full_waits_says_so_and_catches_up() {
    let disk = SmallDisk::mount(16 << 20);
    let mut deployment = Deployment::new("inline");
    let database = format!("sqlite:{}", disk.path().join("book.db").display());
    let of_metastore = deployment.settings_of.entry("metastore").or_default();
    of_metastore.insert("METASTORE_DATABASE_URL".to_owned(), database);
    let patience = "METASTORE_FILESTORE_STALL_THRESHOLD_SECONDS".to_owned();
    deployment.settings.insert(patience, "1".to_owned());
    deployment.start_apart();
    deployment.make_directory("before").unwrap();
    deployment.settle();
    disk.fill();
    let memory_before = deployment.process("metastore").memory_bytes();

    // More than the room that a database has within itself.
    many_files(&deployment.files(), 20, 1_000);
    let scan = deployment.run(&["scan"]);
    assert!(scan.status.success(), "{scan:?}");
    let head = deployment.head();
    wait_for("the timestore to go on", LONG, || {
        let health = deployment.health(2);
        (health["checkpoint"].as_u64() >= Some(head))
            .then_some(())
            .ok_or(health)
    });
    assert_eq!(deployment.health(2)["status"], "ok");
    let health = wait_for("the metastore to say that its disk is full", LONG, || {
        let health = deployment.health(1);
        let is_said = health["status"] == "stalled"
            && health["lastError"]
                .as_str()
                .is_some_and(|error| error.contains("full"));
        if is_said { Ok(health) } else { Err(health) }
    });
    assert!(health["lagEntries"].as_u64() > Some(0), "{health}");
    let refused = deployment.get(1, "/filestore/health").unwrap_err();
    assert!(refused.starts_with("503"), "{refused}");
    let tries = health["retries"]["processing"].as_u64().unwrap();
    wait_for("more tries", LONG, || {
        let health = deployment.health(1);
        health["retries"]["processing"].as_u64() >= Some(tries + 3)
    });
    // A batch is at most a page of the journal; what waits is on filestore's disk.
    let grown = deployment
        .process("metastore")
        .memory_bytes()
        .saturating_sub(memory_before);
    assert!(grown < 96 << 20, "memory grew by {grown} bytes");
    // What people ask is answered, and what they write is refused rather than lost.
    deployment.get(1, "/namespaces").unwrap();

    disk.make_room();
    deployment.settle();
    wait_for("the metastore to be well", LONG, || {
        deployment.health(1)["status"] == "ok"
    });
    deployment.verify();
}

/// A deployment whose consumers are in the middle of many entries, a small batch at a time.
fn busy() -> Deployment {
    let mut deployment = Deployment::new("inline");
    let setting = ("FEED_BATCH_MAX_ENTRIES".to_owned(), "200".to_owned());
    deployment.settings.extend([setting]);
    deployment.start_apart();
    many_files(&deployment.files(), 20, 1_000);
    let scan = deployment.run(&["scan"]);
    assert!(scan.status.success(), "{scan:?}");
    deployment
}

#[test]
fn a_stop_finishes_the_batch_in_hand_and_says_so() {
    let mut deployment = busy();
    for service in ["metastore", "timestore"] {
        let process = deployment.process(service);
        process.terminate();
        let status = process.wait(LONG);
        assert!(status.success(), "{service}: {status}");
        let said = process.stderr();
        assert!(said.contains("a second signal aborts"), "{said}");
        assert!(said.contains("consumer stopped after the batch"), "{said}");
        deployment.processes.retain(|(name, _)| *name != service);
        deployment.start(service);
    }
    deployment.settle();
    deployment.verify();
    let head = deployment.head();
    assert_eq!(deployment.activity(), (head, head, head));
}

#[test]
fn a_second_signal_aborts_and_the_next_start_goes_on() {
    let mut deployment = busy();
    // A request that hangs keeps the first signal from ending the process. `100 Continue` says that
    // its body is being read; before that, it may be turned away unheard.
    let address = ("127.0.0.1", deployment.ports[1]);
    let mut hanging = std::net::TcpStream::connect(address).unwrap();
    hanging.set_read_timeout(Some(LONG)).unwrap();
    let head = "POST /records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n";
    hanging.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    hanging.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    let process = deployment.process("metastore");
    process.interrupt();
    process.wait_for_stderr("a second signal aborts", LONG);
    assert!(process.is_running(), "it waits for the request");
    process.interrupt();
    let status = process.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(130));
    let said = process.stderr();
    assert!(said.contains("aborting"), "{said}");
    drop(hanging);
    let metastore = "metastore";
    deployment.processes.retain(|(name, _)| *name != metastore);
    deployment.start(metastore);
    deployment.settle();
    deployment.verify();
    let answer = deployment.post(1, "/records/search", &json!({"namespace": "filestore"}));
    assert!(answer.unwrap()["pagination"]["total"].as_u64() >= Some(20_000));
}
