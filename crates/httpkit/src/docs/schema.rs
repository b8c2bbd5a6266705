//! JSON schemas, as people read them.

use serde_json::{Map, Value};

use super::text::{anchor, escape, prose};

const REFERENCE: &str = "#/components/schemas/";
/// A sample goes no deeper: a schema may hold itself.
const SAMPLE_DEPTH: usize = 4;

/// The named schemas of a document.
pub(super) struct Schemas<'a>(Option<&'a Map<String, Value>>);

/// The text at `pointer`; empty where there is none.
pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl<'a> Schemas<'a> {
    pub(super) fn of(document: &'a Value) -> Self {
        Self(
            document
                .pointer("/components/schemas")
                .and_then(Value::as_object),
        )
    }

    /// What `schema` is, in a few words, with links to what it names.
    pub(super) fn kind(&self, schema: &Value) -> String {
        if let Some(name) = reference(schema) {
            let is_known = self.0.is_some_and(|named| named.contains_key(name));
            let shown = escape(name);
            let id = anchor("schema", name);
            return if is_known {
                format!("<a href=\"#{id}\">{shown}</a>")
            } else {
                shown
            };
        }
        for (keyword, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
            if let Some(choices) = schema.get(keyword).and_then(Value::as_array) {
                let choices: Vec<String> = choices.iter().map(|it| self.kind(it)).collect();
                return choices.join(joint);
            }
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let values: Vec<String> = values
                .iter()
                .map(|it| format!("<code>{}</code>", escape(&it.to_string())))
                .collect();
            return values.join(" or ");
        }
        let names: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return "anything".to_owned(),
        };
        let names: Vec<String> = names
            .iter()
            .map(|name| self.one_kind(name, schema))
            .collect();
        names.join(" or ")
    }

    fn one_kind(&self, name: &str, schema: &Value) -> String {
        match (name, schema.get("format").and_then(Value::as_str)) {
            ("array", _) => {
                format!(
                    "array of {}",
                    self.kind(schema.get("items").unwrap_or(&Value::Null))
                )
            }
            ("object", _) if schema.get("properties").is_some() => {
                let fields = properties(schema).map(|(field, schema)| {
                    format!("<code>{}</code>: {}", escape(field), self.kind(schema))
                });
                format!("object {{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            ("null", _) | (_, None) => escape(name),
            (_, Some(format)) => format!("{} ({})", escape(name), escape(format)),
        }
    }

    /// A section for each named schema.
    pub(super) fn sections(&self) -> String {
        let named = self.0.into_iter().flatten();
        named
            .map(|(name, schema)| self.section(name, schema))
            .collect()
    }

    fn section(&self, name: &str, schema: &Value) -> String {
        let id = anchor("schema", name);
        let description = prose(text_at(schema, "/description"));
        let rows: String = properties(schema)
            .map(|(field, of_field)| {
                let required = if is_required(schema, field) { "always" } else { "optional" };
                format!(
                    "<tr><th scope=\"row\"><code>{}</code></th><td>{required}</td><td>{}</td><td>{}</td></tr>\n",
                    escape(field),
                    self.kind(of_field),
                    prose(text_at(of_field, "/description"))
                )
            })
            .collect();
        let body = if rows.is_empty() {
            format!("<p>{}</p>\n", self.kind(schema))
        } else {
            super::table("Fields", &["Name", "Present", "Type", "Meaning"], &rows)
        };
        let name = escape(name);
        format!(
            "<article aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">{name}</h3>\n{description}{body}</article>\n"
        )
    }

    /// A value that fits `schema`, with the fields that cannot be left out.
    pub(super) fn sample(&self, schema: &Value) -> Value {
        self.sample_within(schema, SAMPLE_DEPTH)
    }

    fn sample_within(&self, schema: &Value, depth: usize) -> Value {
        if let Some(given) = schema.get("example").or_else(|| schema.get("default")) {
            return given.clone();
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Value::Null;
        };
        if let Some(name) = reference(schema) {
            let named = self
                .0
                .and_then(|named| named.get(name))
                .unwrap_or(&Value::Null);
            return self.sample_within(named, depth);
        }
        let first = ["/oneOf/0", "/anyOf/0", "/allOf/0"];
        if let Some(choice) = first.iter().find_map(|choice| schema.pointer(choice)) {
            return self.sample_within(choice, depth);
        }
        if let Some(value) = schema.pointer("/enum/0") {
            return value.clone();
        }
        match schema
            .get("type")
            .map(|it| it.get(0).unwrap_or(it))
            .and_then(Value::as_str)
        {
            Some("string") => "…".into(),
            Some("integer" | "number") => 1.into(),
            Some("boolean") => true.into(),
            Some("array") => {
                let item = schema.get("items").unwrap_or(&Value::Null);
                vec![self.sample_within(item, depth)].into()
            }
            Some("object") => {
                let required = properties(schema).filter(|(field, _)| is_required(schema, field));
                let fields = required
                    .map(|(field, schema)| (field.to_owned(), self.sample_within(schema, depth)));
                Value::Object(fields.collect())
            }
            _ => Value::Null,
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(REFERENCE)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = schema.get("properties").and_then(Value::as_object);
    fields
        .into_iter()
        .flatten()
        .map(|(field, schema)| (field.as_str(), schema))
}

fn is_required(schema: &Value, field: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|it| it == field)
}
