//! What the routes' macros leave out of a document, or say otherwise than OpenAPI 3.1 wants it.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::problem::CONTENT_TYPE_PROBLEM_TEXT;

/// Completes every operation of `document`.
pub(super) fn finish(document: &mut Value) {
    open(document);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(Map::values_mut);
    for operation in items
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
    {
        let parameters = operation
            .get_mut("parameters")
            .and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(parameter);
        if let Some(body) = operation.get_mut("requestBody") {
            contents(body);
        }
        let responses = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut);
        for (status, answer) in responses.into_iter().flatten() {
            response(status, answer);
        }
    }
}

/// Says of every object that names no members that it may have any. That is so anyway, and
/// openapi-typescript takes an object that says nothing for one that has none.
fn open(schema: &mut Value) {
    const SAYS_MORE: [&str; 6] = [
        "properties",
        "additionalProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
    ];
    /// What holds values, not schemas.
    const VALUES: [&str; 5] = ["example", "examples", "default", "enum", "const"];
    match schema {
        Value::Object(members) => {
            let is_object = match members.get("type") {
                Some(Value::String(kind)) => kind == "object",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
                _ => false,
            };
            if is_object && !SAYS_MORE.iter().any(|key| members.contains_key(*key)) {
                members.insert("additionalProperties".to_owned(), true.into());
            }
            let schemas = members
                .iter_mut()
                .filter(|(key, _)| !VALUES.contains(&key.as_str()));
            schemas.for_each(|(_, schema)| open(schema));
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(open),
        _ => {}
    }
}

/// A parameter is there or it is not: it cannot be null.
fn parameter(parameter: &mut Value) {
    let Some(schema) = parameter.get_mut("schema") else {
        return;
    };
    let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) else {
        return;
    };
    kinds.retain(|kind| kind != "null");
    if let [one] = kinds.as_slice() {
        let one = one.clone();
        schema["type"] = one;
    }
}

fn response(status: &str, response: &mut Value) {
    let Some(members) = response.as_object_mut() else {
        return;
    };
    let code = status.parse::<u16>().ok();
    let is_described = members
        .get("description")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    if !is_described {
        members.insert("description".to_owned(), description(code).into());
    }
    // Every error is a problem document, where the operation says nothing else.
    if code.is_some_and(|code| code >= 400) && !members.contains_key("content") {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let content = json!({CONTENT_TYPE_PROBLEM_TEXT: {"schema": schema}});
        members.insert("content".to_owned(), content);
    }
    contents(response);
}

fn description(code: Option<u16>) -> &'static str {
    match code {
        Some(200) => "The answer",
        Some(201) => "It was made",
        Some(202) => "It was begun",
        Some(204) => "It was done",
        Some(206) => "The part of the content that was asked for",
        Some(304) => "It has not changed",
        other => other
            .and_then(|code| StatusCode::from_u16(code).ok()?.canonical_reason())
            .unwrap_or("The answer"),
    }
}

/// What is not JSON is text or bytes, whatever it is made of.
fn contents(of: &mut Value) {
    let contents = of.get_mut("content").and_then(Value::as_object_mut);
    for (media_type, content) in contents.into_iter().flatten() {
        let is_text = media_type.starts_with("text/") || media_type.ends_with("ndjson");
        let is_json = !is_text && media_type.ends_with("json");
        if is_json || media_type.starts_with("multipart/") {
            continue;
        }
        content["schema"] = match is_text {
            true => json!({"type": "string"}),
            false => json!({"type": "string", "format": "binary"}),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_filled_in_and_what_is_there_stays() {
        let bytes = json!({"type": "array", "items": {"type": "integer"}});
        let mut document = json!({"paths": {"/a": {"get": {
            "parameters": [
                {"name": "x", "schema": {"type": ["string", "null"]}},
                {"name": "y", "schema": {"type": "integer"}},
            ],
            "responses": {
                "200": {"description": "Mine", "content": {"application/json": {"schema": true}}},
                "202": {"content": {"application/x-ndjson": {"schema": bytes}}},
                "206": {"description": "", "content": {"image/svg+xml": {}}},
                "404": {},
                "503": {"content": {"application/json": {}}},
            }
        }}}});
        finish(&mut document);
        let operation = &document["paths"]["/a"]["get"];
        assert_eq!(
            operation["parameters"][0]["schema"],
            json!({"type": "string"})
        );
        assert_eq!(
            operation["parameters"][1]["schema"],
            json!({"type": "integer"})
        );
        let answers = &operation["responses"];
        assert_eq!(answers["200"]["description"], "Mine");
        assert_eq!(
            answers["200"]["content"]["application/json"]["schema"],
            true
        );
        assert_eq!(answers["202"]["description"], "It was begun");
        let text = &answers["202"]["content"]["application/x-ndjson"]["schema"];
        assert_eq!(*text, json!({"type": "string"}));
        let binary = &answers["206"]["content"]["image/svg+xml"]["schema"];
        assert_eq!(*binary, json!({"type": "string", "format": "binary"}));
        assert_eq!(answers["404"]["description"], "Not Found");
        let problem = &answers["404"]["content"]["application/problem+json"]["schema"];
        assert_eq!(problem["$ref"], "#/components/schemas/Problem");
        assert_eq!(answers["503"]["content"], json!({"application/json": {}}));
    }

    #[test]
    fn an_object_that_names_no_members_may_have_any() {
        for (schema, is_opened) in [
            (json!({"type": "object"}), true),
            (
                json!({"type": ["object", "null"], "description": "x"}),
                true,
            ),
            (json!({"type": "object", "properties": {}}), false),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                false,
            ),
            (json!({"type": "array"}), false),
            (json!({"allOf": [], "type": "object"}), false),
        ] {
            let mut document = json!({"components": {"schemas": {
                "A": {"type": "array", "items": schema, "examples": [schema]}}}});
            finish(&mut document);
            let made = &document["components"]["schemas"]["A"];
            let expected = match is_opened {
                true => json!(true),
                false => schema["additionalProperties"].clone(),
            };
            assert_eq!(made["items"]["additionalProperties"], expected, "{schema}");
            assert_eq!(made["examples"][0], schema);
        }
    }
}
