//! A search runs: the way to the records, a page of them, and how many there are.
//!
//! There are two ways to the records. A *walk* goes along a lead, from name to name, and needs no
//! order ([`super::walk`]). A *table* is read from one index or two ([`super::rows`]), filtered and
//! sorted. How many records the conditions leave decides which of them it is, counted as far as it
//! matters. A cursor keeps to the way that its first page took.

use super::access::{Access, Best};
use super::compile::Statement;
use super::cursor::Cursor;
use super::indexed::Seek;
use super::lead::{Lead, leads};
use super::order::Order;
use super::page::Page;
use super::query::Query;
use super::rows::{Part, Scope};
use super::walk::{Spot, Walk, cost};
use crate::record::store::{self, NODES, RECORDS, Stored};
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

/// As few records are sorted rather than walked to.
const FEW: i64 = 2_000;
/// How far ways are compared by what they cost, in rows of an index: some 10 ms for each.
const COMPARED: i64 = 100_000;
/// Most records that are walked to and then sorted.
const SORTED: u64 = 50_000;
/// How far behind a page what matches is counted, on a walk and in a table.
const COUNTED: u64 = 1_000;
const COUNTED_IN_TABLE: u64 = 100_000;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// As many match, on every page; at least, if they were not all counted.
    pub(crate) total: u64,
    pub(crate) is_total_exact: bool,
    pub(crate) records: Vec<Stored>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Cursor>,
    pub(crate) way: Way,
    /// How many nodes were looked at because the index of names does not cover them yet.
    pub(crate) looked_through: u64,
}

/// How the records are come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Along the lead of this number.
    Walk(usize, Lead),
    Table(Access),
}

impl Query {
    /// Runs the search, page and total at one state of the book.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<Found> {
        let transaction = connection.unchecked_transaction()?;
        let scope = Scope::of(&transaction, self)?;
        let way = self.way_within(&transaction, &scope)?;
        match &way {
            Way::Walk(number, lead) if self.order.is_none() => {
                self.walk(&transaction, &scope, *number, lead, way.clone())
            }
            Way::Walk(_, lead) => match self.walk_to_ids(&transaction, &scope, lead)? {
                Some(ids) => self.table(&transaction, &scope, way.clone(), Some(&ids)),
                None => {
                    let access = self.best().map_or(Access::Latest, |best| best.access);
                    self.table(&transaction, &scope, Way::Table(access), None)
                }
            },
            Way::Table(_) => self.table(&transaction, &scope, way, None),
        }
    }

    /// The way to take.
    #[cfg(test)]
    fn way(&self, connection: &Connection) -> rusqlite::Result<Way> {
        self.way_within(connection, &Scope::of(connection, self)?)
    }

    fn way_within(&self, connection: &Connection, scope: &Scope) -> rusqlite::Result<Way> {
        let mut leads = leads(self.filter.as_ref());
        match &self.after {
            Some(Cursor::Walk { lead: number, .. }) if *number < leads.len() => {
                return Ok(Way::Walk(*number, leads.swap_remove(*number)));
            }
            Some(Cursor::Table { .. }) if self.order.is_none() => leads.clear(),
            _ => {}
        }
        if let Some(best) = self.best()
            && (leads.is_empty() || best.is_unique || self.leaves_few(connection, &best)?)
        {
            return Ok(Way::Table(best.access));
        }
        if scope.is_small(connection, FEW)? {
            return Ok(Way::Table(Access::Namespace));
        }
        let mut cheapest: Option<(i64, usize, Lead)> = None;
        let is_choice = leads.len() > 1;
        for (number, lead) in leads.into_iter().enumerate() {
            let cost = if is_choice {
                cost(connection, &lead, COMPARED)?
            } else {
                0
            };
            if cheapest.as_ref().is_none_or(|(least, ..)| cost < *least) {
                cheapest = Some((cost, number, lead));
            }
        }
        Ok(match cheapest {
            Some((_, number, lead)) => Way::Walk(number, lead),
            None => Way::Table(Access::Latest),
        })
    }

    fn leaves_few(&self, connection: &Connection, best: &Best<'_>) -> rusqlite::Result<bool> {
        let mut sql = Statement::default();
        sql.push("SELECT count(*) FROM (SELECT 1 ");
        let said = match best.access {
            Access::Path | Access::Nodes => NODES,
            _ => RECORDS,
        };
        sql.push(said).push(" WHERE ");
        match Seek::of(best.condition, &self.indexed) {
            Some(seek) => seek.push(&mut sql),
            None => sql.filter(best.condition),
        }
        if best.access == Access::Said {
            sql.push(" AND r.metadata <> '{}'");
        }
        sql.push(" LIMIT ").bind(FEW + 1).push(")");
        let few: i64 =
            connection.query_row(&sql.text, params_from_iter(sql.params), |row| row.get(0))?;
        Ok(few <= FEW)
    }

    fn walk(
        &self,
        connection: &Connection,
        scope: &Scope,
        number: usize,
        lead: &Lead,
        way: Way,
    ) -> rusqlite::Result<Found> {
        let matching = self.matching_nodes(scope);
        let walk = |select| Walk {
            lead,
            select,
            matching: &matching,
        };
        let after = match &self.after {
            Some(Cursor::Walk { spot, .. }) => Some(spot),
            _ => None,
        };
        let offset = if after.is_some() { 0 } else { self.offset };
        let page = u64::from(self.limit);
        let (mut passed, mut records, mut last, mut is_more) = (0, Vec::new(), None, false);
        let looked_through = walk(store::SELECT).run(
            connection,
            after,
            offset.saturating_add(page).saturating_add(1),
            |top, row| {
                passed += 1;
                if passed <= offset {
                    return Ok(());
                }
                if records.len() as u64 == page {
                    is_more = true;
                    return Ok(());
                }
                let (node_id, path) = (row.get("node_id")?, row.get("path")?);
                last = Some(Spot { top, path, node_id });
                records.push(Stored::from_row(row)?);
                Ok(())
            },
        )?;
        let mut total = passed;
        let mut is_total_exact = !is_more && after.is_none();
        if !is_total_exact {
            // On a later page from the beginning, because a cursor does not say how much lies before it.
            let (counted, from) = match (&last, after) {
                (Some(last), None) => (offset.saturating_add(page), Some(last)),
                _ => (0, None),
            };
            let most = self.count_to(COUNTED);
            total = counted;
            walk("SELECT 1").run(connection, from, most.saturating_sub(counted), |_, _| {
                total += 1;
                Ok(())
            })?;
            is_total_exact = total < most;
        }
        let next = last
            .filter(|_| is_more)
            .map(|spot| Cursor::Walk { lead: number, spot });
        Ok(Found {
            total,
            is_total_exact,
            records,
            next,
            way,
            looked_through,
        })
    }

    /// The nodes along the lead, as JSON; `None` if there are too many to sort.
    fn walk_to_ids(
        &self,
        connection: &Connection,
        scope: &Scope,
        lead: &Lead,
    ) -> rusqlite::Result<Option<String>> {
        let matching = self.matching_nodes(scope);
        let walk = Walk {
            lead,
            select: "SELECT n.node_id",
            matching: &matching,
        };
        let mut ids = Vec::new();
        walk.run(connection, None, SORTED + 1, |_, row| {
            ids.push(row.get::<_, i64>(0)?);
            Ok(())
        })?;
        Ok((ids.len() as u64 <= SORTED).then(|| Value::from(ids).to_string()))
    }

    fn table(
        &self,
        connection: &Connection,
        scope: &Scope,
        way: Way,
        ids: Option<&str>,
    ) -> rusqlite::Result<Found> {
        let access = match &way {
            Way::Table(access) => *access,
            Way::Walk(..) => Access::Nodes,
        };
        let mut page = Page::new(self);
        let mut skip = if self.after.is_some() { 0 } else { self.offset };
        let steps = self.steps(access);
        for step in &steps {
            if skip > 0 && steps.len() > 1 {
                let rows = self.count(connection, scope, access, ids, step, skip)?;
                if rows < skip {
                    skip -= rows;
                    continue;
                }
            }
            if let Some(statement) = self.page(scope, access, ids, step, skip) {
                page.read(connection, statement)?;
            }
            skip = 0;
            if page.is_more {
                break;
            }
        }
        let seen = self.offset.saturating_add(page.records.len() as u64);
        let is_known =
            !page.is_more && self.after.is_none() && (self.offset == 0 || !page.records.is_empty());
        let (total, is_total_exact) = if is_known {
            (seen, true)
        } else {
            let most = self.count_to(COUNTED_IN_TABLE);
            let total = self.count(connection, scope, access, ids, Part::all(access), most)?;
            (total, total < most)
        };
        let next = page.last.filter(|_| page.is_more);
        Ok(Found {
            total,
            is_total_exact,
            records: page.records,
            next,
            way,
            looked_through: 0,
        })
    }

    /// How far to count.
    fn count_to(&self, behind: u64) -> u64 {
        if self.counts_all {
            return i64::MAX.unsigned_abs();
        }
        self.offset
            .saturating_add(u64::from(self.limit))
            .saturating_add(behind)
    }

    /// The parts of the rows that are read one behind the other: an index has each of them in order, or
    /// they are sorted together.
    fn steps(&self, access: Access) -> Vec<&'static [Part]> {
        match Part::in_order(access) {
            Some(parts) if self.order.is_none() => parts.chunks(1).collect(),
            _ => vec![Part::all(access)],
        }
    }

    /// The statement that gives a page of a step, without the first `skip` rows; `None`, if the cursor
    /// lies behind all of it.
    fn page(
        &self,
        scope: &Scope,
        access: Access,
        ids: Option<&str>,
        step: &[Part],
        skip: u64,
    ) -> Option<Statement> {
        let latest = Order::new(Vec::new());
        let order = self.order.as_ref().unwrap_or(&latest);
        let behind = match &self.after {
            Some(Cursor::Table { values, place }) => Some((values.as_slice(), *place)),
            _ => None,
        };
        let in_order = Part::in_order(access).filter(|_| self.order.is_none());
        let mut sql = Statement::default();
        for (index, part) in step.iter().enumerate() {
            sql.push(if index == 0 { "" } else { " UNION ALL " });
            self.select(&mut sql, order);
            self.rows(&mut sql, *part, scope, access, ids);
            match behind {
                Some((values, place)) if in_order.is_some() => {
                    part.behind(&mut sql, values.first()?, place)?;
                }
                Some((values, place)) => order.behind(&mut sql, values, place),
                None => {}
            }
        }
        match step {
            [part] if in_order.is_some() => {
                sql.push(" ORDER BY ").push(part.order());
            }
            _ => order.order_by(&mut sql),
        }
        sql.push(" LIMIT ").bind(i64::from(self.limit) + 1);
        sql.push(" OFFSET ")
            .bind(i64::try_from(skip).unwrap_or(i64::MAX));
        Some(sql)
    }

    fn select(&self, sql: &mut Statement, order: &Order) {
        sql.push(store::SELECT.trim_end());
        order.columns(sql);
        sql.push(" ");
    }

    /// How many rows there are in the parts, counted up to `most`.
    fn count(
        &self,
        connection: &Connection,
        scope: &Scope,
        access: Access,
        ids: Option<&str>,
        parts: &[Part],
        most: u64,
    ) -> rusqlite::Result<u64> {
        let mut sql = Statement::default();
        sql.push("SELECT count(*) FROM (");
        for (index, part) in parts.iter().enumerate() {
            sql.push(if index == 0 {
                "SELECT 1 "
            } else {
                " UNION ALL SELECT 1 "
            });
            self.rows(&mut sql, *part, scope, access, ids);
        }
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        sql.push(" LIMIT ").bind(most).push(")");
        let count: i64 =
            connection.query_row(&sql.text, params_from_iter(sql.params), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// `FROM … WHERE …`
    fn rows(
        &self,
        sql: &mut Statement,
        part: Part,
        scope: &Scope,
        access: Access,
        ids: Option<&str>,
    ) {
        part.push(sql, self, scope, access);
        if let Some(ids) = ids {
            sql.push(" AND n.node_id IN (SELECT value FROM json_each(")
                .bind(ids.to_owned())
                .push("))");
        }
    }

    /// What must hold of a node and its record.
    fn matching_nodes(&self, scope: &Scope) -> Statement {
        let mut sql = Statement::default();
        scope.of_nodes(&mut sql, false);
        self.matching(&mut sql);
        sql
    }

    /// What SQLite does for a page, a line a step.
    pub(crate) fn plan(&self, connection: &Connection, way: &Way) -> rusqlite::Result<Vec<String>> {
        let access = match way {
            Way::Table(access) => *access,
            Way::Walk(_, lead) => return Ok(lead.plan()),
        };
        let scope = Scope::of(connection, self)?;
        let mut plan = Vec::new();
        for step in self.steps(access) {
            let Some(page) = self.page(&scope, access, None, step, 0) else {
                continue;
            };
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", page.text))?;
            let lines = explain.query_map(params_from_iter(page.params), |row| row.get(3))?;
            plan.extend(lines.collect::<rusqlite::Result<Vec<String>>>()?);
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests;
