//! The nodes whose names may have a part, by their ids.

use super::{Segment, grams, reach, segments};
use rusqlite::{Connection, OptionalExtension, params};

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
        match self {
            Self::Grams(grams) => with_all(connection, segment, grams),
            Self::Between(from, to) => {
                let mut ids = Vec::new();
                let mut lists = connection.prepare_cached(
                    "SELECT ids FROM name_grams WHERE segment = ?1 AND gram >= ?2 AND gram < ?3",
                )?;
                let mut rows = lists.query(params![segment.id, from, to])?;
                while let Some(row) = rows.next()? {
                    grams::decode(segment.low, row.get_ref(0)?.as_blob()?, &mut ids);
                }
                Ok(sorted(ids))
            }
            Self::Any(clues) => {
                let mut ids = Vec::new();
                for clue in clues {
                    ids.extend(clue.find(connection, segment)?);
                }
                Ok(sorted(ids))
            }
            Self::All(clues) => {
                let mut lists = Vec::new();
                let mut others = Vec::new();
                for clue in clues {
                    match clue {
                        Self::Grams(grams) => lists.extend_from_slice(grams),
                        other => others.push(other),
                    }
                }
                let mut found = (!lists.is_empty())
                    .then(|| with_all(connection, segment, &lists))
                    .transpose()?;
                for clue in others {
                    if found.as_ref().is_some_and(Vec::is_empty) {
                        break;
                    }
                    let list = clue.find(connection, segment)?;
                    match &mut found {
                        None => found = Some(list),
                        Some(found) => keep_common(found, &list),
                    }
                }
                Ok(found.unwrap_or_default())
            }
        }
    }
}

/// Keeps the ids that the other list has too; both are in order.
fn keep_common(ids: &mut Vec<i64>, list: &[i64]) {
    let mut others = list.iter().peekable();
    ids.retain(|id| {
        while others.next_if(|other| *other < id).is_some() {}
        others.peek() == Some(&id)
    });
}

/// The ids that all of the grams' lists have. The shortest list is first, and only what is in it is
/// looked for in the others.
fn with_all(
    connection: &Connection,
    segment: &Segment,
    grams: &[u32],
) -> rusqlite::Result<Vec<i64>> {
    let mut find =
        connection.prepare_cached("SELECT ids FROM name_grams WHERE segment = ?1 AND gram = ?2")?;
    let mut blobs: Vec<Vec<u8>> = Vec::with_capacity(grams.len());
    for gram in grams {
        let blob = find
            .query_row(params![segment.id, gram], |row| row.get(0))
            .optional()?;
        match blob {
            Some(blob) => blobs.push(blob),
            None => return Ok(Vec::new()),
        }
    }
    blobs.sort_by_key(Vec::len);
    let mut found: Option<Vec<i64>> = None;
    let mut list = Vec::new();
    for blob in &blobs {
        list.clear();
        grams::decode(segment.low, blob, &mut list);
        match &mut found {
            None => found = Some(list.clone()),
            Some(found) => {
                keep_common(found, &list);
                if found.is_empty() {
                    break;
                }
            }
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
