//! One job, from its start to its end.

use super::{COMMAND, Reconciler};
use crate::open_mount::OpenError;
use crate::scan::{Part, Scope, Task};
use crate::scan::{ScanError, ScanOptions, ScanReport};
use ::node::Facts;
use backend::hash::content::{self, Hashed};
use catalogue::DirectoryRef;
use catalogue::ReadTx;
use catalogue::jobs::{self, Job};
use catalogue::{Cause, Node, StoreError, Verb, WriteTx, nodes};
use journal::{ConsistencyState, JobStatus, JournalId, NodeKind, NodeState, ReconcileReason};
use process::Chain;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

/// Files whose hashes are written in one transaction.
const BATCH: usize = 100;

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("it was stopped")]
    Stopped,
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Scan(error.into())
    }
}

/// What a job came to.
struct Outcome {
    status: JobStatus,
    node_id: Option<i64>,
    result: serde_json::Value,
}

/// Content hashes that a job computed.
#[derive(Default)]
struct Hashes {
    files: u64,
    bytes: u64,
    /// Files that changed while they were read, or cannot be read.
    left_out: u64,
}

/// An error as AppHub tells it.
pub(super) fn error(message: &str, code: &str) -> Result<Box<RawValue>, StoreError> {
    let error = json!({ "message": message, "code": code, "details": null });
    Ok(serde_json::value::to_raw_value(&error)?)
}

impl Reconciler {
    /// Does what the job says, and writes down what came of it. A job that is stopped because the
    /// filestore closes stays as it is, and is resumed at the next start.
    pub(super) fn run_job(&self, job: Job, cancel: &CancellationToken) {
        let id = job.id;
        let ended = match self.reconcile(&job, cancel) {
            Err(_) if self.closing.is_cancelled() => return,
            ended => ended,
        };
        let written = self.catalogue.write(move |tx| {
            let mut job = job;
            job.completed_at = Some(tx.now());
            match &ended {
                Ok(outcome) => {
                    job.status = outcome.status;
                    job.node_id = outcome.node_id.or(job.node_id);
                    job.result = Some(serde_json::value::to_raw_value(&outcome.result)?);
                }
                Err(JobError::Stopped | JobError::Scan(ScanError::Cancelled)) => {
                    job.status = JobStatus::Cancelled;
                }
                Err(failure) => {
                    job.status = JobStatus::Failed;
                    job.error = Some(error(&Chain(failure).to_string(), code(failure))?);
                }
            }
            jobs::put(tx, &mut job).map(|_| ())
        });
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(job = id, error, "end of a reconciliation job not written");
        }
    }

    fn reconcile(&self, job: &Job, cancel: &CancellationToken) -> Result<Outcome, JobError> {
        let before = self.catalogue.read(|connection| target(connection, job))?;
        let path = before.as_ref().map_or(&job.path, |node| &node.path).clone();
        let began = self.catalogue.head().id;
        let options = ScanOptions {
            cancel: cancel.clone(),
            ..ScanOptions::default()
        };
        let task = self.task(job, &path)?;
        let (report, _) = self
            .scanner
            .scan_task(job.backend_mount_id, &task, &options)?;
        let after = self.catalogue.read(|connection| match &before {
            Some(before) => nodes::by_id(connection, before.id),
            None => nodes::at(connection, job.backend_mount_id, &path),
        })?;
        let mut hashes = Hashes::default();
        let told = match &after {
            Some(after) if after.is_on_disk() => {
                let told = self.confirm(job, after, began, cancel, &mut hashes)?;
                if job.requested_hash && job.detect_children && after.is_directory() {
                    self.hash_below(job, &after.path, cancel, &mut hashes)?;
                }
                told
            }
            Some(after) => (after.journal_id > began).then_some(Verb::Missing(job.reason)),
            None => None,
        };
        // With the hash, if there is one now.
        let after = match after {
            Some(node) => self
                .catalogue
                .read(|connection| nodes::by_id(connection, node.id))?,
            None => None,
        };
        Ok(outcome(
            job,
            before.as_ref(),
            after.as_ref(),
            told,
            &report,
            &hashes,
        ))
    }

    /// The scan that compares what the job is about: its name in the deepest directory above that
    /// is known.
    fn task(&self, job: &Job, path: &str) -> Result<Task, JobError> {
        let mount_id = job.backend_mount_id;
        let (directory, names) = self.catalogue.read(|connection| {
            let root = nodes::root(connection, mount_id)?;
            let (mut known, mut rest) = (root.id, path);
            for (index, _) in path.match_indices('/') {
                let (above, below) = (path.get(..index), path.get(index + 1..));
                let (Some(above), Some(below)) = (above, below) else {
                    break;
                };
                match nodes::at(connection, mount_id, above)? {
                    Some(node) if node.is_directory() => (known, rest) = (node.id, below),
                    _ => break,
                }
            }
            let name = rest.split('/').next().unwrap_or_default();
            let names = (!path.is_empty()).then(|| vec![name.to_owned()]);
            Ok::<_, StoreError>((known, names))
        })?;
        Ok(Task {
            scope: Scope::Parts(vec![Part {
                directory: DirectoryRef::Node(directory),
                names,
            }]),
            command: COMMAND,
            reason: job.reason,
            tells_reconciled: true,
            is_deep: job.detect_children,
            renames: Vec::new(),
            waits: false,
        })
    }

    /// Tells the node that was asked about, if the scan has not, with its hash where one was asked
    /// for. Gives what was told of it last.
    fn confirm(
        &self,
        job: &Job,
        node: &Node,
        began: JournalId,
        cancel: &CancellationToken,
        hashes: &mut Hashes,
    ) -> Result<Option<Verb>, JobError> {
        let reconciled = Verb::Reconciled(job.reason);
        let is_regular = !node.is_directory() && !node.facts.is_symlink;
        if job.requested_hash && is_regular {
            let hashed = self.hash_one(job.backend_mount_id, &node.path, cancel, hashes)?;
            if let Some((hash, facts)) = hashed {
                let told = vec![(node.id, hash, facts)];
                self.write_hashes(job.reason, told)?;
                return Ok(Some(reconciled));
            }
        }
        if node.journal_id > began {
            return Ok(Some(reconciled));
        }
        let (id, reason) = (node.id, job.reason);
        self.catalogue.write(move |tx| {
            let Some(before) = nodes::by_id(tx, id)? else {
                return Ok(());
            };
            if !before.is_on_disk() || before.journal_id > began {
                return Ok::<_, StoreError>(());
            }
            let mut after = before.clone();
            settle(tx, reason, &before, &mut after)
        })?;
        Ok(Some(reconciled))
    }

    /// Hashes the files below a directory that have no hash.
    fn hash_below(
        &self,
        job: &Job,
        directory: &str,
        cancel: &CancellationToken,
        hashes: &mut Hashes,
    ) -> Result<(), JobError> {
        let mount_id = job.backend_mount_id;
        let mut after = String::new();
        loop {
            let page = self.catalogue.read(|connection| {
                nodes::unhashed(connection, mount_id, (directory, &after), BATCH)
            })?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.path);
            let mut told = Vec::new();
            for node in &page {
                let hashed = self.hash_one(mount_id, &node.path, cancel, hashes)?;
                told.extend(hashed.map(|(hash, facts)| (node.id, hash, facts)));
            }
            self.write_hashes(job.reason, told)?;
        }
    }

    fn hash_one(
        &self,
        mount_id: i64,
        path: &str,
        cancel: &CancellationToken,
        hashes: &mut Hashes,
    ) -> Result<Option<(String, Facts)>, JobError> {
        let place = self.opener.by_id(mount_id)?;
        let gate = &mut |_| !cancel.is_cancelled();
        let hashed = content::hash(&*place.backend, path, gate);
        match hashed {
            Ok(Hashed::Hash(hash, facts)) => {
                hashes.files += 1;
                hashes.bytes = hashes
                    .bytes
                    .saturating_add(facts.size_bytes.cast_unsigned());
                Ok(Some((hash, *facts)))
            }
            Ok(Hashed::Stopped) => Err(JobError::Stopped),
            Ok(
                Hashed::Other | Hashed::Fresh | Hashed::Changing | Hashed::Gone | Hashed::TooLong,
            ) => {
                hashes.left_out += 1;
                Ok(None)
            }
            Err(error) => {
                hashes.left_out += 1;
                let error = &error as &dyn std::error::Error;
                tracing::debug!(mount_id, path, error, "file not hashed");
                Ok(None)
            }
        }
    }

    /// A hash is of a file as it was seen: if its node is of another state, it is not its hash.
    fn write_hashes(
        &self,
        reason: ReconcileReason,
        told: Vec<(i64, String, Facts)>,
    ) -> Result<(), JobError> {
        if told.is_empty() {
            return Ok(());
        }
        self.catalogue.write(move |tx| {
            for (id, hash, facts) in told {
                let Some(before) = nodes::by_id(tx, id)? else {
                    continue;
                };
                if !before.is_on_disk() || !facts.is_as(&before.facts) {
                    continue;
                }
                let mut after = before.clone();
                if before.content_hash.as_ref() != Some(&hash) {
                    after.checksum = None;
                }
                after.content_hash = Some(hash);
                tx.trust(id)?;
                settle(tx, reason, &before, &mut after)?;
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }
}

/// Tells that the node agrees with the disk.
fn settle(
    tx: &mut WriteTx<'_>,
    reason: ReconcileReason,
    before: &Node,
    after: &mut Node,
) -> Result<(), StoreError> {
    after.state = NodeState::Active;
    after.consistency_state = ConsistencyState::Active;
    after.consistency_checked_at = Some(tx.now());
    after.last_reconciled_at = Some(tx.now());
    let cause = Cause {
        command: COMMAND,
        ..Cause::default()
    };
    tx.change(&cause, Verb::Reconciled(reason), Some(before), after)?;
    Ok(())
}

/// The node that a job is about, if there is one: by its id, else at its path, else missing there.
fn target(connection: &ReadTx<'_>, job: &Job) -> Result<Option<Node>, StoreError> {
    let (mount, path) = (job.backend_mount_id, job.path.as_str());
    if let Some(id) = job.node_id
        && let Some(node) = nodes::by_id(connection, id)?
        && node.mount_id == mount
        && node.state != NodeState::Deleted
    {
        return Ok(Some(node));
    }
    if let Some(node) = nodes::at(connection, mount, path)? {
        return Ok(Some(node));
    }
    let file = nodes::missing_at(connection, mount, path, NodeKind::File)?;
    match file {
        Some(node) => Ok(Some(node)),
        None => nodes::missing_at(connection, mount, path, NodeKind::Directory),
    }
}

fn outcome(
    job: &Job,
    before: Option<&Node>,
    after: Option<&Node>,
    told: Option<Verb>,
    report: &ScanReport,
    hashes: &Hashes,
) -> Outcome {
    let outcome = match after {
        None => "skipped",
        Some(node) if node.is_on_disk() => "reconciled",
        Some(_) => "missing",
    };
    let changes = report.changes;
    let result = json!({
        "outcome": outcome,
        "reason": job.reason,
        "backendMountId": job.backend_mount_id,
        "path": after.map_or(&job.path, |node| &node.path),
        "nodeId": after.map(|node| node.id),
        "previousNodeId": before.map(|node| node.id),
        "previousState": before.map(|node| node.state),
        "detectChildren": job.detect_children,
        "requestedHash": job.requested_hash,
        "emittedEvent": told.map(|verb| verb.event_type().as_str().to_owned()),
        "commandId": report.command_id,
        "changes": changes,
        "problemCount": report.problem_count,
        "contentHash": after.and_then(|node| node.content_hash.as_deref()),
        "hashedFiles": hashes.files,
        "hashedBytes": hashes.bytes,
        "unhashedFiles": hashes.left_out,
    });
    Outcome {
        status: if after.is_none() && changes.total() == 0 {
            JobStatus::Skipped
        } else {
            JobStatus::Succeeded
        },
        node_id: after.map(|node| node.id),
        result,
    }
}

fn code(error: &JobError) -> &'static str {
    match error {
        JobError::Scan(ScanError::NoMount(_)) => "BACKEND_NOT_FOUND",
        JobError::Scan(ScanError::Inactive(_)) => "BACKEND_INACTIVE",
        JobError::Scan(ScanError::Root { .. } | ScanError::OtherRoot(_)) => "BACKEND_UNAVAILABLE",
        _ => "RECONCILIATION_FAILED",
    }
}
