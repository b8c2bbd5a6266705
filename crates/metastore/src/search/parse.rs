//! A filter from JSON.

use super::field::{Column, Field, Kind, field};
use super::filter::{CONDITIONS, DEPTH, Filter, JsonTest, Refusal, Scalar, TagsTest, Test};
use crate::rules::compile_glob;
use journal::Time;
use rusqlite::types::Value as Sql;
use serde_json::{Map, Value};

const OPERATORS: &str = "eq, neq, lt, lte, gt, gte, between, contains, has_key, array_contains, \
                         exists, prefix, glob";

/// The filter that `json`, found at `pointer`, spells.
pub(crate) fn parse(json: &Value, pointer: &str) -> Result<Filter, Refusal> {
    let mut room = CONDITIONS;
    node(json, pointer, DEPTH, &mut room)
}

fn node(json: &Value, at: &str, depth: usize, room: &mut usize) -> Result<Filter, Refusal> {
    let Value::Object(fields) = json else {
        return Err(Refusal::new(at, "a filter is an object"));
    };
    let Some(deeper) = depth.checked_sub(1) else {
        return Err(Refusal::new(
            at,
            format!("filters nest at most {DEPTH} deep"),
        ));
    };
    match fields.get("type").and_then(Value::as_str) {
        Some("not") => negation(fields, "filter", at, deeper, room),
        Some("group") => group(fields, at, deeper, room),
        Some("condition") => match fields.get("condition") {
            Some(Value::Object(inner)) => condition(inner, &format!("{at}/condition"), room),
            Some(_) => Err(Refusal::new(
                format!("{at}/condition"),
                "a condition is an object",
            )),
            None => condition(fields, at, room),
        },
        Some(other) => Err(Refusal::new(
            format!("{at}/type"),
            format!("there is no filter type {other:?}; there are condition, group and not"),
        )),
        None if fields.contains_key("type") => {
            Err(Refusal::new(format!("{at}/type"), "the type is a string"))
        }
        None if fields.contains_key("not") => negation(fields, "not", at, deeper, room),
        None if fields.contains_key("filters") => group(fields, at, deeper, room),
        None => condition(fields, at, room),
    }
}

fn negation(
    fields: &Map<String, Value>,
    name: &str,
    at: &str,
    depth: usize,
    room: &mut usize,
) -> Result<Filter, Refusal> {
    let inner = fields
        .get(name)
        .ok_or_else(|| Refusal::new(format!("{at}/{name}"), "a negation needs a filter"))?;
    node(inner, &format!("{at}/{name}"), depth, room).map(|filter| Filter::Not(Box::new(filter)))
}

fn group(
    fields: &Map<String, Value>,
    at: &str,
    depth: usize,
    room: &mut usize,
) -> Result<Filter, Refusal> {
    let filters = match fields.get("filters") {
        Some(Value::Array(filters)) if !filters.is_empty() => filters,
        _ => {
            return Err(Refusal::new(
                format!("{at}/filters"),
                "a group needs a list of filters",
            ));
        }
    };
    let filters = filters
        .iter()
        .enumerate()
        .map(|(index, filter)| node(filter, &format!("{at}/filters/{index}"), depth, room))
        .collect::<Result<_, _>>()?;
    match fields
        .get("operator")
        .or_else(|| fields.get("op"))
        .and_then(Value::as_str)
    {
        Some("and") => Ok(Filter::All(filters)),
        Some("or") => Ok(Filter::Any(filters)),
        _ => Err(Refusal::new(
            format!("{at}/operator"),
            "a group's operator is \"and\" or \"or\"",
        )),
    }
}

fn condition(fields: &Map<String, Value>, at: &str, room: &mut usize) -> Result<Filter, Refusal> {
    *room = room
        .checked_sub(1)
        .ok_or_else(|| Refusal::new(at, format!("a filter has at most {CONDITIONS} conditions")))?;
    let name = match fields.get("field") {
        Some(Value::String(name)) => name.trim(),
        _ => {
            return Err(Refusal::new(
                format!("{at}/field"),
                "a condition needs a field name",
            ));
        }
    };
    for given in ["value", "values"] {
        if fields.get(given).is_some_and(has_nul) {
            let detail = "a NUL character is in no path and no value";
            return Err(Refusal::new(format!("{at}/{given}"), detail));
        }
    }
    let field = field(name).map_err(|detail| Refusal::new(format!("{at}/field"), detail))?;
    let Some(operator) = fields.get("operator").and_then(Value::as_str) else {
        return Err(Refusal::new(
            format!("{at}/operator"),
            format!("one of {OPERATORS}"),
        ));
    };
    Given {
        fields,
        at,
        operator,
    }
    .filter(field)
}

/// The operator and values of a condition.
struct Given<'a> {
    fields: &'a Map<String, Value>,
    at: &'a str,
    operator: &'a str,
}

impl Given<'_> {
    fn filter(&self, field: Field) -> Result<Filter, Refusal> {
        if !OPERATORS.split(", ").any(|known| known == self.operator) {
            let detail = format!(
                "there is no operator {:?}; there are {OPERATORS}",
                self.operator
            );
            return Err(Refusal::new(format!("{}/operator", self.at), detail));
        }
        // These two turn another condition around; "exists" is "not equal to null".
        let turned = match self.operator {
            "neq" => Some(Given {
                operator: "eq",
                ..*self
            }),
            "exists" => return self.exists(field),
            _ => None,
        };
        if let Some(turned) = turned {
            return turned
                .filter(field)
                .map(|filter| Filter::Not(Box::new(filter)));
        }
        match field {
            Field::Column(column) => self
                .column_test(&column)
                .map(|test| Filter::Column(column, test)),
            Field::Json(field) => self.json_test().map(|test| Filter::Json(field, test)),
            Field::Tags => self.tags_test().map(Filter::Tags),
            Field::Node => Err(self.unfit(
                "metadata.filestore as a whole can only be asked for with \
                                           exists",
            )),
        }
    }

    fn exists(&self, field: Field) -> Result<Filter, Refusal> {
        let is_wanted = match self.fields.get("value") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(wanted)) => *wanted,
            Some(_) => return Err(self.refuse("value", "exists takes true, false or no value")),
        };
        let exists = match field {
            Field::Column(column) => Filter::Not(Box::new(Filter::Column(column, Test::Eq(None)))),
            Field::Json(field) => {
                Filter::Not(Box::new(Filter::Json(field, JsonTest::Is(Test::Eq(None)))))
            }
            Field::Tags => Filter::Tags(TagsTest::HasSome),
            Field::Node => return Ok(Filter::HasNode(is_wanted)),
        };
        Ok(match exists {
            exists if is_wanted => exists,
            Filter::Not(absent) => *absent,
            exists => Filter::Not(Box::new(exists)),
        })
    }

    fn column_test(&self, column: &Column) -> Result<Test<Sql>, Refusal> {
        let typed = |pointer: &str, value: &Value| {
            typed(column, value).map_err(|detail| self.refuse(pointer, &detail))
        };
        Ok(match self.operator {
            "eq" if self.value()?.is_null() => Test::Eq(None),
            "eq" => Test::Eq(Some(typed("value", self.value()?)?)),
            "lt" => Test::Less(typed("value", self.value()?)?),
            "lte" => Test::LessOrEqual(typed("value", self.value()?)?),
            "gt" => Test::Greater(typed("value", self.value()?)?),
            "gte" => Test::GreaterOrEqual(typed("value", self.value()?)?),
            "between" => {
                let (low, high) = self.two_values()?;
                Test::Between(typed("values/0", low)?, typed("values/1", high)?)
            }
            "prefix" if column.kind == Kind::Text => Test::Prefix(self.text()?),
            "glob" if column.kind == Kind::Text => Test::Glob(self.glob()?),
            "contains" if column.kind == Kind::Text => Test::Holds(self.text()?),
            _ => return Err(self.unfit("it does not fit this field")),
        })
    }

    fn json_test(&self) -> Result<JsonTest, Refusal> {
        let scalar = |pointer: &str, value: &Value| {
            ordered(value).ok_or_else(|| self.refuse(pointer, "a number or a string"))
        };
        Ok(match self.operator {
            "eq" => match self.value()? {
                Value::Null => JsonTest::Is(Test::Eq(None)),
                Value::Bool(value) => JsonTest::Is(Test::Eq(Some(Scalar::Bool(*value)))),
                value => match ordered(value) {
                    Some(value) => JsonTest::Is(Test::Eq(Some(value))),
                    None => JsonTest::Equals(value.clone()),
                },
            },
            "lt" => JsonTest::Is(Test::Less(scalar("value", self.value()?)?)),
            "lte" => JsonTest::Is(Test::LessOrEqual(scalar("value", self.value()?)?)),
            "gt" => JsonTest::Is(Test::Greater(scalar("value", self.value()?)?)),
            "gte" => JsonTest::Is(Test::GreaterOrEqual(scalar("value", self.value()?)?)),
            "between" => {
                let (low, high) = self.two_values()?;
                let (low, high) = (scalar("values/0", low)?, scalar("values/1", high)?);
                if matches!(low, Scalar::Text(_)) != matches!(high, Scalar::Text(_)) {
                    return Err(self.refuse("values", "two numbers or two strings"));
                }
                JsonTest::Is(Test::Between(low, high))
            }
            "prefix" => JsonTest::Is(Test::Prefix(self.text()?)),
            "glob" => JsonTest::Is(Test::Glob(self.glob()?)),
            "has_key" => JsonTest::HasKey(self.text()?),
            "array_contains" => JsonTest::HasAny(self.one_or_more()?),
            "contains" => match self.fields.get("value") {
                Some(value) => JsonTest::Contains(value.clone()),
                None => JsonTest::Contains(Value::Array(self.one_or_more()?)),
            },
            _ => return Err(self.unfit("it does not fit this field")),
        })
    }

    fn tags_test(&self) -> Result<TagsTest, Refusal> {
        let tags = || {
            let values = self.one_or_more()?.into_iter();
            values
                .map(|value| match value {
                    Value::String(tag) => Ok(tag),
                    // Tags are text: `2024` is the tag that is written so.
                    Value::Number(number) => Ok(number.to_string()),
                    Value::Bool(value) => Ok(value.to_string()),
                    _ => Err(self.refuse("value", "a tag is a string")),
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match self.operator {
            "eq" if self.value()?.is_null() => {
                return Err(self.refuse("value", "ask for records without tags with exists: false"));
            }
            "eq" | "contains" => TagsTest::HasAll(tags()?),
            "array_contains" => TagsTest::HasAny(tags()?),
            "prefix" => TagsTest::One(Test::Prefix(self.text()?)),
            "glob" => TagsTest::One(Test::Glob(self.glob()?)),
            _ => return Err(self.unfit("it does not fit tags")),
        })
    }

    fn value(&self) -> Result<&Value, Refusal> {
        self.fields
            .get("value")
            .ok_or_else(|| self.refuse("value", "the operator needs a value"))
    }

    fn two_values(&self) -> Result<(&Value, &Value), Refusal> {
        match self
            .fields
            .get("values")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
        {
            Some([low, high]) => Ok((low, high)),
            _ => Err(self.refuse("values", "between needs a list of two values")),
        }
    }

    /// `value`, or each of it if it is a list, or `values`.
    fn one_or_more(&self) -> Result<Vec<Value>, Refusal> {
        let given = self
            .fields
            .get("value")
            .or_else(|| self.fields.get("values"));
        match given {
            Some(Value::Array(values)) if !values.is_empty() && values.len() <= CONDITIONS => {
                Ok(values.clone())
            }
            Some(Value::Array(_)) => {
                Err(self.refuse("value", &format!("a list of 1 to {CONDITIONS} values")))
            }
            Some(value) => Ok(vec![value.clone()]),
            None => Err(self.refuse("value", "the operator needs a value or a list of values")),
        }
    }

    fn text(&self) -> Result<String, Refusal> {
        match self.value()? {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.refuse("value", "a string")),
        }
    }

    fn glob(&self) -> Result<String, Refusal> {
        let glob = self.text()?;
        compile_glob(&glob).map_err(|detail| self.refuse("value", &detail))?;
        Ok(glob)
    }

    fn refuse(&self, field: &str, detail: &str) -> Refusal {
        Refusal::new(format!("{}/{field}", self.at), detail)
    }

    fn unfit(&self, detail: &str) -> Refusal {
        self.refuse("operator", &format!("{}: {detail}", self.operator))
    }
}

/// A value in the column's type.
fn typed(column: &Column, value: &Value) -> Result<Sql, String> {
    let mismatch = |wanted: &str| Err(format!("{} is compared with {wanted}", column.name));
    match (column.kind, value) {
        (Kind::Text, Value::String(text)) => Ok(Sql::Text(text.clone())),
        (Kind::Text, Value::Number(number)) => Ok(Sql::Text(number.to_string())),
        (Kind::Text, Value::Bool(value)) => Ok(Sql::Text(value.to_string())),
        (Kind::Text, _) => mismatch("a string"),
        (Kind::Integer, Value::Number(_)) => match ordered(value) {
            Some(Scalar::Integer(number)) => Ok(Sql::Integer(number)),
            Some(Scalar::Real(number)) => Ok(Sql::Real(number)),
            _ => mismatch("a number"),
        },
        (Kind::Integer, _) => mismatch("a number"),
        (Kind::Time, Value::String(text)) => match text.trim().parse::<Time>() {
            Ok(time) => Ok(Sql::Integer(time.as_millis())),
            Err(_) => mismatch("a time such as 2026-03-01T12:00:00Z"),
        },
        (Kind::Time, _) => mismatch("a time such as 2026-03-01T12:00:00Z"),
    }
}

/// A value with an order: a number or text.
fn ordered(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(Scalar::Integer(number)),
            None => number.as_f64().map(Scalar::Real),
        },
        _ => None,
    }
}

/// A value that a single value can be compared with.
pub(super) fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::Bool(value) => Some(Scalar::Bool(*value)),
        value => ordered(value),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(elements) => elements.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}
