//! The loop that follows the journal.
//!
//! [`Follower`] is the decision: one [`Follower::step`] reads after the checkpoint, checks that
//! what it read continues the history the sink holds, and applies it. It starts no threads and
//! looks at no clock but its own, so the model test drives it directly.
//!
//! [`spawn`] is the life around it: one thread that steps while there is something, waits for a
//! signal or a timer when there is not, backs off when the journal or the store is away, and
//! carries out what people ask through the [`ConsumerHandle`] (dead letters, waiting for an
//! entry). Everything it holds is bounded: the page of the journal that is being applied and,
//! while there is a backlog, the few of [`Pages`], which a thread reads and checks meanwhile for all
//! consumers of the process. That thread decides nothing; the model test does without it.

mod backoff;
mod follower;
mod handle;
mod pages;
mod run;

pub use backoff::Backoff;
pub use follower::{Follower, FollowerOptions, Halt, RebuildStep, Step};
pub use handle::{ConsumerHandle, DeadLetterError, Rest};
pub use pages::Pages;
pub use run::{Consumer, ConsumerOptions, spawn};
