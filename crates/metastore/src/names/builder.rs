//! Makes segments, on a thread of its own.
//!
//! 1. *Claim*: a short transaction says up to which node the next segment goes. From then on the
//!    sink notes every name that it changes up to there.
//! 2. *Read* the names and make the posting lists. Nobody waits.
//! 3. *Write* them in one transaction, in order, behind all others: packed pages, no page twice.
//!
//! A crash between the steps leaves a claim, which costs nothing but a few notes.
//!
//! While nodes keep coming, a segment is made of a full lot of them or of those of some seconds. A book
//! that catches up is then indexed in full segments, each node once, and not in small ones that are
//! made again with every look.

use super::{Reach, Segment, grams, name, parent, reach, segments};
use crate::db_threads::Turn;
use crossbeam_channel::{Receiver, Sender, bounded};
use journal::compare::fold;
use process::{Stop, Task};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::time::{Duration, Instant};

/// Most nodes of a segment. While one is made, so many names' grams are in memory: some 15 MB.
const FULL: i64 = 65_536;
/// As many new nodes make a segment. Fewer are looked through one by one by each search.
const LEAST: i64 = 4_096;
/// As many changed names make a patch.
const LEAST_CHANGED: i64 = 1_024;
/// How long names are let change before the next look.
const PAUSE: Duration = Duration::from_millis(500);
/// As long new nodes are gathered while more of them come.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a failure.
const FAILED: Duration = Duration::from_secs(30);

/// The thread that makes segments. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Builder {
    wake: Wake,
    task: Task,
}

/// Wakes a [`Builder`].
#[derive(Clone, Debug)]
pub(crate) struct Wake(Sender<()>);

impl Wake {
    /// There may be names that are not indexed. Never waits.
    pub(crate) fn wake(&self) {
        // Full: it is awake already. Closed: the store is closing.
        let _ = self.0.try_send(());
    }
}

impl Builder {
    /// Starts the thread with a writing connection, and the turns that writers take.
    pub(crate) fn start(connection: Connection, turn: Turn) -> std::io::Result<(Self, Wake)> {
        let (wake, woken) = bounded(1);
        let task = Task::spawn("metastore-names", move |stop| {
            run(connection, &turn, &woken, stop);
        })?;
        let wake = Wake(wake);
        let builder = Self {
            wake: wake.clone(),
            task,
        };
        Ok((builder, wake))
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // It may be waiting to be woken; the task's own drop then waits for its end.
        self.task.stopper().set();
        self.wake.wake();
    }
}

fn run(mut connection: Connection, turn: &Turn, woken: &Receiver<()>, stop: &Stop) {
    let mut is_failing = false;
    let mut gathering = Gathering::default();
    loop {
        let step = match gathering.is_over(&connection) {
            Ok(true) => build(&mut connection, turn),
            Ok(false) => Ok(Step::Wait),
            Err(error) => Err(error),
        };
        let pause = match step {
            Ok(Step::More) => Duration::ZERO,
            Ok(Step::Wait) => PAUSE,
            Ok(Step::Done) => {
                is_failing = false;
                if woken.recv().is_err() {
                    return;
                }
                PAUSE
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "the index of names does not grow; searches by words get slower");
                }
                FAILED
            }
        };
        if stop.wait(pause) {
            return;
        }
    }
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    /// Nodes keep coming.
    Wait,
    Done,
}

/// New nodes that have no segment yet, as they were at the last look.
#[derive(Debug, Default)]
struct Gathering {
    nodes: i64,
    since: Option<Instant>,
}

impl Gathering {
    /// Whether it is time for a segment: there is a full lot, or no more came, or they came for long.
    fn is_over(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let nodes: i64 = connection
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM filestore_nodes \
                 WHERE node_id > (SELECT indexed_to FROM name_index) LIMIT ?1)",
            )?
            .query_row([FULL], |row| row.get(0))?;
        Ok(self.is_over_with(nodes, Instant::now()))
    }

    fn is_over_with(&mut self, nodes: i64, now: Instant) -> bool {
        let has_grown = nodes > std::mem::replace(&mut self.nodes, nodes);
        if nodes < LEAST {
            self.since = None;
            return true;
        }
        let since = *self.since.get_or_insert(now);
        let is_over = nodes >= FULL || !has_grown || now.duration_since(since) >= PATIENCE;
        if is_over {
            *self = Self::default();
        }
        is_over
    }
}

/// Makes one segment, if there is enough for one.
pub(crate) fn build(connection: &mut Connection, turn: &Turn) -> rusqlite::Result<Step> {
    let plan = match Plan::of_new_nodes(connection)? {
        Some(plan) => Some(plan),
        None => Plan::of_changed_names(connection)?,
    };
    let Some(plan) = plan else {
        return Ok(Step::Done);
    };
    if let Nodes::Between { high, .. } = plan.nodes {
        let _turn = turn.lock();
        connection.execute(
            "UPDATE name_index SET claimed_to = ?1 WHERE claimed_to < ?1",
            [high],
        )?;
    }
    let lists = {
        let snapshot = connection.transaction()?;
        Lists::read(&snapshot, &plan.nodes)?
    };
    plan.write(connection, turn, &lists)?;
    Ok(Step::More)
}

/// The nodes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nodes {
    /// All with ids above `low` and up to `high`.
    Between { low: i64, high: i64 },
    /// These, in order.
    These(Vec<i64>),
}

/// A segment to make.
#[derive(Debug)]
struct Plan {
    nodes: Nodes,
    /// The segments whose place it takes.
    replaced: Vec<i64>,
    /// How far the index goes now.
    reach: Reach,
    /// The notes that it makes good.
    noted_to: i64,
}

impl Plan {
    fn of_new_nodes(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let reach = reach(connection)?;
        let (mut nodes, high): (i64, Option<i64>) = connection
            .prepare_cached(
                "SELECT count(*), max(node_id) FROM (SELECT node_id FROM filestore_nodes \
                 WHERE node_id > ?1 ORDER BY node_id LIMIT ?2)",
            )?
            .query_row(params![reach.indexed_to, FULL], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some(high) = high.filter(|_| nodes >= LEAST) else {
            return Ok(None);
        };
        let mut low = reach.indexed_to;
        let mut replaced = Vec::new();
        for segment in small(segments(connection)?, false, &mut nodes) {
            low = segment.low;
            replaced.push(segment.id);
        }
        Ok(Some(Self {
            nodes: Nodes::Between { low, high },
            replaced,
            reach,
            noted_to: 0,
        }))
    }

    fn of_changed_names(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let (mut nodes, noted_to): (i64, Option<i64>) = connection
            .prepare_cached(
                "SELECT count(*), max(id) FROM (SELECT id FROM name_pending ORDER BY id LIMIT ?1)",
            )?
            .query_row([FULL], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some(noted_to) = noted_to.filter(|_| nodes >= LEAST_CHANGED) else {
            return Ok(None);
        };
        let mut ids: Vec<i64> = connection
            .prepare_cached("SELECT node_id FROM name_pending WHERE id <= ?1")?
            .query_map([noted_to], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut replaced = Vec::new();
        for segment in small(segments(connection)?, true, &mut nodes) {
            ids.extend(patched(connection, &segment)?);
            replaced.push(segment.id);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(Self {
            nodes: Nodes::These(ids),
            replaced,
            reach: reach(connection)?,
            noted_to,
        }))
    }

    fn write(
        &self,
        connection: &mut Connection,
        turn: &Turn,
        lists: &Lists,
    ) -> rusqlite::Result<()> {
        let _turn = turn.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = reach(&transaction)?;
        if now.indexed_to != self.reach.indexed_to {
            // The index was forgotten meanwhile.
            return Ok(());
        }
        for segment in &self.replaced {
            transaction.execute("DELETE FROM name_segments WHERE id = ?1", [segment])?;
            transaction.execute("DELETE FROM name_grams WHERE segment = ?1", [segment])?;
        }
        let (low, high, ids) = match &self.nodes {
            Nodes::Between { low, high } => (*low, *high, None),
            Nodes::These(ids) => {
                let low = ids.first().map_or(0, |id| id - 1);
                let mut blob = Vec::new();
                grams::encode(low, ids.iter().copied(), &mut blob);
                (low, ids.last().copied().unwrap_or(low), Some(blob))
            }
        };
        let nodes = i64::try_from(lists.ids.len()).unwrap_or(i64::MAX);
        transaction.execute(
            "INSERT INTO name_segments (low, high, nodes, ids) VALUES (?1, ?2, ?3, ?4)",
            params![low, high, nodes, ids],
        )?;
        lists.write(&transaction, transaction.last_insert_rowid(), low)?;
        if let Nodes::Between { high, .. } = self.nodes {
            transaction.execute("UPDATE name_index SET indexed_to = ?1", [high])?;
        }
        transaction.execute("DELETE FROM name_pending WHERE id <= ?1", [self.noted_to])?;
        transaction.commit()
    }
}

/// The last segments of a kind that are no larger than what would be put behind them, and fit into
/// one with it: so each node is put into a segment a few times only. `nodes` counts all of them.
fn small(segments: Vec<Segment>, is_patch: bool, nodes: &mut i64) -> Vec<Segment> {
    let mut of_kind: Vec<Segment> = segments
        .into_iter()
        .filter(|segment| segment.is_patch == is_patch)
        .collect();
    if is_patch {
        of_kind.sort_by_key(|segment| segment.id);
    }
    of_kind
        .into_iter()
        .rev()
        .take_while(|segment| {
            let is_small = segment.nodes <= *nodes && segment.nodes + *nodes <= FULL;
            *nodes += if is_small { segment.nodes } else { 0 };
            is_small
        })
        .collect()
}

/// The nodes of a patch.
fn patched(connection: &Connection, segment: &Segment) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    connection.query_row(
        "SELECT ids FROM name_segments WHERE id = ?1",
        [segment.id],
        |row| {
            grams::decode(segment.low, row.get_ref(0)?.as_blob()?, &mut ids);
            Ok(())
        },
    )?;
    Ok(ids)
}

/// The posting lists of a segment.
#[derive(Debug, Default)]
struct Lists {
    ids: Vec<i64>,
    /// A gram, and the place of an id in `ids` in the lower half.
    pairs: Vec<u64>,
}

impl Lists {
    fn read(connection: &Connection, nodes: &Nodes) -> rusqlite::Result<Self> {
        let mut lists = Self::default();
        let mut directories = Directories::prepare(connection)?;
        let mut take = |row: &rusqlite::Row<'_>| {
            let path = row.get_ref(1)?.as_str()?;
            let has_parent = directories.has(row.get(2)?, parent(path))?;
            let is_directory = row.get_ref(3)?.as_str()? == "directory";
            lists.add(
                row.get(0)?,
                if has_parent { name(path) } else { path },
                is_directory,
            );
            Ok(())
        };
        const SELECT: &str = "SELECT node_id, path, backend_mount_id, kind FROM filestore_nodes";
        match nodes {
            Nodes::Between { low, high } => {
                let sql = format!("{SELECT} WHERE node_id > ?1 AND node_id <= ?2 ORDER BY node_id");
                let mut statement = connection.prepare(&sql)?;
                let mut rows = statement.query([low, high])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
            Nodes::These(ids) => {
                let mut statement = connection.prepare(&format!("{SELECT} WHERE node_id = ?1"))?;
                for id in ids {
                    statement.query_row([id], |row| take(row)).optional()?;
                }
            }
        }
        lists.pairs.sort_unstable();
        lists.pairs.dedup();
        Ok(lists)
    }

    fn add(&mut self, id: i64, name: &str, is_directory: bool) {
        let place = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push(id);
        let mut add = |gram| self.pairs.push(u64::from(gram) << 32 | u64::from(place));
        grams::of_name(&fold(name), &mut add);
        if is_directory {
            add(grams::DIRECTORIES);
        }
    }

    /// Writes the lists in the order of their grams.
    fn write(&self, connection: &Connection, segment: i64, low: i64) -> rusqlite::Result<()> {
        let mut insert = connection
            .prepare_cached("INSERT INTO name_grams (segment, gram, ids) VALUES (?1, ?2, ?3)")?;
        let mut blob = Vec::new();
        for list in self.pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
            let Some(first) = list.first() else { continue };
            let ids = list.iter().filter_map(|pair| {
                let place = usize::try_from(pair & u64::from(u32::MAX)).ok()?;
                self.ids.get(place).copied()
            });
            blob.clear();
            grams::encode(low, ids, &mut blob);
            insert.execute(params![segment, (first >> 32).cast_signed(), blob])?;
        }
        Ok(())
    }
}

/// Which directories are in the book; neighbours mostly lie in the same one.
struct Directories<'c> {
    find: rusqlite::CachedStatement<'c>,
    last: (i64, String, bool),
}

impl<'c> Directories<'c> {
    fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        let find = connection.prepare_cached(super::FIND_DIRECTORY)?;
        Ok(Self {
            find,
            last: (0, String::new(), true),
        })
    }

    fn has(&mut self, mount: i64, path: &str) -> rusqlite::Result<bool> {
        // The root has no name that a word could find.
        if path.is_empty() {
            return Ok(true);
        }
        if self.last.0 != mount || self.last.1 != path {
            let found: Option<i64> = self
                .find
                .query_row(params![path, mount], |row| row.get(0))?;
            self.last = (mount, path.to_owned(), found.is_some());
        }
        Ok(self.last.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_keep_coming_are_gathered_for_a_full_segment_or_for_some_seconds() {
        let (mut gathering, began) = (Gathering::default(), Instant::now());
        let mut look =
            |nodes, millis| gathering.is_over_with(nodes, began + Duration::from_millis(millis));
        assert!(
            look(LEAST - 1, 0),
            "too few for a segment: others may be due"
        );
        assert!(!look(LEAST, 500) && !look(LEAST * 2, 1_000));
        assert!(look(FULL, 1_500), "a full lot");
        assert!(!look(LEAST, 2_000));
        assert!(look(LEAST, 2_500), "no more came");
        let slowly = (0..20).map(|look| (LEAST + look, 3_000 + 500 * look.unsigned_abs()));
        let over = slowly.map(|(nodes, millis)| look(nodes, millis));
        let over: Vec<_> = over.collect();
        assert_eq!(
            over.iter().position(|is_over| *is_over),
            Some(10),
            "five seconds"
        );
    }
}
