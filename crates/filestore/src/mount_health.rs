//! Whether each mount can be reached, looked at by period.
//!
//! A folder is opened and must be the one that the nodes were found in, as for a command; a bucket
//! is asked for a listing of the mount's prefix. One thread looks at one mount after the other, so a
//! filesystem that does not answer holds up the looks at the others, and the age of theirs tells.

use crate::mount_gauges::MountGauges;
use crate::open_mount::Opener;
use crate::words;
use catalogue::mounts::{self, MountState};
use catalogue::{Catalogue, StoreError};
use journal::Time;
use metrics::Unit;
use parking_lot::Mutex;
use process::{Chain, Stop, Task};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

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
    #[schema(value_type = Option<words::HealthWord>)]
    pub last_health_status: Option<&'static str>,
    /// ＋ Why it is not `ok`.
    pub last_health_error: Option<String>,
}

/// Looks after the mounts of one filestore.
#[derive(Debug)]
pub(crate) struct HealthChecker {
    catalogue: Arc<Catalogue>,
    opener: Arc<Opener>,
    /// Cancelled when the filestore closes.
    closing: CancellationToken,
    /// What the last looks found, and when.
    found: Mutex<HashMap<i64, (Instant, MountHealth)>>,
}

/// The thread that looks. It stops when this is dropped or the filestore is closed.
#[derive(Debug)]
pub struct MountHealthChecks(#[expect(dead_code, reason = "held for its life")] Task);

impl MountHealthChecks {
    pub(crate) fn of(
        checker: Arc<HealthChecker>,
        interval: Duration,
        directories: usize,
    ) -> std::io::Result<Self> {
        metrics::describe_gauge!(
            UNREACHABLE,
            Unit::Count,
            "Active mounts that could not be reached."
        );
        let mut gauges = MountGauges::new(directories);
        let task = Task::spawn("filestore-health", move |stop| {
            run(&checker, interval, &mut gauges, stop);
        })?;
        Ok(Self(task))
    }
}

fn run(checker: &HealthChecker, interval: Duration, gauges: &mut MountGauges, stop: &Stop) {
    loop {
        let looked = checker.look_at_mounts(interval);
        match looked.and_then(|()| checker.publish(gauges)) {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "mounts cannot be read");
            }
        }
        if stop.wait(POLL) || checker.closing.is_cancelled() {
            return;
        }
    }
}

impl HealthChecker {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        opener: Arc<Opener>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            catalogue,
            opener,
            closing,
            found: Mutex::default(),
        }
    }

    /// What the last look at this mount found.
    pub(crate) fn of(&self, mount_id: i64) -> MountHealth {
        let board = self.found.lock();
        board
            .get(&mount_id)
            .map(|(_, health)| health.clone())
            .unwrap_or_default()
    }

    fn publish(&self, gauges: &mut MountGauges) -> Result<(), StoreError> {
        gauges.publish_if_due(&self.catalogue, |mount_id| {
            self.of(mount_id).last_health_status == Some("ok")
        })
    }

    fn look_at_mounts(&self, interval: Duration) -> Result<(), StoreError> {
        let mounts = self.catalogue.read(mounts::all)?;
        let is_active = |id: i64| {
            mounts
                .iter()
                .any(|mount| mount.id == id && mount.state == MountState::Active)
        };
        self.found.lock().retain(|id, _| is_active(*id));
        for mount in mounts
            .iter()
            .filter(|mount| mount.state == MountState::Active)
        {
            let last = self.found.lock().get(&mount.id).cloned();
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
                last_health_check_at: Some(self.catalogue.clock().now()),
                last_health_status: Some(if error.is_none() { "ok" } else { "unreachable" }),
                last_health_error: error,
            };
            let mut board = self.found.lock();
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
            .opener
            .by_id(mount_id)
            .map_err(|error| Chain(&error).to_string())?;
        place
            .backend
            .probe()
            .map_err(|error| Chain(&error).to_string())
    }
}
