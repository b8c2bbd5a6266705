//! The loop that follows the journal.
//!
//! [`Follower`] is the decision: one [`Follower::step`] reads after the checkpoint, checks that
//! what it read continues the history the sink holds, and applies it. It starts no threads and
//! looks at no clock but its own, so the model test drives it directly.
//!
//! [`spawn`] is the life around it: one thread that steps while there is something, waits for a
//! signal or a timer when there is not, backs off when the journal or the store is away, and
//! carries out what people ask through the [`ConsumerHandle`] (dead letters, waiting for an
//! entry). Everything it holds is bounded: one page of the journal, whatever the backlog.

mod backoff;
mod follower;
mod handle;
mod run;

pub use backoff::Backoff;
pub use follower::{Follower, FollowerOptions, Halt, Step};
pub use handle::{ConsumerHandle, DeadLetterError};
pub use run::{Consumer, ConsumerOptions, Rest, spawn};
