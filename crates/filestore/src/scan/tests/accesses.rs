//! When files were last read.

use super::facts::changed;
use super::*;
use journal::{ChangedFacts, Fact, JournalReader};
use std::fs::FileTimes;
use std::time::{Duration, SystemTime};

const HOUR: u64 = 60 * 60;
/// Some day in 2027.
const THEN: u64 = 1_800_000_000;

impl Bench {
    /// Lets a file have been read so many hours after that day.
    fn read_at(&self, path: &str, hours: u64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN + hours * HOUR);
        let file = std::fs::File::open(self.path(path)).unwrap();
        file.set_times(FileTimes::new().set_accessed(at)).unwrap();
    }

    fn accessed(&self, path: &str) -> Option<u64> {
        let at = self.node(path).last_accessed_at()?;
        let seconds = u64::try_from(at.as_millis()).unwrap() / 1_000;
        Some((seconds - THEN) / HOUR)
    }

    /// All entries that a whole scan makes: their types, and what changed in a node.
    fn told_by_scan(&self) -> Vec<(EventType, String, ChangedFacts)> {
        let before = self.catalogue.head().id;
        self.try_scan().unwrap();
        let page = JournalReader::read(&self.catalogue, before, 1_000).unwrap();
        let entries = page.entries.iter().map(|entry| {
            let event = Event::decode(&entry.event_type, &entry.data).unwrap();
            let node = event.node();
            let path = node.map_or_else(String::new, |node| node.path.to_owned());
            let changed = node.map(|node| node.changed).unwrap_or_default();
            (entry.event_type.clone(), path, changed)
        });
        let mut told: Vec<_> = entries.collect();
        let completed = told.pop().map(|(event_type, ..)| event_type);
        assert!(matches!(
            completed,
            None | Some(EventType::CommandCompleted)
        ));
        told
    }

    fn asks_for_accesses(&mut self, asks: bool) {
        self.mount.config.clear();
        self.mount
            .config
            .insert("accessTimes".to_owned(), asks.into());
    }
}

fn read(path: &str) -> (EventType, String, ChangedFacts) {
    let facts = changed(&[Fact::AccessedAt]);
    (EventType::NodeUpdated, path.to_owned(), facts)
}

#[test]
fn a_file_that_is_read_is_told_once_a_day_and_is_no_drift() {
    let mut bench = Bench::new();
    bench.write("d/file", "text");
    bench.write("d/other", "text");
    std::os::unix::fs::symlink("file", bench.path("d/link")).unwrap();
    bench.read_at("d/file", 0);
    bench.read_at("d/other", 0);
    bench.scan();
    assert_eq!(bench.accessed("d/file"), None, "nobody has asked");

    bench.asks_for_accesses(true);
    let mut told = bench.told_by_scan();
    told.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(told, [read("d/file"), read("d/other")], "only of files");
    assert_eq!(bench.accessed("d/file"), Some(0));
    for (hours, is_told) in [(1, false), (23, false), (24, true), (47, false), (49, true)] {
        bench.read_at("d/file", hours);
        let told = bench.told_by_scan();
        let right = if is_told {
            vec![read("d/file")]
        } else {
            vec![]
        };
        assert_eq!(told, right, "after {hours} hours");
        assert_eq!(bench.told_by_scan(), [], "a second scan");
    }
    assert_eq!(bench.accessed("d/file"), Some(49));
    assert_eq!(bench.catalogue.check().unwrap(), []);

    bench.asks_for_accesses(false);
    bench.read_at("d/file", 1_000);
    assert_eq!(bench.told_by_scan(), []);
    assert_eq!(bench.accessed("d/file"), Some(49), "as it was told last");
}

#[test]
fn a_look_at_a_name_tells_an_access_with_another_change_only() {
    let mut bench = Bench::new();
    bench.asks_for_accesses(true);
    bench.write("d/file", "text");
    bench.write("d/other", "text");
    bench.read_at("d/file", 0);
    bench.scan();
    assert_eq!(bench.accessed("d/file"), Some(0));
    let directory = bench.node("d").id;
    bench.read_at("d/file", 100);
    let head = bench.catalogue.head();
    bench.look(directory, &["file"]);
    assert_eq!(bench.catalogue.head(), head, "it was only read");
    assert_eq!(bench.accessed("d/file"), Some(0));
    assert_eq!(bench.told_by_scan(), [read("d/file")], "a scan tells it");

    bench.read_at("d/file", 200);
    bench.set_mode("d/file", 0o600);
    bench.look(directory, &["file"]);
    let facts = bench.told(head.id).pop().map(|(_, _, changed)| changed);
    assert_eq!(facts, Some(changed(&[Fact::Mode, Fact::AccessedAt])));
    assert_eq!(bench.accessed("d/file"), Some(200));

    // The look has seen the whole directory as it is, and vouches for no access.
    bench.read_at("d/other", 300);
    bench.look(bench.node("").id, &["d"]);
    let told = bench.told_by_scan();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(bench.accessed("d/other"), Some(300));
    assert_eq!(bench.catalogue.check().unwrap(), []);
}
