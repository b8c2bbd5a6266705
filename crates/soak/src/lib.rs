//! Nothing lost, nothing doubled, whatever fails: schedules of faults, each a seed.
//!
//! Three kinds, from the quick to the real:
//!
//! * [`model`]: a consumer on a journal and a store in memory, in simulated time; thousands of
//!   schedules a second, checked after every step.
//! * [`schedule`]: the real executable's services as processes, real files, a real Redis behind
//!   proxies that break. A schedule is a list of [`shape::Shape`]s with commands by REST going on
//!   through all of them, and ends in `tidemark verify` and a comparison with the disk. Some shapes
//!   are [`damage`] done to a service's files.
//! * [`outage`]: one minute without Redis under steady load, with the lag and the memory of every
//!   process.
//!
//! Its own tests and those of `tidemark` run a small part; the binary (`make soak`) runs for as long
//! as it is told. A seed that finds a difference is printed and replays.
//!
//! Deliberately not here: anything that only works in a test of its own crate, and SQLite, DuckDB
//! or filestore as libraries; the real thing is the executable.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be set up, and what differs, must fail where it stands"
)]

mod attempt;
pub mod clients;
pub mod damage;
pub mod damaged;
pub mod deployment;
pub mod health;
pub mod model;
pub mod outage;
pub mod people;
mod random;
pub mod report;
pub mod rig;
pub mod schedule;
pub mod shape;
pub mod shared;
pub mod work;

pub use attempt::attempt;
pub use random::Random;
