//! What people write into the metastore, which no journal brings again.

use crate::Random;
use crate::deployment::Deployment;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What was answered with success, by the record's path.
#[derive(Clone, Debug, Default)]
pub struct People {
    serial: u64,
    /// The metadata of each record of theirs.
    written: BTreeMap<String, Value>,
    /// Tags of records that the sync made.
    tagged: BTreeMap<String, String>,
}

impl People {
    /// Writes a few records, and tags a few that the sync made.
    ///
    /// # Panics
    /// The metastore refuses one.
    pub fn write(&mut self, deployment: &Deployment, random: &mut Random) {
        for _ in 0..3 {
            self.serial += 1;
            let key = format!("note-{}", self.serial);
            let length = usize::try_from(random.below(2_000)).expect("a small number");
            let metadata = json!({"text": "x".repeat(length), "serial": self.serial});
            let body = json!({"namespace": "people", "key": key, "metadata": metadata,
                "owner": "ada", "tags": ["kept"]});
            let answer = deployment.post(1, "/records", &body);
            answer.expect("metastore takes a record");
            let path = format!("/records/people/{key}");
            self.written.insert(path, metadata);
        }
        let any = json!({"namespace": "filestore", "limit": 3});
        let found = deployment.post(1, "/records/search", &any);
        let found = found.expect("metastore answers a search");
        let records = found["records"].as_array().cloned().unwrap_or_default();
        for record in records {
            let path = format!(
                "/records/filestore/{}",
                record["key"].as_str().unwrap_or_default()
            );
            let tag = format!("tag-{}", self.serial);
            let body = json!({"tags": {"add": [tag]}});
            // Its node may be deleted meanwhile, and is then refused.
            if deployment.patch(1, &path, &body).is_ok() {
                self.tagged.insert(path, tag);
            }
        }
    }

    /// Everything that people wrote is there.
    ///
    /// # Panics
    /// Something is not.
    pub fn kept_what_they_wrote(&self, deployment: &Deployment) {
        let read = |path: &str| {
            let record = deployment.get(1, &format!("{path}?includeDeleted=true"));
            record.map(|answer| answer.get("record").cloned().unwrap_or(answer))
        };
        for (path, metadata) in &self.written {
            let record = read(path).unwrap_or_else(|error| panic!("{path} is lost: {error}"));
            assert_eq!(&record["metadata"], metadata, "{path}");
            assert_eq!(
                (&record["owner"], &record["tags"]),
                (&json!("ada"), &json!(["kept"]))
            );
        }
        for (path, tag) in &self.tagged {
            let record = read(path).unwrap_or_else(|error| panic!("{path} is lost: {error}"));
            let tags = record["tags"].as_array();
            let has_it = tags.is_some_and(|tags| tags.contains(&json!(tag)));
            assert!(has_it, "{path} has lost its tag {tag}: {record}");
        }
    }

    /// The file that held it was given up.
    pub fn forget(&mut self) {
        self.written.clear();
        self.tagged.clear();
    }
}
