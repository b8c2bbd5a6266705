//! One binary: the sink through its trait, the REST API through a listener.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands, in its helpers too"
)]

mod access;
mod apphub;
mod atomic;
mod bad_input;
mod before;
mod conditions;
mod faults;
mod file_faults;
mod follow;
mod model;
mod once;
mod openapi;
mod process;
mod records;
mod rules;
mod schemas;
mod search;
mod silent;
mod sink;
mod snapshot;
mod stream;
mod support;
mod words;
