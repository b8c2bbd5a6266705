//! Where it starts: mounts, nodes, the commands that change them, and the journal of every change.

mod name;
mod scan;
mod store;
mod walk;

pub use store::mount::{AccessMode, BackendKind, Mount, MountState};
pub use store::{Head, OpenError, StoreError};
