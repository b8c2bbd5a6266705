//! Many writes at once.

use super::body::{Name, check_name, check_version, persons_part};
use super::records::{author, shown};
use crate::Metastore;
use crate::record::write::{self, Author, Outcome, Target, Written};
use crate::record::{Metadata, PersonsPart, Record, RecordError};
use axum::extract::State;
use httpkit::{Caller, Json, Problem};
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
#[derive(Debug, Serialize, utoipa::ToSchema)]
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
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    status_code: u16,
    code: String,
    message: String,
}

/// A write, checked.
struct Checked {
    verb: Verb,
    target: Target,
    part: PersonsPart,
}

/// Writes many records, all of them or, with `continueOnError`, those that can be
///
/// An operation `delete` needs the scope `metastore:delete`, too.
#[utoipa::path(post, path = "/records/bulk", tag = "records", operation_id = "bulkRecords",
    request_body = BulkBody, responses((status = 200, body = BulkAnswer)),
    security(("bearer" = ["metastore:write"]), ("bearer" = ["metastore:delete"])))]
pub(super) async fn bulk(
    State(metastore): State<Metastore>,
    caller: Caller,
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
    let writer = caller.clone();
    let results = metastore
        .0
        .write(move |db, now| run(db, &author(&writer, now), operations, goes_on))
        .await?;
    let operations = results
        .into_iter()
        .map(|(verb, target, result)| {
            let result = result.map(|(outcome, record)| (outcome, shown(record, &caller)));
            Done::of(verb, target, result)
        })
        .collect();
    Ok(Json(BulkAnswer { operations }))
}

type Tried = (Verb, Target, Result<Written, RecordError>);

/// Does the writes in order, each within a savepoint.
fn run(
    transaction: &mut Transaction<'_>,
    author: &Author,
    operations: Vec<Checked>,
    goes_on: bool,
) -> Result<Vec<Tried>, RecordError> {
    let mut results = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        let (verb, target) = (operation.verb, operation.target.clone());
        let savepoint = transaction.savepoint()?;
        let result = match apply(&savepoint, author, operation) {
            Ok(written) => savepoint.commit().map(|()| Ok(written))?,
            // The savepoint is rolled back when it is dropped.
            Err(error) if goes_on && !matches!(error, RecordError::Sql(_)) => Err(error),
            Err(error) => return Err(at_operation(index, error)),
        };
        results.push((verb, target, result));
    }
    Ok(results)
}

impl Done {
    fn of(verb: Verb, target: Target, result: Result<(Outcome, Record), RecordError>) -> Self {
        let Target { namespace, key, .. } = target;
        match result {
            Ok((outcome, record)) => Self::Ok {
                verb,
                namespace,
                key,
                created: outcome == Outcome::Created,
                idempotent: outcome == Outcome::Unchanged,
                record: Box::new(record),
            },
            Err(error) => {
                let problem = Problem::from(error);
                let error = Failure {
                    status_code: problem.status().as_u16(),
                    code: problem.code().as_str().to_owned(),
                    message: problem.detail().to_owned(),
                };
                Self::Error {
                    namespace,
                    key,
                    error,
                }
            }
        }
    }
}

fn check(index: usize, operation: Operation, caller: &Caller) -> Result<Checked, Problem> {
    let prefix = format!("/operations/{index}/");
    check_name(&prefix, &operation.namespace, &operation.key)?;
    check_version(&prefix, operation.expected_version)?;
    if operation.verb == Verb::Delete {
        caller.require("metastore:delete")?;
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
    })
}

fn apply(db: &Connection, author: &Author, operation: Checked) -> Result<Written, RecordError> {
    let Checked { verb, target, part } = operation;
    match verb {
        Verb::Upsert => write::put(db, author, &target, part),
        Verb::Create => write::create(db, author, &target, part, None),
        Verb::Delete => write::delete(db, author, &target),
    }
}

/// Names the operation that stopped them all.
fn at_operation(index: usize, error: RecordError) -> RecordError {
    match error {
        RecordError::Invalid { pointer, detail } => RecordError::Invalid {
            pointer: format!("/operations/{index}{pointer}"),
            detail,
        },
        other => other,
    }
}
