//! The rows of reconciliation jobs. Each change of one is journalled in its transaction.

use super::change::Fact;
use super::{StoreError, WriteTx, node};
use journal::{EventType, JobStatus, JournalId, ReconcileReason, ReconciliationJob, Text, Time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::value::RawValue;

/// A job that compares nodes with the disk.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationJob)]
pub(crate) struct Job {
    /// Its id.
    pub(crate) id: i64,
    /// What it is about; while one waits, further ones of the same key are the same job.
    pub(crate) job_key: String,
    /// The mount.
    pub(crate) backend_mount_id: i64,
    /// The node that was asked about, or turned out to be at the path.
    pub(crate) node_id: Option<i64>,
    /// Relative to the mount, `""` for its root.
    pub(crate) path: String,
    /// Why: `drift`, `audit`, `manual`.
    #[schema(value_type = String, example = "manual")]
    pub(crate) reason: ReconcileReason,
    /// `queued`, `running`, `succeeded`, `failed`, `skipped` (nothing there, and nothing known of
    /// it), `cancelled`.
    #[schema(value_type = String, example = "queued")]
    pub(crate) status: JobStatus,
    /// All that is below is compared too.
    pub(crate) detect_children: bool,
    /// Content hashes are computed.
    pub(crate) requested_hash: bool,
    /// How often it was begun; more than once if the process ended meanwhile.
    pub(crate) attempt: i64,
    /// What it came to.
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Option<Box<RawValue>>,
    /// Why it failed: `message`, `code`, `details`.
    #[schema(value_type = Option<Object>)]
    pub(crate) error: Option<Box<RawValue>>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) enqueued_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) completed_at: Option<Time>,
    /// From its start to its end.
    pub(crate) duration_ms: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Time,
}

macro_rules! select_jobs {
    ($rest:expr) => {
        concat!(include_str!("sql/job_columns.sql"), $rest)
    };
}

impl Job {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |index| {
            row.get(index)
                .map(|ms: Option<i64>| ms.map(Time::from_millis))
        };
        let json = |index| -> rusqlite::Result<Option<Box<RawValue>>> {
            let text: Option<String> = row.get(index)?;
            let raw = text.map(RawValue::from_string).transpose();
            raw.map_err(|error| node::conversion(index, Box::new(error)))
        };
        let (started_at, completed_at) = (time(13)?, time(14)?);
        let duration = |(start, end): (Time, Time)| end.as_millis() - start.as_millis();
        Ok(Self {
            id: row.get(0)?,
            job_key: row.get(1)?,
            backend_mount_id: row.get(2)?,
            node_id: row.get(3)?,
            path: row.get(4)?,
            reason: node::word(row, 5, ReconcileReason::from_word)?,
            status: node::word(row, 6, JobStatus::from_word)?,
            detect_children: row.get(7)?,
            requested_hash: row.get(8)?,
            attempt: row.get(9)?,
            result: json(10)?,
            error: json(11)?,
            enqueued_at: time(12)?.unwrap_or_default(),
            started_at,
            completed_at,
            duration_ms: started_at.zip(completed_at).map(duration),
            updated_at: time(15)?.unwrap_or_default(),
        })
    }

    fn fact(&self) -> ReconciliationJob<'_> {
        ReconciliationJob {
            id: self.id,
            job_key: Text::from(self.job_key.as_str()),
            backend_mount_id: self.backend_mount_id,
            node_id: self.node_id,
            path: Text::from(self.path.as_str()),
            reason: self.reason,
            status: self.status,
            detect_children: self.detect_children,
            requested_hash: self.requested_hash,
            attempt: self.attempt,
            result: self.result.as_deref(),
            error: self.error.as_deref(),
            enqueued_at: self.enqueued_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            duration_ms: self.duration_ms,
            updated_at: self.updated_at,
            journal_id: JournalId::ZERO,
        }
    }
}

impl Fact for ReconciliationJob<'_> {
    fn event_type(&self) -> EventType {
        match self.status {
            JobStatus::Queued => EventType::JobQueued,
            JobStatus::Running => EventType::JobStarted,
            JobStatus::Succeeded | JobStatus::Skipped => EventType::JobCompleted,
            JobStatus::Failed => EventType::JobFailed,
            JobStatus::Cancelled => EventType::JobCancelled,
        }
    }

    fn node_id(&self) -> Option<i64> {
        self.node_id
    }

    fn set_journal_id(&mut self, id: JournalId) {
        self.journal_id = id;
    }
}

/// Writes the job's row, an id given if it has none (0), and the journal entry of its status.
pub(crate) fn put(tx: &mut WriteTx<'_>, job: &mut Job) -> Result<JournalId, StoreError> {
    let connection = tx.connection();
    job.updated_at = tx.now();
    let millis = |time: Option<Time>| time.map(Time::as_millis);
    connection
        .prepare_cached(include_str!("sql/put_job.sql"))?
        .execute(params![
            (job.id > 0).then_some(job.id),
            job.job_key,
            job.backend_mount_id,
            job.node_id,
            job.path,
            job.reason.as_str(),
            job.status.as_str(),
            job.detect_children,
            job.requested_hash,
            job.attempt,
            job.result.as_deref().map(RawValue::get),
            job.error.as_deref().map(RawValue::get),
            job.enqueued_at.as_millis(),
            millis(job.started_at),
            millis(job.completed_at),
            job.updated_at.as_millis(),
        ])?;
    if job.id == 0 {
        job.id = connection.last_insert_rowid();
        connection
            .prepare_cached(include_str!("sql/forget_jobs.sql"))?
            .execute([job.id])?;
    }
    if let (Some(start), Some(end)) = (job.started_at, job.completed_at) {
        job.duration_ms = Some(end.as_millis() - start.as_millis());
    }
    tx.append(job.fact())
}

/// The job of this id.
pub(crate) fn by_id(connection: &Connection, id: i64) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE id = ?1");
    let mut statement = connection.prepare_cached(SQL)?;
    Ok(statement.query_row([id], Job::from_row).optional()?)
}

/// The job of this key that waits.
pub(crate) fn waiting(connection: &Connection, key: &str) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE job_key = ?1 AND status = 'queued'");
    let mut statement = connection.prepare_cached(SQL)?;
    Ok(statement.query_row([key], Job::from_row).optional()?)
}

/// The job whose turn is next: the oldest whose mount has none that runs.
pub(crate) fn next(connection: &Connection) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!(include_str!("sql/next_job.sql"));
    let mut statement = connection.prepare_cached(SQL)?;
    Ok(statement.query_row([], Job::from_row).optional()?)
}

/// The jobs that run, as far as the catalogue knows.
pub(crate) fn running(connection: &Connection) -> Result<Vec<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE status = 'running' ORDER BY id");
    let mut statement = connection.prepare_cached(SQL)?;
    let jobs = statement.query_map([], Job::from_row)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// How many wait.
pub(crate) fn count_waiting(connection: &Connection) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM reconciliation_jobs WHERE status = 'queued'";
    Ok(connection
        .prepare_cached(SQL)?
        .query_row([], |row| row.get(0))?)
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) mount_id: Option<i64>,
    /// The path, or one below it.
    pub(crate) path: Option<String>,
    pub(crate) status: Vec<JobStatus>,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

/// The jobs, newest first, and how many there are in all.
pub(crate) fn list(
    connection: &Connection,
    listing: &Listing,
) -> Result<(Vec<Job>, i64), StoreError> {
    const COUNT: &str = concat!(
        "SELECT count(*) FROM reconciliation_jobs ",
        include_str!("sql/list_jobs.sql")
    );
    const SQL: &str = concat!(
        include_str!("sql/job_columns.sql"),
        include_str!("sql/list_jobs.sql"),
        " ORDER BY id DESC LIMIT ?4 OFFSET ?5"
    );
    let status = serde_json::to_string(&listing.status)?;
    let total = connection
        .prepare_cached(COUNT)?
        .query_row(params![listing.mount_id, listing.path, status], |row| {
            row.get(0)
        })?;
    let mut statement = connection.prepare_cached(SQL)?;
    let params = params![
        listing.mount_id,
        listing.path,
        status,
        listing.limit,
        listing.offset
    ];
    let jobs = statement.query_map(params, Job::from_row)?;
    Ok((jobs.collect::<Result<_, _>>()?, total))
}
