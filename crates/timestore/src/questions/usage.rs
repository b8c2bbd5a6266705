//! Whose the bytes are, and of what kind, now or at a time.
//!
//! Only files count, and every name of a file with several names counts, as everywhere in the
//! activity. `allocatedBytes` sums what is known: rows of versions that did not ask have none.
//!
//! The quantiles of the size are those of its classes, each told by the mean of its files, so that
//! sums ([`crate::usage`]) and rows give the same ones. Where no path matters the sums are asked.

use super::owner::{GROUP, USER};
use super::scope::{depth, directory, limit};
use super::top::MODIFIED;
use super::{Key, MOUNT, PageQuery, Pages, Question, ScopeQuery, integer};
use crate::error::{Error, Result};
use crate::query::micros;
use crate::usage::{self, Source};
use duckdb::Connection;
use duckdb::types::Value;
use journal::Time;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const GROUPS_DEFAULT: usize = 100;
const GROUPS_MAX: usize = 1_000;
const DIMENSIONS_MAX: usize = 2;

/// What bytes are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    User,
    Group,
    Extension,
    FileType,
    Age,
    Accessed,
    Size,
    Mount,
    Prefix,
}

impl Dimension {
    const ALL: [Self; 9] = [
        Self::User,
        Self::Group,
        Self::Extension,
        Self::FileType,
        Self::Age,
        Self::Accessed,
        Self::Size,
        Self::Mount,
        Self::Prefix,
    ];

    /// Its word, which is also the name of its column.
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Extension => "extension",
            Self::FileType => "fileType",
            Self::Age => "age",
            Self::Accessed => "accessed",
            Self::Size => "size",
            Self::Mount => "mount",
            Self::Prefix => "prefix",
        }
    }

    /// The group of a file.
    fn key(self) -> String {
        match self {
            Self::User => USER.to_owned(),
            Self::Group => GROUP.to_owned(),
            Self::Extension => "extension".to_owned(),
            Self::FileType => "file_type".to_owned(),
            Self::Age => AGE.to_owned(),
            Self::Accessed => {
                let since = AGE.replace("activity.modified_at", "activity.accessed_at");
                format!("CASE WHEN activity.accessed_at IS NOT NULL THEN {since} END")
            }
            Self::Size => SIZE.to_owned(),
            Self::Mount => format!("{MOUNT}::VARCHAR"),
            Self::Prefix => directory("path"),
        }
    }

    /// The group of a cell; of a single state, where the cell does not tell.
    fn cell_key(self) -> String {
        match self {
            Self::User => "cells.user_key".to_owned(),
            Self::Group => "cells.group_key".to_owned(),
            Self::Extension => "cells.extension".to_owned(),
            Self::FileType => "cells.file_type".to_owned(),
            Self::Age => AGE.replace("activity.modified_at", "totals.oldest"),
            Self::Size => {
                let class = |(power, name): (u32, &str)| {
                    let end = usage::class_of_power(power);
                    format!(" WHEN cells.size_class < {end} THEN '{name}'")
                };
                let classes: String = SIZES.into_iter().map(class).collect();
                format!(
                    "CASE WHEN cells.size_class = 0 THEN 'empty'{classes} ELSE '64 GiB and more' END"
                )
            }
            Self::Mount => "cells.backend_mount_id::VARCHAR".to_owned(),
            // Cells know no paths, and not when files were read.
            Self::Prefix | Self::Accessed => "NULL::VARCHAR".to_owned(),
        }
    }
}

/// How long ago a file's contents were modified, seen from the time asked for.
const AGE: &str = "CASE
    WHEN activity.modified_at > $seen - INTERVAL 1 DAY THEN 'under 1 day'
    WHEN activity.modified_at > $seen - INTERVAL 7 DAY THEN '1 to 7 days'
    WHEN activity.modified_at > $seen - INTERVAL 30 DAY THEN '7 to 30 days'
    WHEN activity.modified_at > $seen - INTERVAL 90 DAY THEN '30 to 90 days'
    WHEN activity.modified_at > $seen - INTERVAL 1 YEAR THEN '90 days to 1 year'
    WHEN activity.modified_at > $seen - INTERVAL 2 YEAR THEN '1 to 2 years'
    WHEN activity.modified_at > $seen - INTERVAL 5 YEAR THEN '2 to 5 years'
    ELSE '5 years and more' END";

const SIZE: &str = "CASE
    WHEN latest.size_bytes <= 0 THEN 'empty'
    WHEN latest.size_bytes < 4096 THEN 'under 4 KiB'
    WHEN latest.size_bytes < 65536 THEN '4 to 64 KiB'
    WHEN latest.size_bytes < 1048576 THEN '64 KiB to 1 MiB'
    WHEN latest.size_bytes < 16777216 THEN '1 to 16 MiB'
    WHEN latest.size_bytes < 268435456 THEN '16 to 256 MiB'
    WHEN latest.size_bytes < 4294967296 THEN '256 MiB to 4 GiB'
    WHEN latest.size_bytes < 68719476736 THEN '4 to 64 GiB'
    ELSE '64 GiB and more' END";

/// The same of a class of sizes: each of those bounds is a power of two, which is where a class
/// begins.
const SIZES: [(u32, &str); 7] = [
    (12, "under 4 KiB"),
    (16, "4 to 64 KiB"),
    (20, "64 KiB to 1 MiB"),
    (24, "1 to 16 MiB"),
    (28, "16 to 256 MiB"),
    (32, "256 MiB to 4 GiB"),
    (36, "4 to 64 GiB"),
];

/// The question.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// What the bytes are counted by, one or two with a comma between them: `user`, `group`,
    /// `extension`, `fileType`, `age` (since the contents were modified), `accessed` (since they were
    /// last read, `null` where that is not known), `size`, `mount` or `prefix` (directories).
    #[param(example = "user,fileType")]
    pub(crate) by: String,
    /// The time; changes at it belong to it. Now, if left out.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Time>,
    /// How many levels below the prefix the directories are; 1, if left out.
    #[param(minimum = 1, maximum = 64)]
    pub(crate) depth: Option<usize>,
    /// At most so many groups; 100, if left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl UsageQuery {
    /// `now` is the time that ages are seen from, if none is asked for.
    pub(crate) fn question(
        &self,
        scope: &ScopeQuery,
        page: &PageQuery,
        now: Time,
    ) -> Result<Question> {
        scope.check()?;
        scope.is_without_range()?;
        let dimensions = dimensions(&self.by)?;
        let limit = limit(self.limit, GROUPS_DEFAULT, GROUPS_MAX)?;
        let seen = self.at.unwrap_or(now);
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let until = match self.at {
            None => "TRUE",
            Some(at) => {
                params.insert("at".to_owned(), micros(at.as_micros()));
                "observed_at <= $at"
            }
        };
        if dimensions.contains(&Dimension::Age) || dimensions.contains(&Dimension::Accessed) {
            params.insert("seen".to_owned(), micros(seen.as_micros()));
        }
        if dimensions.contains(&Dimension::Prefix) {
            params.insert("depth".to_owned(), integer(depth(self.depth, scope)?));
        } else if self.depth.is_some() {
            let detail = "a depth goes with by=prefix only: leave it out, or count by prefix";
            return Err(Error::invalid("/depth", detail));
        }
        let rows = scope.inside("path", MOUNT, &mut params);
        let mut keys = vec![Key::descending("sizeBytes", "HUGEINT")];
        keys.extend(
            dimensions
                .iter()
                .map(|by| Key::ascending(by.word(), "VARCHAR")),
        );
        let page = page.page(&keys, &mut params)?;
        let list = |text: &dyn Fn(usize, &Dimension) -> String| {
            let parts: Vec<_> = dimensions
                .iter()
                .enumerate()
                .map(|(at, by)| text(at, by))
                .collect();
            parts.join(", ")
        };
        let sql = |parts: &str| {
            include_str!("../sql/usage.sql")
                .replace("{parts}", parts)
                .replace("{names}", &list(&|at, _| format!("key{at}")))
                .replace(
                    "{shown}",
                    &list(&|at, by| format!("key{at} AS \"{}\"", by.word())),
                )
                .replace(
                    "{order}",
                    &list(&|_, by| format!("\"{}\" NULLS LAST", by.word())),
                )
                .replace("{after}", &page.condition)
        };
        let parts = Parts {
            keys: list(&|at, by| format!("{} AS key{at}", by.key())),
            cell_keys: list(&|at, by| format!("{} AS key{at}", by.cell_key())),
            until,
            rows,
            cells: scope.inside("NULL", "cells.backend_mount_id", &mut HashMap::new()),
            needs_states: dimensions.contains(&Dimension::Age),
        };
        let is_told_by_cells =
            |by: &Dimension| !matches!(by, Dimension::Prefix | Dimension::Accessed);
        let is_summed = scope.is_of_all_paths() && dimensions.iter().all(is_told_by_cells);
        let by_source = is_summed.then(|| BySource {
            at: params.get("at").cloned(),
            present: sql(&parts.present()),
            segment: sql(&parts.segment()),
        });
        Ok(Question {
            sql: sql(&parts.rows()),
            params,
            limit,
            reads_hours: false,
            by_source,
            pages: Pages::Pinned(keys, page.head),
        })
    }
}

/// The same question, asked of the sums.
#[derive(Clone, Debug)]
pub(crate) struct BySource {
    at: Option<Value>,
    present: String,
    segment: String,
}

impl BySource {
    /// Puts the statement that answers it best in the place of the one that reads all rows.
    pub(crate) fn pick(
        self,
        connection: &Connection,
        head: i64,
        sql: &mut String,
        params: &mut HashMap<String, Value>,
    ) -> Result<()> {
        match usage::source(connection, head, self.at.as_ref())? {
            Source::Rows => return Ok(()),
            Source::Present(summed) => {
                *sql = self.present;
                params.insert("summed".to_owned(), Value::BigInt(summed));
            }
            Source::Segment(segment) => {
                *sql = self.segment;
                params.insert("segment".to_owned(), Value::Int(segment));
            }
        }
        // A parameter that is not there is an error.
        params.retain(|name, _| names(sql, name));
        Ok(())
    }
}

/// Whether the statement has a parameter of this name.
fn names(sql: &str, name: &str) -> bool {
    sql.match_indices('$').any(|(at, _)| {
        let rest = sql.get(at + 1..).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

/// Where the files come from that are counted, in three ways.
struct Parts {
    keys: String,
    cell_keys: String,
    until: &'static str,
    rows: String,
    cells: String,
    /// The sums do not tell the keys.
    needs_states: bool,
}

impl Parts {
    /// From all rows.
    fn rows(&self) -> String {
        include_str!("../sql/usage_rows.sql")
            .replace("{latest}", include_str!("../sql/latest.sql"))
            .replace("{until}", self.until)
            .replace("{files}", &self.files("TRUE"))
    }

    /// From the sums of what is present, and the rows after them.
    fn present(&self) -> String {
        let tail = include_str!("../sql/usage_tail.sql").replace("{until}", self.until);
        let files = format!("    UNION ALL\n{}", self.files("journal_id > $summed"));
        let (kept, counted) = match self.needs_states {
            true => ("", include_str!("../sql/usage_counted_present.sql")),
            false => (
                include_str!("../sql/usage_kept.sql"),
                include_str!("../sql/usage_counted_kept.sql"),
            ),
        };
        self.summed(&format!("{tail}{kept}"), counted, &files)
    }

    /// From the sums of a segment.
    fn segment(&self) -> String {
        let counted = match self.needs_states {
            true => include_str!("../sql/usage_counted_past.sql"),
            false => include_str!("../sql/usage_counted_segment.sql"),
        };
        self.summed("", counted, "")
    }

    fn summed(&self, tail: &str, counted: &str, newer_files: &str) -> String {
        let totals = match self.needs_states {
            true => "FROM counted",
            false => include_str!("../sql/usage_totals.sql"),
        };
        include_str!("../sql/usage_summed.sql")
            .replace("{tail}", tail)
            .replace("{counted}", counted)
            .replace("{totals}", totals)
            .replace("{cell_keys}", &self.cell_keys)
            .replace("{cells}", &self.cells)
            .replace("{newer_files}", newer_files)
    }

    fn files(&self, newer: &str) -> String {
        include_str!("../sql/usage_files.sql")
            .replace("{keys}", &self.keys)
            .replace("{class}", &usage::size_class("latest.size_bytes"))
            .replace("{modified}", MODIFIED)
            .replace("{newer}", newer)
            .replace("{rows}", &self.rows)
    }
}

fn dimensions(text: &str) -> Result<Vec<Dimension>> {
    let known = || {
        let words: Vec<_> = Dimension::ALL.iter().map(|by| by.word()).collect();
        words.join(", ")
    };
    let mut dimensions = Vec::new();
    for word in text.split(',') {
        let named = Dimension::ALL
            .into_iter()
            .find(|by| by.word() == word.trim());
        let by = named
            .ok_or_else(|| Error::invalid("/by", format!("{word:?} is none of {}", known())))?;
        if dimensions.contains(&by) {
            return Err(Error::invalid("/by", format!("{word:?} is there twice")));
        }
        dimensions.push(by);
    }
    if dimensions.len() > DIMENSIONS_MAX {
        return Err(Error::invalid(
            "/by",
            "bytes are counted by one or two of them",
        ));
    }
    Ok(dimensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_by_its_whole_name() {
        let sql = "SELECT $after, $at2, ($segment)";
        assert!(names(sql, "after") && names(sql, "segment"));
        assert!(!names(sql, "at") && !names(sql, "seg") && !names(sql, "limit"));
    }

    #[test]
    fn one_or_two_dimensions_are_taken_and_others_are_refused_by_name() {
        use Dimension::{FileType, User};
        assert_eq!(dimensions("user").unwrap(), [User]);
        assert_eq!(dimensions("user, fileType").unwrap(), [User, FileType]);
        for bad in ["", "users", "user,user", "user,group,mount", "User"] {
            let error = dimensions(bad).unwrap_err().to_string();
            assert!(!error.is_empty(), "{bad}");
        }
    }
}
