//! `GET /filestore/digest` and `/filestore/integrity`

use super::Shared;
use crate::catalogue;
use crate::error::Error;
use crate::inner::DIGEST_LIMIT;
use crate::sink::read_checkpoint;
use crate::usage;
use axum::extract::State;
use httpkit::{Finding, Integrity, Json};
use journal::JournalId;
use serde::Serialize;
use utoipa::ToSchema;

/// The tables beside the datasets that are read in full.
const OWN_TABLES: [&str; 7] = [
    "filestore_sync",
    "dead_letters",
    "saved_sql",
    "partitions",
    "usage_cells",
    "usage_states",
    "usage_past",
];

/// What a digest of the activity says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookDigest {
    /// The entry that the activity is the state at.
    #[schema(value_type = u64)]
    journal_id: JournalId,
    /// The journal it follows.
    epoch: Option<String>,
    /// The journal's chained digest at that entry.
    digest: Option<String>,
    /// A hash over all rows, whatever their order and whenever they came in.
    content: String,
    /// How many rows that are.
    rows: i64,
}

/// A digest of the activity's contents
///
/// The same rows have the same digest, so an activity that is rebuilt from the same journal has the
/// one that it had before. It reads the whole table.
#[utoipa::path(get, path = "/filestore/digest", tag = "filestore", operation_id = "digestBook",
    responses((status = 200, body = BookDigest)))]
pub(super) async fn get(State(shared): State<Shared>) -> httpkit::Result<Json<BookDigest>> {
    let digest = shared.reads.read(DIGEST_LIMIT, |connection| {
        let checkpoint = read_checkpoint(connection)?;
        let sql = include_str!("../sql/content_digest.sql");
        let content: String = connection.query_row(sql, [], |row| row.get(0))?;
        let rows = connection.query_row("SELECT count(*) FROM tidemark.activity", [], |row| {
            row.get(0)
        })?;
        Ok(BookDigest {
            journal_id: checkpoint.map_or(JournalId::ZERO, |checkpoint| checkpoint.journal_id),
            epoch: checkpoint.map(|checkpoint| checkpoint.epoch.to_string()),
            digest: checkpoint.map(|checkpoint| checkpoint.digest.to_string()),
            content,
            rows,
        })
    });
    Ok(Json(digest.await?))
}

/// Whether the database file still holds what was written to it
///
/// Reads every column of every dataset: DuckDB has a checksum of every block, and tells when one
/// does not fit. Then it compares the sums of usage with the rows.
#[utoipa::path(get, path = "/filestore/integrity", tag = "filestore",
    operation_id = "checkIntegrity", responses((status = 200, body = Integrity)))]
pub(super) async fn check(State(shared): State<Shared>) -> httpkit::Result<Json<Integrity>> {
    let checked = shared.reads.read(DIGEST_LIMIT, |connection| {
        let mut findings = Vec::new();
        let mut tables: Vec<_> = match catalogue::list(connection) {
            Ok(datasets) => datasets
                .iter()
                .map(|dataset| (dataset.slug.clone(), dataset.quoted_table()))
                .collect(),
            Err(error) => vec![damaged(&mut findings, "catalogue", error)?],
        };
        for own in OWN_TABLES {
            tables.push((own.to_owned(), format!("tidemark.{own}")));
        }
        for (name, table) in tables.iter().filter(|(_, table)| !table.is_empty()) {
            let sql = format!("SELECT count(hash(t)) FROM {table} AS t");
            let read = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
            if let Err(error) = read {
                damaged(&mut findings, name, error.into())?;
            }
        }
        if findings.is_empty() {
            let differences = usage::differences(connection)?;
            findings.extend(differences.iter().map(|it| Finding::new("usage_sums", it)));
        }
        Ok(Integrity::of(findings))
    });
    let checked = checked.await?;
    if !checked.ok {
        tracing::error!(findings = ?checked.findings, "the database is damaged");
    }
    Ok(Json(checked))
}

/// Notes damage; another error is no finding.
fn damaged(
    findings: &mut Vec<Finding>,
    part: &str,
    error: Error,
) -> crate::error::Result<(String, String)> {
    match &error {
        Error::Damaged(source) => {
            findings.push(Finding::new(part, crate::error::message(source)));
            Ok((part.to_owned(), String::new()))
        }
        _ => Err(error),
    }
}
