//! Both backends keep the promises of [`backend::Backend`].

#![cfg(test)]

use backend::{Buckets, Disk, Settings, conformance};
use serde_json::json;
use std::path::Path;
use testkit::S3Server;

#[test]
fn a_disk_keeps_the_promises() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path(), "test").unwrap();
    conformance::check(&disk);
}

#[test]
fn a_bucket_keeps_the_promises() {
    let bucket = OneBucket::start();
    conformance::check(&*bucket.buckets.bucket(1, bucket.settings("")).unwrap());
}

#[test]
fn a_part_of_a_bucket_keeps_the_promises_beside_other_keys() {
    let bucket = OneBucket::start();
    bucket.s3.put("bucket", "a", "beside");
    bucket.s3.put("bucket", "a/prefix-and-more/x", "beside");
    let part = bucket.buckets.bucket(1, bucket.settings("a/prefix"));
    conformance::check(&*part.unwrap());
    assert_eq!(bucket.s3.content("bucket", "a").unwrap(), "beside");
    assert!(bucket.s3.content("bucket", "a/prefix-and-more/x").is_some());
}

struct OneBucket {
    s3: S3Server,
    buckets: Buckets,
    dir: tempfile::TempDir,
}

impl OneBucket {
    fn start() -> Self {
        let s3 = S3Server::start();
        s3.create_bucket("bucket");
        let dir = tempfile::tempdir().unwrap();
        let text = "[default]\naws_access_key_id = access\naws_secret_access_key = hush-hush\n";
        std::fs::write(credentials(dir.path()), text).unwrap();
        Self {
            s3,
            buckets: Buckets::default(),
            dir,
        }
    }

    /// Listings come a few keys at a time.
    fn settings(&self, prefix: &str) -> Settings {
        let serde_json::Value::Object(config) = json!({
            "endpoint": self.s3.url(), "allowHttp": true, "listPageKeys": 3,
            "credentialsFile": credentials(self.dir.path()),
        }) else {
            unreachable!()
        };
        Settings::parse(Some("bucket"), Some(prefix), &config).unwrap()
    }
}

fn credentials(dir: &Path) -> std::path::PathBuf {
    dir.join("credentials")
}
