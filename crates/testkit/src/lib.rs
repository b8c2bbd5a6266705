//! The test edge, once: private servers, a proxy that breaks, waiting on states, trees from text.
//!
//! Everything here belongs to the test that started it: it listens on loopback, on a port of its
//! own, keeps its files in a temporary directory, and is stopped (by pid) and reaped when it is
//! dropped, also while a failing test unwinds. Nothing is skipped: what is missing on the machine
//! fails the test with the command that installs it.
//!
//! Deliberately not here: anything that knows Tidemark's own crates.
//!
//! Start with [`wait_for`], [`RedisServer`], [`S3Server`] and [`TcpProxy`].
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail where it stands"
)]

mod certificates;
mod deep;
pub mod file_fault;
mod mounts;
mod port;
mod process;
mod proxy;
mod redis_server;
mod s3_server;
mod small_disk;
mod tree;
mod wait;

pub use certificates::Certificates;
pub use deep::Deep;
pub use mounts::{DiskImage, Mounted};
pub use port::free_port;
pub use process::Process;
pub use proxy::TcpProxy;
pub use redis_server::RedisServer;
pub use s3_server::S3Server;
pub use small_disk::SmallDisk;
pub use tree::tree;
pub use wait::{Seen, wait_for, wait_for_async};
