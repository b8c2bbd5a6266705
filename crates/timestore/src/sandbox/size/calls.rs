//! How long the values are that functions make.

use super::super::functions::Growth;
use super::super::tree::{list, part, text};
use super::{Columns, ELEMENT_BYTES, FIXED_BYTES, LAMBDAS_MAX, SHORT_BYTES, Size, Sized, Sizer};
use crate::error::Refusal;
use serde_json::Value;
use std::collections::HashMap;

/// Functions.
impl Sizer<'_> {
    pub(super) fn function(&mut self, value: &Value) -> Sized {
        let name = text(value, "function_name");
        let growth = self
            .functions
            .growth(name)
            .ok_or_else(|| Refusal::Function(name.to_owned()))?;
        // `x.repeat(2)` is read as a function of the schema x.
        let method = text(value, "schema");
        let with_self: Vec<Value>;
        let arguments = match method {
            "" | "main" => list(value, "children"),
            _ => {
                let object = serde_json::json!({"class": "COLUMN_REF", "column_names": [method]});
                with_self = [object]
                    .into_iter()
                    .chain(list(value, "children").to_vec())
                    .collect();
                &with_self
            }
        };
        for (member, part) in value.as_object().into_iter().flatten() {
            if member != "children" {
                self.expression(part)?;
            }
        }
        let is_window = text(value, "class") == "WINDOW";
        self.grown(name, growth, arguments, is_window)
    }

    fn grown(&mut self, name: &str, growth: Growth, arguments: &[Value], is_window: bool) -> Sized {
        match growth {
            Growth::Fixed => {
                self.longest(arguments)?;
                Ok(Size::FIXED)
            }
            Growth::Compared => {
                let first = self.first(arguments)?.bytes;
                let bytes = first.saturating_mul(self.longest(arguments)?.bytes) / SHORT_BYTES;
                self.making(name, Size::FIXED, bytes)?;
                Ok(Size::FIXED)
            }
            Growth::Part => {
                let most = self.longest(arguments)?;
                self.text_like(name, most, most.bytes)
            }
            Growth::Cut(place) => {
                let most = self.longest(arguments)?;
                let cut = arguments.get(place).and_then(|count| self.most(count));
                let cut = cut.map_or(u64::MAX, |count| count.saturating_mul(4));
                self.text_like(name, most, most.bytes.min(cut.max(FIXED_BYTES)))
            }
            Growth::Element => self.element(arguments),
            Growth::Sum(times) => {
                let all = self.sum(arguments)?;
                self.making(name, all, all.bytes.saturating_mul(times))
            }
            Growth::Added => {
                let most = self.longest(arguments)?;
                if most.is_scalar {
                    return Ok(Size::FIXED);
                }
                let all = self.sum(arguments)?;
                self.making(name, all, all.bytes)
            }
            Growth::Product(place) => {
                let all = self.product(arguments, place)?;
                self.making(name, all, all.bytes)
            }
            Growth::Square => {
                let all = self.sum(arguments)?;
                self.making(name, all, all.bytes.saturating_mul(all.bytes))
            }
            Growth::Extracted => self.extraction(&arguments.iter().collect::<Vec<_>>()),
            Growth::Transformed => self.transformed(name, arguments),
            Growth::Filtered => {
                let list = self.first(arguments)?;
                if let Some(lambda) = arguments.get(1) {
                    self.lambda(
                        name,
                        lambda,
                        list.element(),
                        (list.bytes / ELEMENT_BYTES).max(1),
                    )?;
                }
                self.making(name, list, list.bytes)
            }
            Growth::Reduced => self.reduced(name, arguments),
            Growth::Aggregated => self.aggregated(name, arguments),
            Growth::Collected => self.collected(name, arguments, is_window),
            Growth::Picked(several) if arguments.len() >= several => {
                self.collected(name, arguments, is_window)
            }
            Growth::Picked(_) => self.longest(arguments),
            _ => self.counted(name, growth, arguments),
        }
    }

    /// Functions that make as much as an argument says.
    fn counted(&mut self, name: &str, growth: Growth, arguments: &[Value]) -> Sized {
        let first = self.first(arguments)?;
        self.longest(arguments)?;
        let bytes = match growth {
            Growth::Repeated(place) => {
                let count = self.count(name, arguments, place)?;
                count.saturating_mul(first.bytes.max(1))
            }
            Growth::Padded => {
                let count = self.count(name, arguments, 1)?;
                let padding = match arguments.get(2) {
                    Some(padding) => self.expression(padding)?.bytes,
                    None => FIXED_BYTES,
                };
                // Text is padded by characters of four bytes, lists by elements.
                let each = if name.ends_with("pad") {
                    4
                } else {
                    padding.max(ELEMENT_BYTES)
                };
                first.bytes.saturating_add(count.saturating_mul(each))
            }
            Growth::Counted(place, each) => {
                let count = match arguments.get(place) {
                    Some(_) => self.count(name, arguments, place)?,
                    None => SHORT_BYTES * 2,
                };
                first.bytes.saturating_add(count.saturating_mul(each))
            }
            Growth::Series => self.series(name, arguments)?.saturating_mul(ELEMENT_BYTES),
            _ => self.formatted(name, arguments)?,
        };
        self.making(name, first, bytes.saturating_add(FIXED_BYTES))
    }

    /// A list is no text, and text is no list: what is text stays what it was.
    fn text_like(&mut self, name: &str, from: Size, bytes: u64) -> Sized {
        let made = self.making(name, from, bytes)?;
        Ok(Size {
            is_scalar: from.is_scalar,
            ..made
        })
    }

    fn product(&mut self, arguments: &[Value], place: usize) -> Sized {
        let most = self.longest(arguments)?;
        let first = self.first(arguments)?;
        let times = match arguments.get(place) {
            Some(argument) => self.expression(argument)?.bytes,
            None => 0,
        };
        // A text of one letter makes nothing longer.
        let times = times.saturating_sub(FIXED_BYTES).max(1);
        Ok(most.of(first.bytes.saturating_mul(times)))
    }

    /// A path with wildcards finds everything, and everything in it again.
    pub(super) fn extraction(&mut self, arguments: &[&Value]) -> Sized {
        let mut most = Size::FIXED;
        for argument in arguments {
            most = most.or(self.expression(argument)?);
        }
        let is_plain = arguments
            .iter()
            .skip(1)
            .all(|path| match self.constant_text(path) {
                Some(path) => !path.contains('*'),
                None => self.number(path).is_some(),
            });
        let bytes = match is_plain {
            true => most.bytes,
            false => most.bytes.saturating_mul(most.bytes),
        };
        self.text_like("json_extract", most, bytes)
    }

    fn transformed(&mut self, name: &str, arguments: &[Value]) -> Sized {
        let list = self.first(arguments)?;
        let Some(lambda) = arguments.get(1) else {
            return Ok(list);
        };
        // Once for elements of a usual length, and once as if all were in one element.
        let count = (list.bytes / ELEMENT_BYTES).max(1);
        let short = self.lambda(name, lambda, list.element().of(FIXED_BYTES), count)?;
        let long = self.lambda(name, lambda, list.element(), 1)?;
        let bytes = count.saturating_mul(short.bytes).saturating_add(long.bytes);
        self.making(name, list, bytes)
    }

    /// The body's size, with parameters of this one; what it makes is made so many times.
    fn lambda(&mut self, name: &str, lambda: &Value, parameter: Size, times: u64) -> Sized {
        if self.lambdas >= LAMBDAS_MAX {
            return Err(Refusal::TooDeep);
        }
        let before = self.row_bytes;
        let mut scope = Columns {
            names: HashMap::new(),
            others: None,
        };
        let mut names = Vec::new();
        columns_in(part(lambda, "/lhs"), &mut names);
        let outer = self.lambda_names.len();
        for name in names {
            scope.add(name, parameter);
            self.lambda_names
                .push((name.to_ascii_lowercase(), parameter));
        }
        self.lambdas += 1;
        self.scopes.push(scope);
        let body = if text(lambda, "class") == "LAMBDA" {
            self.expression(part(lambda, "/expr"))
        } else {
            self.expression(lambda)
        };
        self.scopes.pop();
        self.lambda_names.truncate(outer);
        self.lambdas -= 1;
        let body = body?;
        let made = self.row_bytes - before;
        self.making(name, Size::FIXED, made.saturating_mul(times - 1))?;
        Ok(body)
    }

    /// What it builds on is its own result, so that may not become longer.
    fn reduced(&mut self, name: &str, arguments: &[Value]) -> Sized {
        let list = self.longest_but_lambdas(arguments)?;
        let parameter = Size {
            is_scalar: self.holds_scalars(arguments.first())?,
            ..list.element()
        };
        for lambda in arguments
            .iter()
            .filter(|value| text(value, "class") == "LAMBDA")
        {
            let body = self.lambda(name, lambda, parameter, (list.bytes / ELEMENT_BYTES).max(1))?;
            if body.bytes > parameter.bytes {
                return Err(Refusal::Unbounded {
                    function: name.to_owned(),
                    advice: "its lambda may not make a longer value than it is given",
                });
            }
        }
        Ok(parameter)
    }

    /// Whether it is a list written out of values that are no lists.
    fn holds_scalars(&mut self, list: Option<&Value>) -> Sized<bool> {
        let Some(value) = list else { return Ok(false) };
        let is_written = text(value, "type") == "ARRAY_CONSTRUCTOR"
            || matches!(text(value, "function_name"), "list_value" | "list_pack");
        Ok(is_written
            && self
                .longest(super::super::tree::list(value, "children"))?
                .is_scalar)
    }

    fn longest_but_lambdas(&mut self, arguments: &[Value]) -> Sized {
        self.longest(
            arguments
                .iter()
                .filter(|value| text(value, "class") != "LAMBDA"),
        )
    }

    fn aggregated(&mut self, name: &str, arguments: &[Value]) -> Sized {
        let function = arguments
            .get(1)
            .and_then(|function| part(function, "/value/value").as_str())
            .ok_or_else(|| Refusal::Unbounded {
                function: name.to_owned(),
                advice: "name the aggregate function as a text",
            })?;
        let growth = self.functions.growth(function);
        match growth.ok_or_else(|| Refusal::Function(function.to_owned()))? {
            Growth::Fixed => {
                self.longest(arguments)?;
                Ok(Size::FIXED)
            }
            Growth::Picked(_) => Ok(self.first(arguments)?.element()),
            _ => {
                let all = self.product(arguments, 2)?;
                self.making(name, all, all.bytes.saturating_mul(4))
            }
        }
    }

    /// Beside every row of a window there would be all rows before it.
    fn collected(&mut self, name: &str, arguments: &[Value], is_window: bool) -> Sized {
        if is_window {
            return Err(Refusal::Unbounded {
                function: name.to_owned(),
                advice: "it cannot stand with OVER; use GROUP BY",
            });
        }
        self.gathers = true;
        let all = self.sum(arguments)?;
        let gathered = self.making(name, Size::FIXED, all.bytes)?;
        Ok(Size {
            gathered: all.gathered + 1,
            is_outside: all.is_outside,
            ..gathered
        })
    }
}

/// The names of all columns below.
fn columns_in<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    let here = list(value, "column_names").iter().filter_map(Value::as_str);
    names.extend(here);
    for child in list(value, "children") {
        columns_in(child, names);
    }
}
