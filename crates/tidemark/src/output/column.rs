//! Columns: what they hold, and how a table shows it.

use super::human;
use comfy_table::{Cell, CellAlignment};
use journal::{Clock as _, SystemClock, Time};
use serde_json::Value;

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// What a column holds, which decides how a table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bytes,
    /// A time, shown as how long ago it was.
    Age,
    /// A time, shown to the second.
    Time,
    /// A length of time in seconds, with fractions.
    Seconds,
    /// A length of time in milliseconds.
    Millis,
}

/// Who a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Everybody,
    /// Tables only.
    People,
    /// CSV only.
    Programs,
}

/// A column of a table or of CSV.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    key: String,
    kind: Kind,
    title: Option<&'static str>,
    is_for: For,
}

impl Column {
    pub(crate) fn text(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Text)
    }

    pub(crate) fn number(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Number)
    }

    pub(crate) fn bytes(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Bytes)
    }

    /// A time that a table shows as an age.
    pub(crate) fn age(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Age)
    }

    /// A time that a table shows to the second.
    pub(crate) fn time(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Time)
    }

    /// A length of time in seconds.
    pub(crate) fn seconds(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Seconds)
    }

    /// A length of time in milliseconds.
    pub(crate) fn millis(key: impl Into<String>) -> Self {
        Self::new(key, Kind::Millis)
    }

    fn new(key: impl Into<String>, kind: Kind) -> Self {
        Self {
            key: key.into(),
            kind,
            title: None,
            is_for: For::Everybody,
        }
    }

    /// The column of a field that a service answered, judged by its name and a value.
    pub(super) fn guess(key: &str, value: Option<&Value>) -> Self {
        match value {
            Some(Value::Number(_)) if key.ends_with("Bytes") || key.starts_with("bytes") => {
                Self::bytes(key)
            }
            Some(Value::Number(_)) => Self::number(key),
            _ => Self::text(key),
        }
    }

    /// With this heading instead of the one that its key makes.
    pub(crate) fn titled(self, title: &'static str) -> Self {
        Self {
            title: Some(title),
            ..self
        }
    }

    /// Shown in tables only.
    pub(crate) fn for_people(self) -> Self {
        Self {
            is_for: For::People,
            ..self
        }
    }

    /// Written to CSV only.
    pub(crate) fn for_programs(self) -> Self {
        Self {
            is_for: For::Programs,
            ..self
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_for_people(&self) -> bool {
        self.is_for != For::Programs
    }

    pub(super) fn is_for_programs(&self) -> bool {
        self.is_for != For::People
    }

    /// `netBytes` as a heading: `NET BYTES`.
    pub(super) fn heading(&self) -> Cell {
        let title = self.title.map_or_else(
            || {
                let mut title = String::new();
                for c in self.key.chars() {
                    match c {
                        '_' => title.push(' '),
                        c if c.is_ascii_uppercase() => title.extend([' ', c]),
                        c => title.push(c.to_ascii_uppercase()),
                    }
                }
                title
            },
            str::to_owned,
        );
        Cell::new(human::escape(&title)).set_alignment(self.alignment())
    }

    /// The value as a table shows it.
    pub(super) fn cell(&self, value: Option<&Value>) -> Cell {
        let text = self.shown(value);
        let text = if text.is_empty() { NOTHING } else { &text };
        Cell::new(text).set_alignment(self.alignment())
    }

    fn shown(&self, value: Option<&Value>) -> String {
        let shown = match self.kind {
            Kind::Text | Kind::Number => None,
            Kind::Bytes => value.and_then(Value::as_i64).map(human::bytes),
            Kind::Age => time(value).map(|time| human::age(SystemClock.now(), time)),
            Kind::Time => time(value).map(human::to_the_second),
            Kind::Seconds => value.and_then(Value::as_f64).map(human::seconds),
            Kind::Millis => value
                .and_then(Value::as_f64)
                .map(|millis| human::seconds(millis / 1_000.0)),
        };
        shown.unwrap_or_else(|| human::escape(&plain(value)))
    }

    fn alignment(&self) -> CellAlignment {
        match self.kind {
            Kind::Text | Kind::Age | Kind::Time => CellAlignment::Left,
            Kind::Number | Kind::Bytes | Kind::Seconds | Kind::Millis => CellAlignment::Right,
        }
    }
}

fn time(value: Option<&Value>) -> Option<Time> {
    value?.as_str()?.parse().ok()
}

/// A value as CSV and tables have it: text without quotes, nothing for null, the rest as JSON; a
/// list of texts with commas.
pub(super) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            items.join(",")
        }
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(column: &Column, value: Value) -> String {
        column.cell(Some(&value)).content()
    }

    #[test]
    fn what_is_empty_looks_the_same_in_every_column() {
        for column in [
            Column::text("a"),
            Column::number("a"),
            Column::bytes("a"),
            Column::age("a"),
            Column::seconds("a"),
        ] {
            for value in [json!(null), json!(""), json!([])] {
                assert_eq!(shown(&column, value.clone()), "–", "{column:?} {value}");
            }
            assert_eq!(column.cell(None).content(), "–");
        }
    }

    #[test]
    fn values_that_a_column_does_not_expect_are_shown_as_they_are() {
        assert_eq!(shown(&Column::age("a"), json!("soon\n")), "soon\\n");
        assert_eq!(shown(&Column::bytes("a"), json!("1E30")), "1E30");
        assert_eq!(shown(&Column::seconds("a"), json!(true)), "true");
    }

    #[test]
    fn lengths_of_time_and_times_are_for_people() {
        assert_eq!(shown(&Column::seconds("a"), json!(0.25)), "0.25s");
        assert_eq!(shown(&Column::millis("a"), json!(61_000)), "1m1s");
        let time = json!("2026-03-01T12:00:00.250Z");
        assert_eq!(shown(&Column::time("a"), time), "2026-03-01T12:00:00Z");
    }
}
