//! The tree of a parsed statement, as DuckDB serializes it to JSON.
//!
//! The tree is several times as deep as the expression was. How deep is looked at before it is
//! read, so reading it needs no more stack than [`TREE_MAX_DEPTH`] levels take.

use crate::error::{Error, Refusal, Result};
use serde_json::Value;

/// Levels of the statement's tree; an operator or a parenthesised query makes two. DuckDB's binder
/// takes a time that grows with the cube of the depth, and cannot be interrupted meanwhile: ten
/// seconds for a sum of 900 terms, a quarter of one for 300.
const TREE_MAX_DEPTH: usize = 600;

/// Something that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// A function in FROM; empty, if it is called in a way this reader does not know.
    TableFunction(&'a str),
    /// A function in an expression.
    Function(&'a str),
    /// A table, view or common table expression.
    Table(&'a str),
    /// The schema or the catalogue before it; empty, if there is none.
    Qualifier(&'a str),
    /// A common table expression that the statement makes.
    With(&'a str),
}

/// The one statement in `json`, which is an object with the member `node`.
pub(super) fn parse(json: &str) -> Result<Value> {
    if depth(json) > TREE_MAX_DEPTH {
        return Err(Refusal::TooDeep.into());
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.disable_recursion_limit();
    let mut tree: Value = serde::Deserialize::deserialize(&mut reader)?;
    if *part(&tree, "/error") == true {
        let message = text(&tree, "error_message").to_owned();
        return Err(match text(&tree, "error_type") {
            "not implemented" if !message.contains("parameters") => Refusal::NotARead.into(),
            _ => Error::Statement(message),
        });
    }
    let statements = tree.get_mut("statements").and_then(Value::as_array_mut);
    match statements.map(std::mem::take) {
        Some(mut statements) if statements.len() == 1 => Ok(statements.remove(0)),
        statements => Err(Refusal::NotOne(statements.map_or(0, |list| list.len())).into()),
    }
}

/// How deep objects and arrays are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Everything that is named anywhere in the tree.
pub(super) fn references(tree: &Value) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

fn collect<'a>(value: &'a Value, found: &mut Vec<Reference<'a>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            match text(value, "type") {
                "TABLE_FUNCTION" => {
                    let name = text(part(value, "/function"), "function_name");
                    found.push(Reference::TableFunction(name));
                }
                "BASE_TABLE" | "SHOW_REF" => {
                    let names = ["catalog_name", "schema_name"];
                    found.extend(names.map(|name| Reference::Qualifier(text(value, name))));
                    found.push(Reference::Table(text(value, "table_name")));
                }
                _ => {}
            }
            let made = part(value, "/cte_map/map").as_array();
            let made = made.into_iter().flatten();
            found.extend(made.map(|it| Reference::With(text(it, "key"))));
            if let Some(name) = part(value, "/function_name").as_str() {
                found.push(Reference::Function(name));
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}

/// Whether there is a DESCRIBE, SHOW or SUMMARIZE anywhere in the tree.
pub(super) fn shows(tree: &Value) -> bool {
    match tree {
        Value::Array(items) => items.iter().any(shows),
        Value::Object(members) => text(tree, "type") == "SHOW_REF" || members.values().any(shows),
        _ => false,
    }
}

/// The text of a member; empty, if it is none.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The items of a member; none, if it is no list.
pub(super) fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    let items = value.get(member).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// What a JSON pointer points to; null, if there is nothing.
pub(super) fn part<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_stand() {
        let json = r#"{"error":false,"statements":[{"node":{"from_table":{"type":"JOIN","left":
            {"type":"BASE_TABLE","table_name":"a\"b","schema_name":""},"right":{"type":"TABLE_FUNCTION",
            "function":{"class":"FUNCTION","type":"FUNCTION","function_name":"read_csv","children":
            [{"class":"CONSTANT","value":{"value":"{\"type\":\"BASE_TABLE\",\"table_name\":\"no\"}"}}]}}},
            "select_list":[{"class":"FUNCTION","function_name":"sum","children":[1.5,null,true]}]}}]}"#;
        let tree = parse(json).unwrap();
        let found = references(&tree);
        for expected in [
            Reference::Table("a\"b"),
            Reference::Function("read_csv"),
            Reference::TableFunction("read_csv"),
            Reference::Function("sum"),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        assert!(!found.contains(&Reference::Table("no")));
    }

    #[test]
    fn errors_and_the_number_of_statements_are_told() {
        let error = |json: &str| parse(json).unwrap_err().to_string();
        let oops = r#"{"error":true,"error_type":"parser","error_message":"oops"}"#;
        assert_eq!(error(oops), "oops");
        let write = r#"{"error":true,"error_type":"not implemented","error_message":"x"}"#;
        assert!(error(write).contains("only SELECT"));
        let two = r#"{"error":false,"statements":[{},{"a":[{}]}]}"#;
        assert!(error(two).contains("not 2"));
        assert!(error(r#"{"error":false,"statements":[]}"#).contains("not 0"));
        assert!(parse(r#"{"error":false,"statements":["#).is_err());
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
        assert_eq!(depth(&deep), 200_000);
        assert_eq!(depth(r#"{"[{\"[": [[], "\\"]}"#), 3);
        assert!(matches!(
            parse(&deep),
            Err(Error::Refused(Refusal::TooDeep))
        ));
    }
}
