//! The alert rules and the dashboard that the project brings along.

use crate::deployment::{Deployment, LONG};
use std::collections::BTreeSet;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    std::fs::read_to_string(path.join(name)).unwrap()
}

/// The metrics that an expression names: words of ours that are no functions.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let ours = ["feed_", "filestore_", "http_", "metastore_", "timestore_"];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_word(c));
    words
        .filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

fn expressions() -> Vec<String> {
    let alerts = read("alerts.yml");
    let rules = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
        .map(str::to_owned);
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let charts = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    rules.chain(charts).collect()
}

/// The names that the three services give, with the value of each series.
fn given(deployment: &Deployment) -> String {
    (0..3)
        .map(|service| deployment.text(service, "/metrics").unwrap())
        .collect()
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_given() {
    let settings = [
        ("FILESTORE_WATCH", "true"),
        ("FILESTORE_RESCAN_INTERVAL", "60s"),
    ];
    let mut deployment = Deployment::with_settings("inline", &settings);
    testkit::tree(deployment.files(), "a/b 100\n");
    deployment.start("dev");
    let expressions = expressions();
    assert!(expressions.len() >= 15, "{expressions:?}");
    let named: BTreeSet<_> = expressions
        .iter()
        .flat_map(|text| metrics_in(text))
        .collect();
    assert!(
        named.contains("filestore_mount_disk_free_bytes"),
        "{named:?}"
    );
    testkit::wait_for("every metric that deploy/ names", LONG, || {
        let given = given(&deployment);
        let has = |name: &String| {
            given.lines().any(|line| {
                let rest = line.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
        };
        let missing: Vec<_> = named.iter().filter(|name| !has(name)).cloned().collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(missing),
        }
    });
}

#[test]
fn a_mount_tells_what_is_in_it_and_the_room_on_its_disk() {
    let settings = [("FILESTORE_METRICS_DIRECTORIES", "2")];
    let mut deployment = Deployment::with_settings("inline", &settings);
    let tree = "large/a 3000\nlarge/deep/b 2000\nmiddle/c 1000\nsmall/d 10\ne 1\n";
    testkit::tree(deployment.files(), tree);
    deployment.start("dev");
    let expected = [
        "filestore_mount_bytes{mount=\"files\"} 6011",
        "filestore_mount_files{mount=\"files\"} 5",
        "filestore_mount_directories{mount=\"files\"} 4",
        "filestore_directory_bytes{mount=\"files\",directory=\"large\"} 5000",
        "filestore_directory_files{mount=\"files\",directory=\"large\"} 2",
        "filestore_directory_bytes{mount=\"files\",directory=\"middle\"} 1000",
    ];
    let given = testkit::wait_for("the gauges of the mount", LONG, || {
        let given = given(&deployment);
        let has = |line: &&str| given.lines().any(|given| given == *line);
        let missing = expected.iter().filter(|line| !has(line)).count();
        if missing == 0 { Ok(given) } else { Err(given) }
    });
    assert!(
        !given.contains("directory=\"small\""),
        "two directories, no more"
    );
    let value = |name: &str| -> f64 {
        let line = given.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (free, size) = (
        value("filestore_mount_disk_free_bytes{"),
        value("filestore_mount_disk_size_bytes{"),
    );
    assert!(0.0 < free && free < size, "{free} of {size}");
    let scanned = value("filestore_mount_last_scan_timestamp_seconds{");
    let now = std::fs::metadata(deployment.data_dir())
        .unwrap()
        .modified()
        .unwrap();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!((scanned - now).abs() < 3_600.0, "{scanned} is about {now}");
}
