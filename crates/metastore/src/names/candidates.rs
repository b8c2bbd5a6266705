//! The nodes whose names may have a part, by their ids.

use super::{Segment, grams, reach, segments};
use rusqlite::{Connection, params};

/// How many nodes that no segment covers are looked at in one go.
const TAIL: i64 = 2_048;

/// What a name must have to be a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clue {
    /// These grams.
    Grams(Vec<u32>),
    /// One of the grams from the first up to the second, exclusive.
    Between(u32, u32),
    /// One of these.
    Any(Vec<Clue>),
    /// All of these.
    All(Vec<Clue>),
}

impl Clue {
    /// What a name that has this folded part has.
    pub(crate) fn part(part: &str) -> Option<Self> {
        match part.len() {
            0 => None,
            length if length < grams::BYTES => {
                let (from, to) = grams::beginning(part);
                Some(Self::Between(from, to))
            }
            _ => Some(Self::Grams(grams::of_part(part))),
        }
    }

    /// What a name that ends in this folded part has.
    pub(crate) fn end(end: &str) -> Option<Self> {
        (!end.is_empty()).then(|| Self::Grams(grams::of_end(end)))
    }

    /// What the names of directories have, whatever they are.
    pub(crate) fn directories() -> Self {
        Self::Grams(vec![grams::DIRECTORIES])
    }

    /// The nodes of a segment that have it, in order.
    pub(crate) fn find(
        &self,
        connection: &Connection,
        segment: &Segment,
    ) -> rusqlite::Result<Vec<i64>> {
        self.find_in(connection, segment, None)
    }

    /// The same; only those that are also in `within`, if it is given.
    fn find_in(
        &self,
        connection: &Connection,
        segment: &Segment,
        within: Option<Vec<i64>>,
    ) -> rusqlite::Result<Vec<i64>> {
        if within.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        match self {
            Self::Grams(grams) => with_all(connection, segment, grams, within),
            Self::Between(from, to) => {
                let mut ids = Vec::new();
                let mut lists = connection.prepare_cached(
                    "SELECT ids FROM name_grams WHERE segment = ?1 AND gram >= ?2 AND gram < ?3",
                )?;
                let mut rows = lists.query(params![segment.id, from, to])?;
                while let Some(row) = rows.next()? {
                    grams::decode(segment.low, row.get_ref(0)?.as_blob()?, &mut ids);
                }
                let mut ids = sorted(ids);
                if let Some(within) = within {
                    let mut within = within.into_iter().peekable();
                    ids.retain(|id| {
                        while within.next_if(|other| other < id).is_some() {}
                        within.peek() == Some(id)
                    });
                }
                Ok(ids)
            }
            Self::Any(clues) => {
                let mut ids = Vec::new();
                for clue in clues {
                    ids.extend(clue.find_in(connection, segment, within.clone())?);
                }
                Ok(sorted(ids))
            }
            Self::All(clues) => {
                let mut found = within;
                for clue in clues {
                    found = Some(clue.find_in(connection, segment, found)?);
                }
                Ok(found.unwrap_or_default())
            }
        }
    }
}

/// The ids that all of the grams' lists have. A list is only read while there are any.
fn with_all(
    connection: &Connection,
    segment: &Segment,
    grams: &[u32],
    within: Option<Vec<i64>>,
) -> rusqlite::Result<Vec<i64>> {
    let mut find =
        connection.prepare_cached("SELECT ids FROM name_grams WHERE segment = ?1 AND gram = ?2")?;
    let mut found = within;
    for gram in grams {
        let mut rows = find.query(params![segment.id, gram])?;
        let Some(row) = rows.next()? else {
            return Ok(Vec::new());
        };
        let blob = row.get_ref(0)?.as_blob()?;
        match &mut found {
            None => grams::decode(segment.low, blob, found.insert(Vec::new())),
            Some(found) => grams::keep_common(segment.low, blob, found),
        }
        if found.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
    }
    Ok(found.unwrap_or_default())
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The candidates, in runs of ascending ids.
pub(crate) struct Candidates<'c> {
    connection: &'c Connection,
    clue: Clue,
    base: std::vec::IntoIter<Segment>,
    /// Those of patches and notes, the last one first.
    others: Vec<i64>,
    /// Up to here all candidates were given.
    after: i64,
    /// Above this no segment tells.
    indexed_to: i64,
    is_over: bool,
    /// How many nodes no segment covers were given.
    pub(crate) looked_through: u64,
}

impl<'c> Candidates<'c> {
    /// The candidates with ids above `after`.
    pub(crate) fn new(
        connection: &'c Connection,
        clue: Clue,
        after: i64,
    ) -> rusqlite::Result<Self> {
        let indexed_to = reach(connection)?.indexed_to;
        let (patches, base): (Vec<_>, Vec<_>) = segments(connection)?
            .into_iter()
            .filter(|segment| segment.high > after)
            .partition(|segment| segment.is_patch);
        let mut others = connection
            .prepare_cached("SELECT node_id FROM name_pending")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        for patch in &patches {
            others.extend(clue.find(connection, patch)?);
        }
        others.retain(|id| *id > after && *id <= indexed_to);
        let mut others = sorted(others);
        others.reverse();
        Ok(Self {
            connection,
            clue,
            base: base.into_iter(),
            others,
            after,
            indexed_to,
            is_over: false,
            looked_through: 0,
        })
    }

    /// The next run; `None` after the last. A run may be empty.
    pub(crate) fn next_run(&mut self) -> rusqlite::Result<Option<Vec<i64>>> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(segment) = self.base.next() {
            let mut run = self.clue.find(self.connection, &segment)?;
            run.retain(|id| *id > self.after);
            self.take_others(segment.high, &mut run);
            self.after = self.after.max(segment.high);
            return Ok(Some(run));
        }
        if !self.others.is_empty() {
            let mut run = Vec::new();
            self.take_others(i64::MAX, &mut run);
            return Ok(Some(run));
        }
        self.after = self.after.max(self.indexed_to);
        let run = self
            .connection
            .prepare_cached(
                "SELECT node_id FROM filestore_nodes WHERE node_id > ?1 ORDER BY node_id LIMIT ?2",
            )?
            .query_map([self.after, TAIL], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        self.looked_through += run.len() as u64;
        match run.last() {
            Some(last) => self.after = *last,
            None => self.is_over = true,
        }
        Ok((!run.is_empty()).then_some(run))
    }

    /// Adds those of the others that are up to `high`.
    fn take_others(&mut self, high: i64, run: &mut Vec<i64>) {
        let before = run.len();
        while let Some(id) = self.others.pop_if(|id| *id <= high) {
            run.push(id);
        }
        if run.len() > before {
            run.sort_unstable();
            run.dedup();
        }
    }
}
