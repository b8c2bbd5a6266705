//! How long the values of expressions are.

use super::super::tree::{list, part, text};
use super::{
    COLUMN_BYTES, COPIES_MAX, FIXED_BYTES, ROW_MAX_BYTES, SHORT_BYTES, STAR_COLUMNS, STEPS_MAX,
    Size, Sized, Sizer, is_plain_star,
};
use crate::error::Refusal;
use crate::sandbox::Parameters;
use duckdb::types::Value as Bound;
use serde_json::Value;

/// Expressions.
impl Sizer<'_> {
    /// Also of lists of expressions, and of objects that hold some: the longest of them.
    pub(super) fn expression(&mut self, value: &Value) -> Sized {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Refusal::TooDeep);
        }
        match value {
            Value::Array(items) => self.longest(items),
            Value::Object(members) if part(value, "/class").is_string() => {
                self.classed(value, members)
            }
            Value::Object(members) if text(value, "type").ends_with("_NODE") => {
                let _ = members;
                Ok(self.query(value)?.most())
            }
            Value::Object(members) => self.longest(members.values()),
            _ => Ok(Size::FIXED),
        }
    }

    pub(super) fn longest<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> Sized {
        let mut most = Size::FIXED;
        for value in values {
            most = most.or(self.expression(value)?);
        }
        Ok(most)
    }

    fn classed(&mut self, value: &Value, members: &serde_json::Map<String, Value>) -> Sized {
        match text(value, "class") {
            "CONSTANT" => Ok(constant(part(value, "/value"))),
            "COLUMN_REF" => Ok(self.column(value)),
            "PARAMETER" => Ok(self.parameter(text(value, "identifier"))),
            "COMPARISON" | "CONJUNCTION" | "BETWEEN" => {
                self.longest(members.values())?;
                Ok(Size::FIXED)
            }
            "CAST" => self.cast(value),
            "STAR" => {
                let replaced = self.longest(members.values())?;
                let sources = self.scopes.last().map(|scope| match is_plain_star(value) {
                    true => scope.others.unwrap_or(Size::FIXED),
                    // It stands for many columns at once.
                    false => {
                        let most = scope.most();
                        most.of(most.bytes.saturating_mul(STAR_COLUMNS))
                    }
                });
                Ok(sources.unwrap_or(Size::COLUMN).or(replaced))
            }
            "SUBQUERY" => {
                let inner = self.query(part(value, "/subquery/node"))?.most();
                self.expression(part(value, "/child"))?;
                Ok(match text(value, "subquery_type") {
                    "SCALAR" => inner,
                    _ => Size::FIXED,
                })
            }
            "OPERATOR" => self.operator(value),
            "LAMBDA" => self.extraction(&[part(value, "/lhs"), part(value, "/expr")]),
            "FUNCTION" | "WINDOW" => self.function(value),
            // CASE, COLLATE and whatever else gives one of its parts.
            _ => {
                let most = self.longest(members.values())?;
                self.making(text(value, "class"), most, most.bytes)
            }
        }
    }

    fn column(&self, value: &Value) -> Size {
        let names: Vec<_> = list(value, "column_names")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_ascii_lowercase)
            .collect();
        // A lambda's parameter hides columns of its name.
        if let [name] = names.as_slice()
            && let Some((_, size)) = self.lambda_names.iter().rfind(|(known, _)| known == name)
        {
            return *size;
        }
        let known = self.scopes.iter().flat_map(|scope| {
            let found = names
                .iter()
                .filter_map(|name| scope.names.get(name))
                .copied();
            let others = scope.others;
            found.chain(others)
        });
        known.reduce(Size::or).unwrap_or(Size::COLUMN)
    }

    fn parameter(&self, name: &str) -> Size {
        match self.bound(name) {
            Some(Bound::Text(text)) => Size::scalar(text.len() as u64 + FIXED_BYTES),
            _ => Size::FIXED,
        }
    }

    pub(super) fn bound(&self, name: &str) -> Option<&Bound> {
        match self.parameters {
            Parameters::Named(values) => values.get(name),
            Parameters::Positional(values) => {
                let place: usize = name.parse().ok()?;
                values.get(place.checked_sub(1)?)
            }
        }
    }

    /// Numbers and bytes become longer as text.
    fn cast(&mut self, value: &Value) -> Sized {
        let child = self.expression(part(value, "/child"))?;
        match text(part(value, "/cast_type"), "id") {
            "VARCHAR" | "BLOB" | "BIT" | "JSON" | "VARIANT" | "GEOMETRY" | "UNBOUND" | "BIGNUM" => {
                let bytes = match child.is_scalar && child.bytes <= COLUMN_BYTES {
                    // A table's columns are text or of a fixed length.
                    true => child.bytes.max(SHORT_BYTES),
                    false => child.bytes.saturating_mul(4).saturating_add(SHORT_BYTES),
                };
                let cast = self.making("CAST", child, bytes)?;
                Ok(Size {
                    is_scalar: child.is_scalar,
                    ..cast
                })
            }
            "LIST" | "STRUCT" | "MAP" | "ARRAY" | "UNION" => {
                self.making("CAST", child, child.bytes.saturating_mul(16))
            }
            _ => Ok(Size::FIXED),
        }
    }

    fn operator(&mut self, value: &Value) -> Sized {
        let children = list(value, "children");
        match text(value, "type") {
            "ARRAY_EXTRACT" | "STRUCT_EXTRACT" => self.element(children),
            "ARRAY_CONSTRUCTOR" => {
                let all = self.sum(children)?;
                self.making("[…]", all, all.bytes)
            }
            "ARRAY_SLICE" | "OPERATOR_COALESCE" | "OPERATOR_TRY" => {
                let most = self.longest(children)?;
                self.making("[… : …]", most, most.bytes)
            }
            "OPERATOR_NOT"
            | "OPERATOR_IS_NULL"
            | "OPERATOR_IS_NOT_NULL"
            | "COMPARE_IN"
            | "COMPARE_NOT_IN"
            | "GROUPING_FUNCTION" => {
                self.longest(children)?;
                Ok(Size::FIXED)
            }
            _ => {
                let all = self.sum(children)?;
                self.making(text(value, "type"), all, all.bytes)
            }
        }
    }

    /// An element of the first.
    pub(super) fn element(&mut self, arguments: &[Value]) -> Sized {
        let first = self.first(arguments)?;
        self.longest(arguments.iter().skip(1))?;
        Ok(first.element())
    }

    pub(super) fn first(&mut self, arguments: &[Value]) -> Sized {
        match arguments.first() {
            Some(first) => self.expression(first),
            None => Ok(Size::FIXED),
        }
    }

    /// All of them together, and a reference to each.
    pub(super) fn sum(&mut self, arguments: &[Value]) -> Sized {
        let mut all = Size::FIXED.of(0);
        for argument in arguments {
            let size = self.expression(argument)?;
            all = all
                .or(size)
                .of(all.bytes.saturating_add(size.bytes.max(FIXED_BYTES)));
        }
        Ok(all)
    }

    /// A value is made of `from`.
    pub(super) fn making(&mut self, function: &str, from: Size, bytes: u64) -> Sized {
        if from.gathered > 0 {
            self.copies += 1;
            if from.is_outside || self.copies > COPIES_MAX {
                return Err(Refusal::Gathered(function.to_owned()));
            }
        }
        self.row_bytes = self.row_bytes.saturating_add(bytes);
        if self.row_bytes > ROW_MAX_BYTES {
            return Err(Refusal::TooLarge {
                function: function.to_owned(),
                bytes: self.row_bytes,
                most: ROW_MAX_BYTES,
            });
        }
        Ok(from.of(bytes))
    }
}

fn constant(value: &Value) -> Size {
    match part(value, "/value") {
        Value::String(text) => Size::scalar(text.len() as u64 + FIXED_BYTES),
        Value::Array(_) | Value::Object(_) => {
            Size::FIXED.of(part(value, "/value").to_string().len() as u64 * 2)
        }
        _ => Size::FIXED,
    }
}
