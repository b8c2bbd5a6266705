//! What a caller may see of the activity, where the token is limited to paths.
//!
//! The API's own questions see a limit as a part of their scope ([`Sight::inside`]): what is
//! outside counts like what is outside of the prefix that is asked for. A person's SQL and queries
//! of the dataset read a temporary view ([`Sight::view`]) that stands in the activity's place on a
//! connection that nobody uses afterwards. A row is there if its path is inside. Of such a row what
//! may tell of other paths is NULL ([`Sight::column`]): where a node was before, if that is outside, and `metadata_json` of rows that are
//! no states of a node, which holds results of whole commands. Other datasets have no paths: for a
//! limited caller they are not there.

use crate::activity::COLUMNS;
use crate::catalogue::Dataset;
use crate::error::Result;
use crate::questions::{MOUNT, OLD_MOUNT};
use crate::schema::quote;
use duckdb::Connection;
use httpkit::{Caller, PathRule, Paths};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The part of the activity that a caller may see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight(Option<Paths>);

impl Sight {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self(caller.paths().cloned())
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// 403 for answers about everything.
    pub(crate) fn require_all(&self) -> httpkit::Result<()> {
        if self.is_limited() {
            return Err(httpkit::Problem::forbidden(
                "this is about all paths, and the token is limited to some; use a token without \
                 paths",
            ));
        }
        Ok(())
    }

    /// Whether the path and the mount in these columns may be seen: never NULL. `None`, if
    /// everything may.
    pub(crate) fn inside(&self, path: &str, mount: &str) -> Option<String> {
        let condition = |rule: &PathRule| {
            let mount = format!("{mount} = {}", rule.mount);
            if rule.prefix.is_empty() {
                return format!("({mount} AND {path} IS NOT NULL)");
            }
            let (exact, below) = (literal(&rule.prefix), literal(&format!("{}/", rule.prefix)));
            format!("({mount} AND ({path} = {exact} OR starts_with({path}, {below})))")
        };
        let rules = self.0.as_ref()?.rules();
        let any: Vec<_> = rules.iter().map(condition).collect();
        Some(format!("coalesce({}, FALSE)", any.join(" OR ")))
    }

    /// What a row that may be seen has in this column of the activity.
    pub(crate) fn column(&self, name: &str) -> String {
        let condition = match name {
            "previous_path" | "previous_backend_mount_id" => {
                self.inside("previous_path", OLD_MOUNT)
            }
            "metadata_json" => self.is_limited().then(|| "version IS NOT NULL".to_owned()),
            _ => None,
        };
        match condition {
            Some(condition) => format!("CASE WHEN {condition} THEN {name} END"),
            None => name.to_owned(),
        }
    }

    /// What SQL reads the dataset from. For a limited caller that is a view, made here.
    pub(crate) fn view(&self, connection: &Connection, dataset: &Dataset) -> Result<String> {
        let Some(inside) = self.inside("path", MOUNT) else {
            return Ok(dataset.quoted_table());
        };
        let column = |(name, _): &(&str, &str)| format!("{} AS {name}", self.column(name));
        let columns: Vec<_> = COLUMNS.iter().map(column).collect();
        let view = format!("temp.main.{}", quote(&dataset.table));
        // With the database's name: without it, DuckDB takes `main` in a view for the view's own.
        let database: String =
            connection.query_row("SELECT current_database()", [], |row| row.get(0))?;
        // The LIMIT cuts nothing off. It keeps a person's condition from being evaluated on rows
        // that are not in the view: below a LIMIT no condition may be moved, and the error of one
        // could quote what it read.
        connection.execute_batch(&format!(
            "CREATE TEMP VIEW {} AS SELECT {} FROM {}.{} WHERE {inside} LIMIT {}",
            quote(&dataset.table),
            columns.join(", "),
            quote(&database),
            dataset.quoted_table(),
            i64::MAX
        ))?;
        Ok(view)
    }
}

/// A text in SQL. An opening brace is not in it as itself: the statements that it becomes a part of have
/// places in braces that are filled in later.
fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    match quoted.contains('{') {
        true => format!("({})", quoted.replace('{', "' || chr(123) || '")),
        false => quoted,
    }
}

/// What a parked entry names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    backend_mount_id: i64,
    path: String,
    previous_path: Option<String>,
    previous_backend_mount_id: Option<i64>,
    /// Of a command or a job: it may name any path.
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// Whether a caller may see a parked entry with this data: what cannot be read as being about
/// permitted paths only is not shown to a limited one.
#[must_use]
pub fn may_see(caller: &Caller, data: &str) -> bool {
    caller.paths().is_none_or(|paths| names_only(paths, data))
}

fn names_only(paths: &Paths, data: &str) -> bool {
    let Ok(named) = serde_json::from_str::<Named>(data) else {
        return false;
    };
    let mount = named.backend_mount_id;
    let old_mount = named.previous_backend_mount_id.unwrap_or(mount);
    let previous = named.previous_path.as_deref();
    paths.contains(mount, &named.path)
        && previous.is_none_or(|path| paths.contains(old_mount, path))
        && named.result.is_none()
        && named.error.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_entry_is_shown_if_all_that_it_names_may_be_seen() {
        let rule = PathRule {
            mount: 1,
            prefix: "a".to_owned(),
        };
        let paths = Paths::new(vec![rule]).unwrap();
        for (data, expected) in [
            (r#"{"backendMountId":1,"path":"a/x","other":1}"#, true),
            (
                r#"{"backendMountId":1,"path":"a/x","previousPath":"a/y"}"#,
                true,
            ),
            (
                r#"{"backendMountId":1,"path":"a/x","previousPath":"b"}"#,
                false,
            ),
            (r#"{"backendMountId":2,"path":"a/x"}"#, false),
            (r#"{"backendMountId":1,"path":"ab"}"#, false),
            (
                r#"{"backendMountId":1,"path":"a","result":{"path":"b"}}"#,
                false,
            ),
            (r#"{"backendMountId":"1","path":"a"}"#, false),
            ("garbage", false),
        ] {
            assert_eq!(names_only(&paths, data), expected, "{data}");
        }
    }

    #[test]
    fn a_condition_quotes_its_prefix_and_is_never_null() {
        let rules = [(1, "it's"), (2, "")].map(|(mount, prefix)| PathRule {
            mount,
            prefix: prefix.to_owned(),
        });
        let sight = Sight(Some(Paths::new(rules.to_vec()).unwrap()));
        assert_eq!(
            sight.inside("p", "m").unwrap(),
            "coalesce((m = 1 AND (p = 'it''s' OR starts_with(p, 'it''s/'))) \
             OR (m = 2 AND p IS NOT NULL), FALSE)"
        );
        assert_eq!(Sight::default().inside("p", "m"), None);
    }
}
