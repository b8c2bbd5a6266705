//! Tests of the crate through its public face.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod apphub;
mod commands;
mod concurrency;
mod conformance;
mod crash;
mod disks;
mod download;
mod events;
mod file_faults;
mod hashing;
mod hostile;
mod idempotency;
mod journal_api;
mod listing;
mod mount_health;
mod mounts;
mod oddities;
mod openapi;
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
