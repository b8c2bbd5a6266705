//! Whether each mount can be reached, looked at by period.
//!
//! A folder is opened and must be the one that the nodes were found in, as for a command; a bucket
//! is asked for a listing of the mount's prefix. One thread looks at one mount after the other, so a
//! filesystem that does not answer holds up the looks at the others, and the age of theirs tells.

use crate::backend::Backend;
use crate::scan::with_sources;
use crate::store::mount::{self, MountState};
use crate::{Filestore, StoreError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use journal::Time;
use metrics::Unit;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Active mounts that could not be reached at the last look.
const UNREACHABLE: &str = "filestore_unreachable_mounts";

/// How often it is looked whether a mount is due.
const POLL: Duration = Duration::from_millis(250);

/// What the last look at a mount found. All `null` before the first, and while it is inactive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountHealth {
    /// When it was looked at last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_health_check_at: Option<Time>,
    /// `ok` or `unreachable`.
    #[schema(value_type = Option<String>, example = "ok")]
    pub last_health_status: Option<&'static str>,
    /// ＋ Why it is not `ok`.
    pub last_health_error: Option<String>,
}

/// The mounts' health.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<HashMap<i64, (Instant, MountHealth)>>);

/// The thread that looks. It stops when this is dropped or the filestore is closed.
#[derive(Debug)]
pub struct MountHealthChecks {
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl MountHealthChecks {
    /// Looks at every active mount this often, and at new ones at once.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(filestore: Arc<Filestore>, interval: Duration) -> std::io::Result<Self> {
        metrics::describe_gauge!(
            UNREACHABLE,
            Unit::Count,
            "Active mounts that could not be reached."
        );
        let (stop, stopped) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("filestore-health".to_owned())
            .spawn(move || run(&filestore, interval, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for MountHealthChecks {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks after mounts panicked");
        }
    }
}

fn run(filestore: &Filestore, interval: Duration, stopped: &Receiver<Infallible>) {
    loop {
        match filestore.look_at_mounts(interval) {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "mounts cannot be read");
            }
        }
        let is_over = !matches!(stopped.recv_timeout(POLL), Err(RecvTimeoutError::Timeout));
        if is_over || filestore.closing.is_cancelled() {
            return;
        }
    }
}

impl Filestore {
    /// What the last look at this mount found.
    pub(crate) fn mount_health(&self, mount_id: i64) -> MountHealth {
        let board = self.mount_health.0.lock();
        board
            .get(&mount_id)
            .map(|(_, health)| health.clone())
            .unwrap_or_default()
    }

    fn look_at_mounts(&self, interval: Duration) -> Result<(), StoreError> {
        let mounts = self.store.read(mount::all)?;
        let is_active = |id: i64| {
            mounts
                .iter()
                .any(|mount| mount.id == id && mount.state == MountState::Active)
        };
        self.mount_health.0.lock().retain(|id, _| is_active(*id));
        for mount in mounts
            .iter()
            .filter(|mount| mount.state == MountState::Active)
        {
            let last = self.mount_health.0.lock().get(&mount.id).cloned();
            if last.as_ref().is_some_and(|(at, _)| at.elapsed() < interval) {
                continue;
            }
            let error = self.reach(mount.id).err();
            let was_ok = last.is_none_or(|(_, health)| health.last_health_error.is_none());
            let mount_id = mount.id;
            match &error {
                Some(error) if was_ok => tracing::warn!(mount_id, error, "mount is unreachable"),
                None if !was_ok => tracing::info!(mount_id, "mount can be reached again"),
                _ => {}
            }
            let health = MountHealth {
                last_health_check_at: Some(self.store.clock().now()),
                last_health_status: Some(if error.is_none() { "ok" } else { "unreachable" }),
                last_health_error: error,
            };
            let mut board = self.mount_health.0.lock();
            board.insert(mount.id, (Instant::now(), health));
            let unreachable = board
                .values()
                .filter(|(_, health)| health.last_health_error.is_some());
            let unreachable = u32::try_from(unreachable.count()).unwrap_or(u32::MAX);
            metrics::gauge!(UNREACHABLE).set(f64::from(unreachable));
        }
        Ok(())
    }

    /// Opens the mount; why it cannot be reached, in words.
    fn reach(&self, mount_id: i64) -> Result<(), String> {
        let place = self
            .commands
            .place(mount_id)
            .map_err(|error| with_sources(&error))?;
        match &place.backend {
            // It was opened, and compared with what is known.
            Backend::Disk(_) => Ok(()),
            Backend::Bucket(bucket) => bucket.probe().map_err(|error| with_sources(&error)),
        }
    }
}
