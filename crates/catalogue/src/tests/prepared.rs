//! Statements that are prepared once.

use super::Bench;
use crate::nodes::{self, MISSING_AT};
use crate::{ReadTx, StoreError};
use journal::NodeKind;
use rusqlite::StatementStatus;

/// How often the statement was prepared anew while it was asked for different values.
fn prepared_anew(tx: &ReadTx<'_>, mount_id: i64) -> Result<i32, StoreError> {
    for path in ["a", "b", "c"] {
        for kind in [NodeKind::File, NodeKind::Directory] {
            assert!(nodes::missing_at(tx, mount_id, path, kind)?.is_none());
        }
    }
    let statement = tx.prepare_cached(MISSING_AT)?;
    Ok(statement.get_status(StatementStatus::RePrepare))
}

#[test]
fn a_statement_is_prepared_once_whatever_is_asked() {
    let bench = Bench::new();
    let mount_id = bench.root.mount_id;
    let by_a_reader = bench.store.read(|tx| prepared_anew(tx, mount_id));
    let by_the_writer = bench.store.write(move |tx| prepared_anew(tx, mount_id));
    assert_eq!((by_a_reader.unwrap(), by_the_writer.unwrap()), (0, 0));
}
