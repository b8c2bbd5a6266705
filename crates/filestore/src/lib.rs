//! Where it starts: mounts, nodes, the commands that change them, and the journal of every change.
//!
//! ```text
//! REST ([rest]) ─▶ commands ─▶ disk           one transaction
//!                       │                  ┌─▶ nodes, rollups
//!                       └──▶ store::WriteTx┤
//! scan ─▶ walk ──▶ compare ──────┘         └─▶ journal ─▶ readers, REST, event stream
//!   ▲ ▲ ▲
//!   │ │ └─ watch (inotify: which names to look at)
//!   │ └─── rescan (by period)
//!   └───── reconcile (jobs that people and commands ask for)
//!
//! hashing ─▶ contents of files without a hash, in the background ─▶ store::WriteTx
//! ```
//!
//! The catalogue (`store`) has one writer and changes a node and the journal together. Files are
//! changed by commands (`command`, `disk`), and by anybody else behind our back, which a scan
//! (`scan`, `walk`) finds out. What people see is in `rest` and `view`.
//!
//! Deliberately not here: who follows the journal. This crate knows neither metastore nor
//! timestore, nor the bus.
//!
//! Start with [`Filestore`] and `store::WriteTx::change`.

mod backend;
mod command;
mod consumers;
mod disk;
mod filestore;
mod hash;
mod hashing;
mod integrity;
mod metric;
mod mount;
mod mount_health;
pub mod name;
mod path;
mod reconcile;
mod rescan;
mod rest;
mod retention;
mod s3;
mod scan;
mod store;
mod view;
mod walk;
mod watch;

pub use command::{Answer, OnStep, Step};
pub use consumers::{HoldOptions, JournalConsumer};
pub use filestore::{Filestore, Options};
pub use hashing::Hashing;
pub use mount::MountError;
pub use mount_health::{MountHealth, MountHealthChecks};
pub use rescan::{Rescan, RescanOptions};
pub use retention::RetentionOptions;
pub use scan::{
    ScanChanges, ScanCounts, ScanError, ScanJob, ScanJobStatus, ScanOptions, ScanPhase,
    ScanProblem, ScanProgress, ScanReport,
};
pub use store::mount::{AccessMode, BackendKind, Mount, MountState};
pub use store::{Head, OpenError, StoreError};
pub use view::{NodeView, RollupView};
pub use watch::{OnRead, Watch, WatchOptions, WatchState, WatchStatus};
