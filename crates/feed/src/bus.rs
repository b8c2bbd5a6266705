//! What wakes the consumers. A bus may lose, double, delay or reorder everything it carries: only
//! latency changes.
//!
//! | bus | a signal is | used when |
//! |---|---|---|
//! | [`inline`] | a call | filestore and its consumers share a process |
//! | [`redis`] | a message on a Redis channel | they run apart, or other programs listen too |
//! | [`poll`] | the answer of a long poll of the journal | they run apart without Redis |

pub mod inline;
pub mod poll;
pub mod redis;
mod url;

pub use url::{BusUrl, BusUrlError, RedisUrl};
