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

mod command;
mod consumers;
mod hashing;
mod integrity;
mod metric;
mod mount;
mod mount_gauges;
mod mount_health;
mod open_mount;
mod reconcile;
mod rescan;
mod rest;
mod retention;
mod scan;
mod view;
mod watch;
mod wiring;

pub use catalogue::mounts::{AccessMode, BackendKind, Mount, MountState};
pub use catalogue::{Head, OpenError, StoreError};
pub use command::{Answer, OnStep, Step};
pub use consumers::{HoldOptions, JournalConsumer};
pub use hashing::Hashing;
pub use mount::MountError;
pub use mount_health::{MountHealth, MountHealthChecks};
pub use rescan::{Rescan, RescanOptions};
pub use retention::RetentionOptions;
pub use scan::{
    ScanChanges, ScanCounts, ScanError, ScanJob, ScanJobStatus, ScanOptions, ScanPhase,
    ScanProblem, ScanProgress, ScanReport,
};
pub use view::{NodeView, RollupView};
pub use watch::{OnRead, Watch, WatchOptions, WatchState, WatchStatus};
pub use wiring::{Filestore, Options};
