//! How much a function is told to make, as far as that can be seen before it runs.

use super::super::tree::{list, part, text};
use super::{Sized, Sizer};
use crate::error::Refusal;
use duckdb::types::Value as Bound;
use serde_json::Value;

/// How many, and how wide.
impl Sizer<'_> {
    pub(super) fn count(&mut self, name: &str, arguments: &[Value], place: usize) -> Sized<u64> {
        let count = arguments.get(place).and_then(|count| self.most(count));
        count.ok_or_else(|| Refusal::Unbounded {
            function: name.to_owned(),
            advice: "say how many as a number, a parameter, or least(…, number)",
        })
    }

    /// How many elements a series has.
    pub(super) fn series(&mut self, name: &str, arguments: &[Value]) -> Sized<u64> {
        let unbounded = || Refusal::Unbounded {
            function: name.to_owned(),
            advice: "give its bounds as numbers, or write it after FROM, where it makes rows",
        };
        let number = |this: &Self, value: Option<&Value>, default: i64| match value {
            None => Some(default),
            Some(value) => this.number(value),
        };
        let (start, stop) = match arguments {
            [stop] => (Some(0), stop),
            [start, stop, ..] => (self.number(start), stop),
            [] => return Ok(0),
        };
        let step = number(self, arguments.get(2), 1).ok_or_else(unbounded)?;
        let start = start.ok_or_else(unbounded)?;
        let stop = match (self.number(stop), self.most(stop)) {
            (Some(stop), _) => stop,
            (None, Some(most)) if step > 0 => i64::try_from(most).unwrap_or(i64::MAX),
            _ => return Err(unbounded()),
        };
        Ok(stop.abs_diff(start) / step.unsigned_abs().max(1) + 1)
    }

    /// A format is constant, so that its widths can be read.
    pub(super) fn formatted(&mut self, name: &str, arguments: &[Value]) -> Sized<u64> {
        let format = arguments
            .first()
            .and_then(|format| self.constant_text(format));
        let widths = format.as_deref().and_then(widths);
        let (Some(format), Some(widths)) = (&format, widths) else {
            return Err(Refusal::Unbounded {
                function: name.to_owned(),
                advice: "write the format as a text, with its widths in it",
            });
        };
        let all = self.sum(arguments)?;
        // The longest number has 309 digits, and an argument may be used many times.
        let each = all.bytes.saturating_add(512);
        let uses = format.matches(['%', '{']).count() as u64;
        Ok(widths
            .saturating_add(each.saturating_mul(uses))
            .saturating_add(format.len() as u64))
    }

    pub(super) fn constant_text(&self, value: &Value) -> Option<String> {
        match text(value, "class") {
            "CONSTANT" => part(value, "/value/value").as_str().map(str::to_owned),
            "PARAMETER" => match self.bound(text(value, "identifier"))? {
                Bound::Text(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// The number that an expression is, if it is written as one.
    pub(super) fn number(&self, value: &Value) -> Option<i64> {
        match text(value, "class") {
            "CONSTANT" => part(value, "/value/value").as_i64(),
            "PARAMETER" => match self.bound(text(value, "identifier"))? {
                Bound::BigInt(number) => Some(*number),
                _ => None,
            },
            "CAST" => self.number(part(value, "/child")),
            _ => None,
        }
    }

    /// The number that an expression is at most, if that can be seen.
    pub(super) fn most(&mut self, value: &Value) -> Option<u64> {
        if let Some(number) = self.number(value) {
            return Some(u64::try_from(number).unwrap_or(0));
        }
        let arguments = list(value, "children");
        let all = |this: &mut Self| -> Option<Vec<u64>> {
            arguments
                .iter()
                .map(|argument| this.most(argument))
                .collect()
        };
        match (text(value, "class"), text(value, "function_name")) {
            ("CAST", _) => self.most(part(value, "/child")),
            ("FUNCTION", "least") => arguments.iter().filter_map(|value| self.most(value)).min(),
            ("FUNCTION", "greatest" | "+" | "add") => Some(
                all(self)?
                    .iter()
                    .fold(0, |sum: u64, next| sum.saturating_add(*next)),
            ),
            ("FUNCTION", "*" | "multiply") => Some(
                all(self)?
                    .iter()
                    .fold(1, |sum: u64, next| sum.saturating_mul(*next)),
            ),
            ("FUNCTION", "len" | "length" | "strlen" | "array_length") => {
                let size = self.first(arguments).ok()?;
                (size.gathered == 0).then_some(size.bytes)
            }
            _ => None,
        }
    }
}

/// The sum of all numbers in a format; none, if an argument says how wide another one is.
fn widths(format: &str) -> Option<u64> {
    let is_nested = format.contains('*') || {
        let mut depth = 0;
        format.chars().any(|c| {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth > 1
        })
    };
    // `{{` is a brace and nests nothing, but need not be told apart: it is seldom there.
    let numbers = format
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or(u64::MAX));
    (!is_nested).then(|| numbers.fold(0, u64::saturating_add))
}
