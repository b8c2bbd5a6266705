//! The rows of reconciliation jobs. Each change of one is journalled in its transaction.

use super::change::Fact;
use super::{ReadTx, StoreError, WriteTx, column};
use journal::{EventType, JobStatus, JournalId, ReconcileReason, ReconciliationJob, Text, Time};
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A job that compares nodes with the disk.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconciliationJob)]
pub struct Job {
    /// Its id.
    pub id: i64,
    /// What it is about; while one waits, further ones of the same key are the same job.
    pub job_key: String,
    /// The mount.
    pub backend_mount_id: i64,
    /// The node that was asked about, or turned out to be at the path.
    pub node_id: Option<i64>,
    /// Relative to the mount, `""` for its root.
    pub path: String,
    /// Why: `drift`, `audit`, `manual`.
    #[schema(schema_with = reasons)]
    pub reason: ReconcileReason,
    /// `queued`, `running`, `succeeded`, `failed`, `skipped` (nothing there, and nothing known of
    /// it), `cancelled`.
    #[schema(schema_with = statuses)]
    pub status: JobStatus,
    /// All that is below is compared too.
    pub detect_children: bool,
    /// Content hashes are computed.
    pub requested_hash: bool,
    /// How often it was begun; more than once if the process ended meanwhile.
    pub attempt: i64,
    /// What it came to.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Box<RawValue>>,
    /// Why it failed: `message`, `code`, `details`.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Box<RawValue>>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub enqueued_at: Time,
    /// When it was begun last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Time>,
    /// From its start to its end.
    pub duration_ms: Option<i64>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

// The words belong to a crate that knows no documents.
fn reasons() -> Object {
    words(&["drift", "audit", "manual"])
}

fn statuses() -> Object {
    words(&[
        "queued",
        "running",
        "succeeded",
        "failed",
        "skipped",
        "cancelled",
    ])
}

fn words(words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .build()
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
            raw.map_err(|error| column::conversion(index, Box::new(error)))
        };
        let (started_at, completed_at) = (time(13)?, time(14)?);
        let duration = |(start, end): (Time, Time)| end.as_millis() - start.as_millis();
        Ok(Self {
            id: row.get(0)?,
            job_key: row.get(1)?,
            backend_mount_id: row.get(2)?,
            node_id: row.get(3)?,
            path: row.get(4)?,
            reason: column::word(row, 5, ReconcileReason::from_word)?,
            status: column::word(row, 6, JobStatus::from_word)?,
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
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn put(tx: &mut WriteTx<'_>, job: &mut Job) -> Result<JournalId, StoreError> {
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
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_id(tx: &ReadTx<'_>, id: i64) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE id = ?1");
    let mut statement = tx.prepare_cached(SQL)?;
    Ok(statement.query_row([id], Job::from_row).optional()?)
}

/// The job of this key that waits.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn waiting(tx: &ReadTx<'_>, key: &str) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE job_key = ?1 AND status = 'queued'");
    let mut statement = tx.prepare_cached(SQL)?;
    Ok(statement.query_row([key], Job::from_row).optional()?)
}

/// The job whose turn is next: the oldest whose mount has none that runs.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn next(tx: &ReadTx<'_>) -> Result<Option<Job>, StoreError> {
    const SQL: &str = select_jobs!(include_str!("sql/next_job.sql"));
    let mut statement = tx.prepare_cached(SQL)?;
    Ok(statement.query_row([], Job::from_row).optional()?)
}

/// The jobs that run, as far as the catalogue knows.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn running(tx: &ReadTx<'_>) -> Result<Vec<Job>, StoreError> {
    const SQL: &str = select_jobs!("WHERE status = 'running' ORDER BY id");
    let mut statement = tx.prepare_cached(SQL)?;
    let jobs = statement.query_map([], Job::from_row)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// How many wait.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn count_waiting(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM reconciliation_jobs WHERE status = 'queued'";
    Ok(tx.prepare_cached(SQL)?.query_row([], |row| row.get(0))?)
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those of this mount only.
    pub mount_id: Option<i64>,
    /// The path, or one below it.
    pub path: Option<String>,
    /// Those with one of these only, if there are any.
    pub status: Vec<JobStatus>,
    /// How many, at most.
    pub limit: u32,
    /// How many newer ones are left out.
    pub offset: u32,
    /// Jobs that are older than this one.
    pub before: Option<i64>,
}

/// The jobs, newest first, and how many there are in all.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn list(tx: &ReadTx<'_>, listing: &Listing) -> Result<(Vec<Job>, i64), StoreError> {
    const COUNT: &str = concat!(
        "SELECT count(*) FROM reconciliation_jobs ",
        include_str!("sql/list_jobs.sql")
    );
    const SQL: &str = concat!(
        include_str!("sql/job_columns.sql"),
        include_str!("sql/list_jobs.sql"),
        " AND (?6 IS NULL OR id < ?6) ORDER BY id DESC LIMIT ?4 OFFSET ?5"
    );
    let status = serde_json::to_string(&listing.status)?;
    let total = tx
        .prepare_cached(COUNT)?
        .query_row(params![listing.mount_id, listing.path, status], |row| {
            row.get(0)
        })?;
    let mut statement = tx.prepare_cached(SQL)?;
    let params = params![
        listing.mount_id,
        listing.path,
        status,
        listing.limit,
        listing.offset,
        listing.before
    ];
    let jobs = statement.query_map(params, Job::from_row)?;
    Ok((jobs.collect::<Result<_, _>>()?, total))
}
