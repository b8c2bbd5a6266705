//! Filters as conditions: names quoted, values bound and of the field's type.

use super::{Predicate, QueryFilters, Values, known, micros};
use crate::catalogue::{Dataset, PARTITION_COLUMN};
use crate::error::{Error, Result};
use crate::ingest::time_value;
use crate::schema::{FieldType, quote};
use duckdb::types::Value;
use serde_json::Value as Json;

const LIST_MAX: usize = 1_000;

pub(super) fn conditions(
    dataset: &Dataset,
    filters: &QueryFilters,
    conditions: &mut Vec<String>,
    params: &mut Vec<Value>,
) -> Result<()> {
    for (name, values) in &filters.partition_key {
        let pointer = format!("/filters/partitionKey/{name}");
        if dataset.is_activity {
            return Err(Error::invalid(
                pointer,
                "the activity has no partition keys; filter by columns",
            ));
        }
        if name.contains(['"', '\\', '\0']) {
            return Err(Error::invalid(
                pointer,
                "a name of a partition key has no quotes",
            ));
        }
        params.push(Value::BigInt(dataset.id));
        let mut found = Vec::new();
        // The path is bound once for every comparison.
        let path = Value::Text(format!("$.\"{name}\""));
        let mut column = Column {
            expression: "json_extract_string(partition_key, ?)",
            before: Some(path),
            kind: FieldType::String,
            pointer: &pointer,
        };
        match values {
            Values::List(list) => column.is_in(list, &mut found, params)?,
            Values::Predicate(predicate) => column.predicate(predicate, &mut found, params)?,
        }
        conditions.push(format!(
            "{} IN (SELECT id FROM tidemark.partitions WHERE dataset_id = ? AND {})",
            quote(PARTITION_COLUMN),
            found.join(" AND ")
        ));
    }
    for (name, predicate) in &filters.columns {
        let pointer = format!("/filters/columns/{name}");
        let field = known(dataset, name, &pointer)?;
        let expression = quote(&field.name);
        let mut column = Column {
            expression: &expression,
            before: None,
            kind: field.kind,
            pointer: &pointer,
        };
        column.predicate(predicate, conditions, params)?;
    }
    Ok(())
}

/// What is compared.
struct Column<'a> {
    expression: &'a str,
    /// The parameter inside the expression.
    before: Option<Value>,
    kind: FieldType,
    pointer: &'a str,
}

impl Column<'_> {
    fn predicate(
        &mut self,
        predicate: &Predicate,
        conditions: &mut Vec<String>,
        params: &mut Vec<Value>,
    ) -> Result<()> {
        let before = conditions.len();
        let comparisons = [
            ("=", &predicate.eq, "eq"),
            ("<>", &predicate.neq, "neq"),
            ("<", &predicate.lt, "lt"),
            ("<=", &predicate.lte, "lte"),
            (">", &predicate.gt, "gt"),
            (">=", &predicate.gte, "gte"),
        ];
        for (operator, value, word) in comparisons {
            if let Some(value) = value {
                let value = self.value(value, word)?;
                self.compare(&format!("{operator} ?"), [value], conditions, params);
            }
        }
        if let Some(list) = &predicate.is_in {
            self.is_in(list, conditions, params)?;
        }
        if let Some(bounds) = &predicate.between {
            let [low, high] = bounds.as_slice() else {
                let pointer = format!("{}/between", self.pointer);
                return Err(Error::invalid(
                    pointer,
                    "give the least and the greatest value",
                ));
            };
            let values = [self.value(low, "between")?, self.value(high, "between")?];
            self.compare("BETWEEN ? AND ?", values, conditions, params);
        }
        self.text(
            "contains",
            predicate.contains.as_deref(),
            conditions,
            params,
        )?;
        self.text(
            "starts_with",
            predicate.prefix.as_deref(),
            conditions,
            params,
        )?;
        if let Some(is_null) = predicate.is_null {
            let operator = if is_null { "IS NULL" } else { "IS NOT NULL" };
            self.compare(operator, [], conditions, params);
        }
        if conditions.len() == before {
            let detail = "give at least one of eq, neq, lt, lte, gt, gte, in, between, contains, prefix, isNull";
            return Err(Error::invalid(self.pointer, detail));
        }
        Ok(())
    }

    fn is_in(
        &mut self,
        list: &[Json],
        conditions: &mut Vec<String>,
        params: &mut Vec<Value>,
    ) -> Result<()> {
        if list.is_empty() || list.len() > LIST_MAX {
            let detail = format!("a list has 1 to {LIST_MAX} values");
            return Err(Error::invalid(format!("{}/in", self.pointer), detail));
        }
        let values = list
            .iter()
            .map(|value| self.value(value, "in"))
            .collect::<Result<Vec<_>>>()?;
        let places = vec!["?"; values.len()].join(", ");
        self.compare(&format!("IN ({places})"), values, conditions, params);
        Ok(())
    }

    fn text(
        &mut self,
        function: &str,
        text: Option<&str>,
        conditions: &mut Vec<String>,
        params: &mut Vec<Value>,
    ) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        if self.kind != FieldType::String {
            return Err(Error::invalid(
                self.pointer,
                "contains and prefix are for text",
            ));
        }
        params.extend(self.before.clone());
        params.push(Value::Text(text.to_owned()));
        conditions.push(format!("{function}({}, ?)", self.expression));
        Ok(())
    }

    fn compare(
        &self,
        operator: &str,
        values: impl IntoIterator<Item = Value>,
        conditions: &mut Vec<String>,
        params: &mut Vec<Value>,
    ) {
        params.extend(self.before.clone());
        params.extend(values);
        conditions.push(format!("{} {operator}", self.expression));
    }

    fn value(&self, value: &Json, word: &str) -> Result<Value> {
        let wrong = |detail: &str| {
            Err(Error::invalid(
                format!("{}/{word}", self.pointer),
                format!("{detail}, not {value}"),
            ))
        };
        match (self.kind, value) {
            (FieldType::String, Json::String(text)) => Ok(Value::Text(text.clone())),
            (FieldType::String, _) => wrong("the field is text: give text"),
            (FieldType::Boolean, Json::Bool(value)) => Ok(Value::Boolean(*value)),
            (FieldType::Boolean, _) => wrong("the field is a boolean: give true or false"),
            (FieldType::Timestamp, value) => match time_value(value) {
                Ok(time) => Ok(micros(time)),
                Err(detail) => wrong(detail),
            },
            // A field of integers may be compared with 1.5.
            (FieldType::Integer | FieldType::Double, value) => {
                match (value.as_i64(), value.as_f64()) {
                    (Some(integer), _) => Ok(Value::BigInt(integer)),
                    (None, Some(double)) => Ok(Value::Double(double)),
                    (None, None) => wrong("the field is a number: give a number"),
                }
            }
        }
    }
}
