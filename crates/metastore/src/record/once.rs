//! Requests that may come again under an idempotency key: each has one effect and one answer.
//!
//! What was asked (a hash) and what was answered are stored in the transaction of the write. The
//! same request gets the stored answer, whatever happened to the record since; another request under
//! the key is refused. A request that failed is not kept, so it may be tried again.
//!
//! Answers hold what people wrote, so a purge empties them: what is left says what was done.

use super::outcome::{Outcome, Target, Written};
use super::store::{self, Stored};
use super::{Record, RecordError};
use journal::Time;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// How long an answer is kept.
const KEPT_MILLIS: i64 = 7 * 24 * 3_600 * 1_000;

/// A key that a client may repeat a request under, and the hash of that request.
#[derive(Clone, Debug)]
pub(crate) struct Idempotency {
    scope: String,
    key: String,
    request: [u8; 32],
}

impl Idempotency {
    /// A write to one record. Each namespace has keys of its own: nobody learns which keys another
    /// one uses.
    pub(crate) fn of_write(
        key: String,
        verb: &str,
        target: &Target,
        content: &impl Serialize,
    ) -> Self {
        Self {
            request: hash(&(verb, target, content)),
            scope: target.namespace.clone(),
            key,
        }
    }

    /// A bulk. Each writer has keys of its own; no namespace has a space in its name.
    pub(crate) fn of_bulk(key: String, subject: Option<&str>, operations: &impl Serialize) -> Self {
        Self {
            request: hash(operations),
            scope: format!("bulk {}", subject.unwrap_or_default()),
            key,
        }
    }
}

/// A hash over the JSON of a request. The names in an object are in order, however they were sent.
fn hash(request: &impl Serialize) -> [u8; 32] {
    // Texts, numbers and maps of them always have a JSON text.
    blake3::hash(&serde_json::to_vec(request).unwrap_or_default()).into()
}

/// What a write to one record is answered with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) record: Record,
    /// The audit entry, and its version, that the record went back to.
    pub(crate) restored_from: Option<(i64, i64)>,
    /// The row of the record, if it has one: without a row nobody has said anything of it.
    #[serde(skip)]
    pub(crate) record_id: Option<i64>,
    /// The request came before; this is what it was answered then.
    #[serde(skip)]
    pub(crate) is_repeated: bool,
}

impl Answer {
    fn of(outcome: Outcome, record: Stored) -> Self {
        Self {
            outcome,
            record_id: record.id,
            record: record.shown(),
            restored_from: None,
            is_repeated: false,
        }
    }

    pub(crate) fn of_purge(record: Stored) -> Self {
        Self {
            record_id: None,
            ..Self::of(Outcome::Purged, record)
        }
    }

    pub(crate) fn of_restore((written, restored_from): (Written, Option<(i64, i64)>)) -> Self {
        Self {
            restored_from,
            ..Self::from(written)
        }
    }

    /// Nothing took effect now: it was so already, or the request came before.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.is_repeated || self.outcome == Outcome::Unchanged
    }

    /// What is stored: of a purged record, nothing that a person wrote.
    fn kept(&self) -> Result<Kept, RecordError> {
        if self.outcome != Outcome::Purged {
            return Kept::of(self.record_id, self);
        }
        let mut left = self.clone();
        left.record.metadata.clear();
        left.record.tags.clear();
        left.record.owner = None;
        left.record.schema_hash = None;
        Kept::of(None, &left)
    }
}

impl From<Written> for Answer {
    fn from((outcome, record): Written) -> Self {
        Self::of(outcome, record)
    }
}

/// A stored answer, and the record that it shows.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) record_id: Option<i64>,
    answer: String,
}

impl Kept {
    /// `answer` has what people wrote under `record`, if it has any of it.
    pub(crate) fn of(record_id: Option<i64>, answer: &impl Serialize) -> Result<Self, RecordError> {
        let answer = serde_json::to_string(answer)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Self { record_id, answer })
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, RecordError> {
        Ok(store::parsed(&self.answer)?)
    }
}

/// Does a write, unless the request came before.
pub(crate) fn once(
    connection: &Connection,
    now: Time,
    idempotency: Option<&Idempotency>,
    write: impl FnOnce() -> Result<Answer, RecordError>,
) -> Result<Answer, RecordError> {
    let Some(idempotency) = idempotency else {
        return write();
    };
    if let Some(kept) = find(connection, idempotency, now)?
        && let Some(first) = kept.first()
    {
        return Ok(Answer {
            record_id: first.record_id,
            is_repeated: true,
            ..first.read()?
        });
    }
    let answer = write()?;
    keep(connection, idempotency, now, &[answer.kept()?])?;
    Ok(answer)
}

/// What the same request was answered before.
pub(crate) fn find(
    connection: &Connection,
    it: &Idempotency,
    now: Time,
) -> Result<Option<Vec<Kept>>, RecordError> {
    let earlier: Option<(i64, [u8; 32])> = connection
        .prepare_cached(include_str!("../sql/kept_find.sql"))?
        .query_row(params![it.scope, it.key, oldest(now)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let id = match earlier {
        None => return Ok(None),
        Some((_, request)) if request != it.request => return Err(RecordError::Idempotency),
        Some((id, _)) => id,
    };
    let kept = connection
        .prepare_cached(
            "SELECT record_id, answer FROM kept_answers WHERE request_id = ?1 ORDER BY operation",
        )?
        .query_map([id], |row| {
            Ok(Kept {
                record_id: row.get(0)?,
                answer: row.get(1)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(kept))
}

/// Keeps the answers of a request, and forgets a few that are old.
pub(crate) fn keep(
    connection: &Connection,
    it: &Idempotency,
    now: Time,
    answers: &[Kept],
) -> Result<(), RecordError> {
    connection
        .prepare_cached(include_str!("../sql/kept_forget.sql"))?
        .execute(params![it.scope, it.key, oldest(now)])?;
    let id: i64 = connection
        .prepare_cached(
            "INSERT INTO kept_requests (scope, key, request, created_at) \
             VALUES (?1, ?2, ?3, ?4) RETURNING id",
        )?
        .query_row(
            params![it.scope, it.key, it.request, now.as_millis()],
            |row| row.get(0),
        )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO kept_answers (request_id, operation, record_id, answer) \
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (operation, kept) in (0_i64..).zip(answers) {
        insert.execute(params![id, operation, kept.record_id, kept.answer])?;
    }
    Ok(())
}

fn oldest(now: Time) -> i64 {
    now.as_millis().saturating_sub(KEPT_MILLIS)
}

/// Takes what people wrote out of the answers that show a purged record.
pub(crate) fn empty(connection: &Connection, record_id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(include_str!("../sql/kept_empty.sql"))?
        .execute([record_id])?;
    Ok(())
}

/// The answers that showed `from` are about `into` now: the two records became one.
pub(crate) fn merge(connection: &Connection, from: i64, into: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE kept_answers SET record_id = ?2 WHERE record_id = ?1")?
        .execute([from, into])?;
    Ok(())
}
