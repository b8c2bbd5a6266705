//! Many writes at once.

use super::body::{Name, check_name, check_version, idempotency_key, persons_part};
use super::records::{author, hide};
use crate::Metastore;
use crate::record::once::{self, Answer, Idempotency, Kept, once};
use crate::record::outcome::{Author, Outcome, Target};
use crate::record::write;
use crate::record::{Fault, Metadata, PersonsPart, Record, RecordError, valid};
use axum::extract::State;
use axum::http::HeaderMap;
use httpkit::{Caller, FieldError, Json, Problem};
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

const OPERATIONS: usize = 1_000;

/// Writes, done in order.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkBody {
    /// 1 to 1000 writes.
    operations: Vec<Operation>,
    /// Do the others if one fails; else none takes effect.
    #[serde(default)]
    continue_on_error: bool,
    /// The same key with the same operations gives the same answer again, for seven days.
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// One write.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Operation {
    /// `upsert` (as PUT), `create` (as POST) or `delete`; `upsert` if it is left out.
    #[serde(default, rename = "type")]
    verb: Verb,
    namespace: String,
    key: String,
    /// Needed for all but `delete`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Metadata>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    schema_hash: Option<String>,
    #[serde(default)]
    expected_version: Option<i64>,
    /// As that of the same write on its own: it has one effect, in whichever way it comes.
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Verb {
    #[default]
    #[serde(alias = "put")]
    Upsert,
    Create,
    Delete,
}

/// What became of the writes, in their order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BulkAnswer {
    operations: Vec<Done>,
}

/// What became of one write.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Done {
    /// It took effect.
    Ok {
        #[serde(rename = "type")]
        verb: Verb,
        namespace: String,
        key: String,
        created: bool,
        idempotent: bool,
        record: Box<Record>,
    },
    /// It did not.
    Error {
        namespace: String,
        key: String,
        error: Failure,
    },
}

/// Why a write did not take effect.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    status_code: u16,
    code: String,
    message: String,
    /// The fields at fault, by JSON pointer into the operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: Vec<Fault>,
}

/// A write, checked.
#[derive(Serialize)]
struct Checked {
    verb: Verb,
    target: Target,
    part: PersonsPart,
    idempotency_key: Option<String>,
}

/// All writes of a request.
struct Bulk {
    operations: Vec<Checked>,
    goes_on: bool,
    idempotency: Option<Idempotency>,
}

/// Writes many records, all of them or, with `continueOnError`, those that can be
///
/// An operation `delete` needs the scope `metastore:delete`, too.
#[utoipa::path(post, path = "/records/bulk", tag = "records", operation_id = "bulkRecords",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same operations gives the same answer again, for seven days; `X-Idempotency-Key` will do too")),
    request_body = BulkBody, responses((status = 200, body = BulkAnswer)),
    security(("bearer" = ["metastore:write"]), ("bearer" = ["metastore:delete"])))]
pub(super) async fn bulk(
    State(metastore): State<Metastore>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<BulkBody>,
) -> Result<Json<BulkAnswer>, Problem> {
    if body.operations.is_empty() || body.operations.len() > OPERATIONS {
        return Err(Problem::invalid(
            "/operations",
            format!("1 to {OPERATIONS} operations"),
        ));
    }
    let operations = body
        .operations
        .into_iter()
        .enumerate()
        .map(|(index, operation)| check(index, operation, &caller))
        .collect::<Result<Vec<_>, _>>()?;
    let goes_on = body.continue_on_error;
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let subject = caller.subject.as_deref();
    let bulk = Bulk {
        idempotency: key.map(|key| Idempotency::of_bulk(key, subject, &(goes_on, &operations))),
        operations,
        goes_on,
    };
    let writer = caller.clone();
    let done = metastore
        .0
        .write(move |db, now| run(db, &author(&writer, now), bulk))
        .await?;
    let operations = done.into_iter().map(|done| done.seen_by(&caller));
    Ok(Json(BulkAnswer {
        operations: operations.collect(),
    }))
}

/// Does the writes in order, each within a savepoint, unless they came before.
fn run(
    transaction: &mut Transaction<'_>,
    author: &Author,
    bulk: Bulk,
) -> Result<Vec<Done>, RecordError> {
    if let Some(it) = &bulk.idempotency
        && let Some(kept) = once::find(transaction, it, author.now)?
    {
        return kept.iter().map(Done::again).collect();
    }
    let mut done = Vec::with_capacity(bulk.operations.len());
    let mut kept = Vec::new();
    for (index, operation) in bulk.operations.into_iter().enumerate() {
        let (verb, target) = (operation.verb, operation.target.clone());
        let savepoint = transaction.savepoint()?;
        let result = match apply(&savepoint, author, operation) {
            Ok(answer) => savepoint.commit().map(|()| Ok(answer))?,
            // The savepoint is rolled back when it is dropped.
            Err(error) if bulk.goes_on && !matches!(error, RecordError::Sql(_)) => Err(error),
            Err(error) => return Err(at_operation(index, error)),
        };
        let record_id = result.as_ref().ok().and_then(|answer| answer.record_id);
        let one = Done::of(verb, target, result);
        if bulk.idempotency.is_some() {
            kept.push(Kept::of(record_id, &one)?);
        }
        done.push(one);
    }
    if let Some(it) = &bulk.idempotency {
        once::keep(transaction, it, author.now, &kept)?;
    }
    Ok(done)
}

impl Done {
    fn of(verb: Verb, target: Target, result: Result<Answer, RecordError>) -> Self {
        let Target { namespace, key, .. } = target;
        match result {
            Ok(answer) => Self::Ok {
                verb,
                namespace,
                key,
                created: answer.outcome == Outcome::Created,
                idempotent: answer.is_idempotent(),
                record: Box::new(answer.record),
            },
            Err(error) => {
                let problem = Problem::from(error);
                let errors = problem.errors().iter().map(|field| Fault {
                    pointer: field.pointer.clone(),
                    detail: field.detail.clone(),
                });
                let error = Failure {
                    status_code: problem.status().as_u16(),
                    code: problem.code().as_str().to_owned(),
                    message: problem.detail().to_owned(),
                    errors: errors.collect(),
                };
                Self::Error {
                    namespace,
                    key,
                    error,
                }
            }
        }
    }

    /// What became of it the first time.
    fn again(kept: &Kept) -> Result<Self, RecordError> {
        let mut done = kept.read()?;
        if let Self::Ok { idempotent, .. } = &mut done {
            *idempotent = true;
        }
        Ok(done)
    }

    fn seen_by(mut self, caller: &Caller) -> Self {
        if let Self::Ok { record, .. } = &mut self {
            hide(record, caller);
        }
        self
    }
}

fn check(index: usize, operation: Operation, caller: &Caller) -> Result<Checked, Problem> {
    let prefix = format!("/operations/{index}/");
    check_name(&prefix, &operation.namespace, &operation.key)?;
    check_version(&prefix, operation.expected_version)?;
    if operation.verb == Verb::Delete {
        caller.require("metastore:delete")?;
    }
    if let Some(key) = &operation.idempotency_key {
        valid::key(key)
            .map_err(|detail| Problem::invalid(&format!("{prefix}idempotencyKey"), detail))?;
    }
    let part = match (operation.verb, operation.metadata) {
        (Verb::Delete, _) => PersonsPart::default(),
        (Verb::Upsert | Verb::Create, Some(metadata)) => persons_part(
            &prefix,
            metadata,
            operation.tags,
            operation.owner,
            operation.schema_hash,
        )?,
        (Verb::Upsert | Verb::Create, None) => {
            return Err(Problem::invalid(
                &format!("{prefix}metadata"),
                "a JSON object is needed",
            ));
        }
    };
    let name = Name {
        namespace: operation.namespace,
        key: operation.key,
    };
    let target = name.target(caller, operation.expected_version)?;
    Ok(Checked {
        verb: operation.verb,
        target,
        part,
        idempotency_key: operation.idempotency_key,
    })
}

fn apply(db: &Connection, author: &Author, operation: Checked) -> Result<Answer, RecordError> {
    let Checked {
        verb,
        target,
        part,
        idempotency_key,
    } = operation;
    // The same as of the write on its own.
    let idempotency = idempotency_key.map(|key| match verb {
        Verb::Upsert => Idempotency::of_write(key, "put", &target, &part),
        Verb::Create => Idempotency::of_write(key, "create", &target, &part),
        Verb::Delete => Idempotency::of_write(key, "delete", &target, &()),
    });
    once(db, author.now, idempotency.as_ref(), || {
        let written = match verb {
            Verb::Upsert => write::put(db, author, &target, part),
            Verb::Create => write::create(db, author, &target, part),
            Verb::Delete => write::delete(db, author, &target),
        };
        written.map(Answer::from)
    })
}

/// Names the operation that stopped them all.
fn at_operation(index: usize, error: RecordError) -> RecordError {
    match error {
        RecordError::Invalid { pointer, detail } => RecordError::Invalid {
            pointer: format!("/operations/{index}{pointer}"),
            detail,
        },
        RecordError::Faults(mut faults) => {
            for fault in &mut faults {
                fault.pointer = format!("/operations/{index}{}", fault.pointer);
            }
            RecordError::Faults(faults)
        }
        other => other,
    }
}
