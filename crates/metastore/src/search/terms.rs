//! A filter from text: `field:value` terms, all of which must hold.
//!
//! `owner:ada size>1000 path:"a b"`: operators `:` `=` `!=` `<` `<=` `>` `>=`; a field that is no
//! column of the record lies under `metadata.`, so `filestore.path:docs/**` asks for the node's
//! path; but `tag` is `tags`. An unquoted value with `*` or `?` is a glob; an unquoted `true`,
//! `false`, `null` or number is what it looks like, a quoted one is text. The word `AND` between
//! terms may be written.

use super::field::RECORD;
use super::filter::{Filter, Refusal};
use super::parse::parse;
use serde_json::{Value, json};

/// The longest text that is taken.
const BYTES: usize = 4_096;

const OPERATORS: &[(&str, &str)] = &[
    ("!=", "neq"),
    (">=", "gte"),
    ("<=", "lte"),
    (">", "gt"),
    ("<", "lt"),
    (":", "eq"),
    ("=", "eq"),
];

/// The filter that `text`, found at `pointer`, spells; `None` if it spells nothing.
pub(crate) fn terms(text: &str, pointer: &str) -> Result<Option<Filter>, Refusal> {
    if text.len() > BYTES {
        return Err(Refusal::new(pointer, format!("at most {BYTES} bytes")));
    }
    let mut filters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let after = match rest.strip_prefix("AND") {
            Some(after) if after.starts_with(char::is_whitespace) => after,
            _ => {
                let (json, after) = term(rest).map_err(|detail| Refusal::new(pointer, detail))?;
                // Whatever is wrong inside the term, what the caller sent is the text.
                let filter =
                    parse(&json, "").map_err(|refusal| Refusal::new(pointer, refusal.detail))?;
                filters.push(filter);
                after
            }
        };
        rest = after.trim_start();
    }
    Ok(match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(Filter::All(filters)),
    })
}

/// The condition at the beginning of `text`, and what follows it.
fn term(text: &str) -> Result<(Value, &str), String> {
    let end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let operator = OPERATORS
        .iter()
        .find(|(symbol, _)| rest.starts_with(symbol));
    let (Some((symbol, operator)), false) = (operator, name.is_empty()) else {
        let word = text.split_whitespace().next().unwrap_or_default();
        return Err(format!(
            "{word:?} is no term; write field:value, with one of : = != < <= > >= between them"
        ));
    };
    // What people type for one of them.
    let name = if name == "tag" { "tags" } else { name };
    let is_column = name == "tags" || RECORD.iter().any(|column| column.name == name);
    let is_metadata = name == "metadata" || name.starts_with("metadata.");
    let field = if is_column || is_metadata {
        name.to_owned()
    } else {
        format!("metadata.{name}")
    };
    let (raw, is_quoted, after) = value(rest.get(symbol.len()..).unwrap_or_default())?;
    if raw.is_empty() && !is_quoted {
        return Err(format!(
            "the term {name}{symbol} has no value; write \"\" for empty text"
        ));
    }
    let is_glob = !is_quoted && *operator == "eq" && raw.contains(['*', '?']);
    let value = if is_quoted || is_glob {
        Value::String(raw)
    } else {
        plain(raw)
    };
    let operator = if is_glob { "glob" } else { operator };
    Ok((
        json!({"field": field, "operator": operator, "value": value}),
        after,
    ))
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@')
}

/// The value at the beginning of `text`, whether it is quoted, and what follows it.
fn value(text: &str) -> Result<(String, bool, &str), String> {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (raw, after) = text.split_at(end);
        return Ok((raw.to_owned(), false, after));
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c if c == quote => {
                let after = text
                    .get(at.saturating_add(c.len_utf8())..)
                    .unwrap_or_default();
                return Ok((value, true, after));
            }
            c => value.push(c),
        }
    }
    Err(format!("the quote {quote} is not closed"))
}

fn plain(raw: String) -> Value {
    match raw.to_ascii_lowercase().as_str() {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            serde_json::from_str::<serde_json::Number>(&raw)
                .map_or(Value::String(raw), Value::Number)
        }
        _ => Value::String(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(text: &str, json: Value) {
        assert_eq!(
            terms(text, "/q").unwrap(),
            Some(parse(&json, "").unwrap()),
            "{text}"
        );
    }

    #[test]
    fn terms_are_conditions_joined_by_and() {
        let is = |field: &str, operator: &str, value: Value| json!({"field": field, "operator": operator, "value": value});
        same("owner:ada", is("owner", "eq", json!("ada")));
        same("owner:123", is("owner", "eq", json!("123")));
        same("tags:urgent", is("tags", "contains", json!("urgent")));
        same("tag:raw", is("tags", "eq", json!("raw")));
        same("metadata.tag:raw", is("metadata.tag", "eq", json!("raw")));
        same("size>=10", is("metadata.size", "gte", json!(10)));
        same("size>-1.5", is("metadata.size", "gt", json!(-1.5)));
        same("a.b!=true", is("metadata.a.b", "neq", json!(true)));
        same("code:\"007\"", is("metadata.code", "eq", json!("007")));
        same(
            "code:'it\\'s \"x\"'",
            is("metadata.code", "eq", json!("it's \"x\"")),
        );
        same(
            "when:2026-01-02",
            is("metadata.when", "eq", json!("2026-01-02")),
        );
        same("gone=null", is("metadata.gone", "eq", json!(null)));
        same(
            "url:http://x/y=z",
            is("metadata.url", "eq", json!("http://x/y=z")),
        );
        same(
            "filestore.path:docs/**/*.md",
            is("metadata.filestore.path", "glob", json!("docs/**/*.md")),
        );
        let both = json!({"type": "group", "operator": "and", "filters": [
            is("owner", "eq", json!("a b")), is("metadata.x", "lt", json!(1)),
        ]});
        same("owner:\"a b\" x<1", both.clone());
        same("  owner:\"a b\"  AND x<1 ", both);
        assert_eq!(terms("  ", "/q"), Ok(None));
    }

    #[test]
    fn what_is_no_term_is_refused_with_the_way_to_write_it() {
        for (text, says) in [
            ("hello", "field:value"),
            (":x", "field:value"),
            ("owner:", "no value"),
            ("owner:\"open", "not closed"),
            ("metadatax.y:1 createdAt>noon", "a time"),
            ("filestore.nope:1", "has no field"),
            ("filestore.path:[a*", "glob"),
        ] {
            let refusal = terms(text, "/q").unwrap_err();
            assert_eq!(refusal.pointer, "/q", "{text}");
            assert!(refusal.detail.contains(says), "{text}: {}", refusal.detail);
        }
    }
}
