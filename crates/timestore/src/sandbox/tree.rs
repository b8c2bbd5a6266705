//! What a statement refers to, from the JSON that DuckDB serializes a parsed statement to.
//!
//! The tree is several times as deep as the expression was, which is more than a recursive reader
//! should follow, so this reads the JSON with a stack of its own and keeps only what the
//! check asks for.

/// Something that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// A function in FROM; empty, if it is called in a way this reader does not know.
    TableFunction(String),
    /// A function in an expression.
    Function(String),
    /// A table, view or common table expression, or any of the names before it.
    Table(String),
}

/// A parsed statement, as far as the check needs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) error: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) statements: usize,
    /// Of objects and arrays.
    pub(super) depth: usize,
    pub(super) references: Vec<Reference>,
}

/// An object that is being read.
#[derive(Default)]
struct Open {
    is_array: bool,
    /// The member that it is the value of.
    key: String,
    /// The member that is being read.
    member: String,
    kind: Option<String>,
    class: Option<String>,
    function_name: Option<String>,
    /// The function of a table function.
    called: Option<String>,
    names: Vec<String>,
    has_error: bool,
    error_message: Option<String>,
    error_type: Option<String>,
}

/// `None` if `json` is not whole.
pub(super) fn parse(json: &str) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    let mut stack: Vec<Open> = Vec::new();
    let mut rest = json;
    loop {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        match first {
            '{' | '[' => {
                let key = stack
                    .last()
                    .map(|open| open.member.clone())
                    .unwrap_or_default();
                stack.push(Open {
                    is_array: first == '[',
                    key,
                    ..Open::default()
                });
                parsed.depth = parsed.depth.max(stack.len());
                rest = rest.get(1..)?;
            }
            '}' | ']' => {
                let closed = stack.pop()?;
                rest = rest.get(1..)?;
                close(closed, &mut stack, &mut parsed);
                if stack.is_empty() {
                    return Some(parsed);
                }
            }
            ',' => rest = rest.get(1..)?,
            '"' => {
                let length = string_length(rest)?;
                let text: String = serde_json::from_str(rest.get(..length)?).ok()?;
                rest = rest.get(length..)?.trim_start();
                let open = stack.last_mut()?;
                match rest.strip_prefix(':') {
                    Some(after) if !open.is_array => {
                        open.member = text;
                        rest = after;
                    }
                    _ => value(open, text),
                }
            }
            _ => {
                let length = rest.find([',', '}', ']'])?;
                let word = rest.get(..length)?;
                let open = stack.last_mut()?;
                open.has_error |= open.member == "error" && word.trim() == "true";
                rest = rest.get(length..)?;
            }
        }
    }
}

/// The length of the JSON string that `text` begins with, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn value(open: &mut Open, text: String) {
    match open.member.as_str() {
        "type" => open.kind = Some(text),
        "class" => open.class = Some(text),
        "function_name" => open.function_name = Some(text),
        "table_name" | "schema_name" | "catalog_name" => open.names.push(text),
        "error_message" => open.error_message = Some(text),
        "error_type" => open.error_type = Some(text),
        _ => {}
    }
}

fn close(closed: Open, stack: &mut [Open], parsed: &mut Parsed) {
    let depth = stack.len();
    let Some(parent) = stack.last_mut() else {
        if closed.has_error {
            parsed.error = Some(closed.error_message.unwrap_or_default());
            parsed.error_type = closed.error_type;
        }
        return;
    };
    if closed.is_array {
        return;
    }
    if parent.is_array && parent.key == "statements" && depth == 2 {
        parsed.statements += 1;
        return;
    }
    if closed.kind.as_deref() == Some("TABLE_FUNCTION") {
        let name = closed.called.clone().unwrap_or_default();
        parsed.references.push(Reference::TableFunction(name));
    } else if closed.key == "function" && !parent.is_array {
        parent.called = closed.function_name.clone();
    }
    if let Some(name) = closed.function_name {
        parsed.references.push(Reference::Function(name));
    }
    if matches!(closed.kind.as_deref(), Some("BASE_TABLE" | "SHOW_REF")) {
        parsed
            .references
            .extend(closed.names.into_iter().map(Reference::Table));
    }
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
        let parsed = parse(json).unwrap();
        assert_eq!(parsed.statements, 1);
        assert_eq!(
            parsed.references,
            vec![
                Reference::Table("a\"b".to_owned()),
                Reference::Table(String::new()),
                Reference::Function("read_csv".to_owned()),
                Reference::TableFunction("read_csv".to_owned()),
                Reference::Function("sum".to_owned()),
            ]
        );
    }

    #[test]
    fn errors_and_statements_are_told() {
        let json = r#"{"error":true,"error_type":"parser","error_message":"oops"}"#;
        let parsed = parse(json).unwrap();
        assert_eq!(parsed.error.as_deref(), Some("oops"));
        assert_eq!(
            parse(r#"{"error":false,"statements":[{},{"a":[{}]}]}"#)
                .unwrap()
                .statements,
            2
        );
        assert_eq!(
            parse(r#"{"error":false,"statements":[]}"#)
                .unwrap()
                .statements,
            0
        );
        assert_eq!(parse(r#"{"error":false,"statements":["#), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
        assert_eq!(parse(&deep).unwrap().depth, 200_000);
    }
}
