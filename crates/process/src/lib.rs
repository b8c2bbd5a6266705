//! What every process needs, whatever it does.
//!
//! * [`Lock`]: one process a store, by a lock file that tells who holds it.
//! * [`Task`]: a thread in the background that is told to stop, and waited for.
//! * [`Chain`]: an error and what caused it, in one line.
//!
//! Deliberately not here: anything about files, journals, databases or HTTP.

mod chain;
mod lock;
mod task;

pub use chain::Chain;
pub use lock::{Holder, Lock, LockError, holder};
pub use task::{Stop, Task};
