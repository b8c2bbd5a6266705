//! Times as columns: nanoseconds since 1970 where one number holds them, else the twelve bytes of the
//! moment. A time is always the same value, so `=` and `IS` compare times.

use node::Moment;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, RowIndex};

/// A time on its way into or out of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column(pub(crate) Moment);

impl ToSql for Column {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self.0.as_nanos() {
            Some(nanos) => Value::Integer(nanos),
            None => Value::Blob(self.0.to_bytes().to_vec()),
        }))
    }
}

impl FromSql for Column {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(nanos) => Ok(Self(Moment::from_nanos(nanos))),
            ValueRef::Blob(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(Self(Moment::from_bytes(bytes))),
                Err(_) => Err(FromSqlError::InvalidBlobSize {
                    expected_size: 12,
                    blob_size: bytes.len(),
                }),
            },
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// The time in a column.
pub(crate) fn moment(row: &Row<'_>, index: impl RowIndex) -> rusqlite::Result<Option<Moment>> {
    Ok(row.get::<_, Option<Column>>(index)?.map(|column| column.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_years_are_found_again_as_they_were_stored() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (at INTEGER)").unwrap();
        for seconds in [
            0,
            -1,
            1_764_000_000,
            -11_676_096_000,
            32_503_680_000,
            i64::MAX,
            i64::MIN,
        ] {
            let stored = Moment::new(seconds, 999_999_999);
            db.execute("DELETE FROM t", []).unwrap();
            db.execute("INSERT INTO t VALUES (?1)", [Column(stored)])
                .unwrap();
            let found = |row: &Row<'_>| moment(row, 0);
            let sql = "SELECT at FROM t WHERE at IS ?1";
            let found = db.query_row(sql, [Column(stored)], found);
            assert_eq!(found.unwrap(), Some(stored), "{seconds}");
        }
    }
}
