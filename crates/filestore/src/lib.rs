//! Where it starts: scans, commands, and what keeps them going; the catalogue is filled here.
//!
//! ```text
//! REST ([rest]) ─▶ commands ─▶ backend        one transaction
//!                     │                    ┌─▶ nodes, rollups
//!                     └──▶ catalogue::WriteTx
//! scan ─▶ backend::walk ─▶ compare ──┘     └─▶ journal ─▶ readers, REST, event stream
//!   ▲ ▲ ▲
//!   │ │ └─ watch (inotify: which names to look at)
//!   │ └─── rescan (by period)
//!   └───── reconcile (jobs that people and commands ask for)
//!
//! hashing ─▶ contents of files without a hash, in the background ─▶ catalogue::WriteTx
//! ```
//!
//! Each part is a component that is made with just what it needs, and imports only what stands below
//! it; [`Filestore`] (`wiring`) puts them together, and only REST and tests import it. Files are
//! changed by commands, and by anybody else behind our back, which a scan finds out. What people see
//! is in `rest` and `view`.
//!
//! Deliberately not here: who follows the journal. This crate knows neither metastore nor
//! timestore, nor the bus.
//!
//! Start with `wiring`, and [`catalogue::WriteTx::change`].

mod command;
mod consumers;
mod hashing;
mod integrity;
mod metric;
mod mount;
mod mount_gauges;
mod mount_health;
mod open_mount;
mod owners;
mod purge;
mod reconcile;
mod rescan;
mod rest;
mod retention;
mod scan;
mod view;
mod watch;
mod wiring;
mod words;

pub use catalogue::mounts::{AccessMode, BackendKind, Mount, MountState};
pub use catalogue::{Head, OpenError, StoreError};
pub use command::{Answer, OnStep, Step};
pub use consumers::{HoldOptions, JournalConsumer};
pub use hashing::Hashing;
pub use mount::MountError;
pub use mount_health::{MountHealth, MountHealthChecks};
pub use purge::Purged;
pub use rescan::{Rescan, RescanOptions};
pub use retention::RetentionOptions;
pub use scan::{
    ScanChanges, ScanCounts, ScanError, ScanJob, ScanJobStatus, ScanOptions, ScanPhase,
    ScanProblem, ScanProgress, ScanReport,
};
pub use view::{NodeView, RollupView};
pub use watch::{OnRead, Watch, WatchOptions, WatchState, WatchStatus};
pub use wiring::{Filestore, Options};
