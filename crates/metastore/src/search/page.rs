//! A page of a table.

use super::compile::Statement;
use super::cursor::Cursor;
use super::order::Order;
use super::query::Query;
use crate::record::store::Stored;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

/// A page as it fills.
pub(super) struct Page<'q> {
    query: &'q Query,
    pub(super) records: Vec<Stored>,
    /// Behind its last record.
    pub(super) last: Option<Cursor>,
    /// There is another page.
    pub(super) is_more: bool,
}

impl<'q> Page<'q> {
    pub(super) const fn new(query: &'q Query) -> Self {
        Self {
            query,
            records: Vec::new(),
            last: None,
            is_more: false,
        }
    }

    /// Takes rows until the page is full.
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        page: Statement,
    ) -> rusqlite::Result<()> {
        let keys = self.query.order.as_ref().map_or(1, Order::len);
        let mut statement = connection.prepare(&page.text)?;
        let mut rows = statement.query(params_from_iter(page.params))?;
        while let Some(row) = rows.next()? {
            if self.records.len() as u64 == u64::from(self.query.limit) {
                self.is_more = true;
                return Ok(());
            }
            let values = (0..keys).map(|index| row.get(format!("sort_{index}").as_str()));
            let values = values.collect::<rusqlite::Result<Vec<Sql>>>()?;
            let place = row.get("place")?;
            self.last = Some(Cursor::Table { values, place });
            self.records.push(Stored::from_row(row)?);
        }
        Ok(())
    }
}
