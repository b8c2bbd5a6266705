//! Tests of the crate through its public face.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod apphub;
mod before;
mod commands;
mod concurrency;
mod conformance;
mod crash;
mod disks;
mod doubts;
mod download;
mod events;
mod file_faults;
mod full_disks;
mod hashing;
mod hostile;
mod idempotency;
mod journal_api;
mod listing;
mod mount_health;
mod mounts;
mod oddities;
mod openapi;
mod purge;
mod races;
mod reconcile;
mod retention;
mod rollups;
mod roots;
mod s3;
mod scan;
mod signatures;
mod sigv4;
mod support;
mod transfer;
mod unprivileged;
mod upload;
mod watch;
