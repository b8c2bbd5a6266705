//! JSON schemas, as people read them.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::text::{anchor, prose};

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
    pub(super) fn kind(&self, schema: &Value) -> Markup {
        if let Some(name) = reference(schema) {
            let is_known = self.0.is_some_and(|named| named.contains_key(name));
            return html! {
                @if is_known { a href={ "#" (anchor("schema", name)) } { (name) } }
                @else { (name) }
            };
        }
        for (keyword, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
            if let Some(choices) = schema.get(keyword).and_then(Value::as_array) {
                return joined(choices.iter().map(|choice| self.kind(choice)), joint);
            }
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let values = values.iter().map(|value| html! { code { (value) } });
            return joined(values, " or ");
        }
        let names: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return html! { "anything" },
        };
        joined(names.iter().map(|name| self.one_kind(name, schema)), " or ")
    }

    fn one_kind(&self, name: &str, schema: &Value) -> Markup {
        match (name, schema.get("format").and_then(Value::as_str)) {
            ("array", _) => html! { "array of " (self.kind(part(schema, "items"))) },
            ("object", _) if schema.get("properties").is_some() => {
                let fields = properties(schema)
                    .map(|(field, schema)| html! { code { (field) } ": " (self.kind(schema)) });
                html! { "object {" (joined(fields, ", ")) "}" }
            }
            ("null", _) | (_, None) => html! { (name) },
            (_, Some(format)) => html! { (name) " (" (format) ")" },
        }
    }

    /// A section for each named schema.
    pub(super) fn sections(&self) -> Markup {
        html! {
            @for (name, schema) in self.0.into_iter().flatten() {
                (self.section(name, schema))
            }
        }
    }

    fn section(&self, name: &str, schema: &Value) -> Markup {
        let id = anchor("schema", name);
        let rows = properties(schema).map(|(field, of_field)| {
            let is_required = is_required(schema, field);
            html! {
                tr {
                    th scope="row" { code { (field) } }
                    td { (if is_required { "always" } else { "optional" }) }
                    td { (self.kind(of_field)) }
                    td { (prose(text_at(of_field, "/description"))) }
                }
            }
        });
        html! {
            article aria-labelledby=(id) {
                h3 id=(id) { (name) }
                (prose(text_at(schema, "/description")))
                @if properties(schema).next().is_none() {
                    p { (self.kind(schema)) }
                } @else {
                    (super::table("Fields", &["Name", "Present", "Type", "Meaning"], rows))
                }
            }
        }
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
    fields(schema.get("properties"))
}

/// The fields of an object, if it is there.
pub(super) fn fields(object: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let fields = object.and_then(Value::as_object);
    fields
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// A field of an object; null where there is none.
pub(super) fn part<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

fn joined(parts: impl Iterator<Item = Markup>, joint: &str) -> Markup {
    html! {
        @for (at, part) in parts.enumerate() {
            @if at > 0 { (joint) }
            (part)
        }
    }
}

fn is_required(schema: &Value, field: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|it| it == field)
}
