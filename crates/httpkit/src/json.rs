//! Reading JSON that others wrote: every body, every query parameter that holds JSON, every form
//! field, every line of an ingestion.
//!
//! What is taken comes back as it was sent. What would come back otherwise is refused, by its
//! JSON pointer and with the fix:
//!
//! - a whole number beyond 64 bits with a sign, a decimal with more digits than a double keeps, a
//!   number that no double can be (`1e400`). `-0` is taken and comes back as `-0.0`, and a double
//!   with all its 17 digits (`0.10000000000000001`) comes back with those that it needs (`0.1`);
//! - the same name twice in one object: no reader could say which of the two is meant;
//! - more than [`MAX_DEPTH`] objects and arrays in one another;
//! - an array where an object is wanted, at every level ([`Strict`]).

mod number;
mod scan;
mod strict;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{Code, Problem};
pub use scan::MAX_DEPTH;
pub use strict::Strict;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// JSON pointer to what is at fault; empty for the whole.
    pub pointer: String,
    /// What is wrong with it, and what to do.
    pub detail: String,
    /// It is no JSON at all.
    pub is_malformed: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.detail),
            pointer => write!(f, "{pointer}: {}", self.detail),
        }
    }
}

impl Fault {
    fn at(pointer: String, detail: impl Into<String>) -> Self {
        Self {
            pointer,
            detail: detail.into(),
            is_malformed: false,
        }
    }

    fn malformed(error: &serde_json::Error) -> Self {
        Self {
            pointer: String::new(),
            detail: error.to_string(),
            is_malformed: true,
        }
    }

    /// The problem of a text that is itself a field: the parameter `/filters`, the part
    /// `/metadata` of a form.
    #[must_use]
    pub fn below(self, field: &str) -> Problem {
        let detail = if self.is_malformed {
            format!("it is not valid JSON: {}", self.detail)
        } else {
            self.detail
        };
        Problem::invalid(&format!("{field}{}", self.pointer), detail)
    }
}

/// The problem of a text that is the body.
impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        if fault.is_malformed {
            let detail = format!("the body is not valid JSON: {}", fault.detail);
            return Self::bad_request(Code::MalformedJson, detail);
        }
        Self::invalid(&fault.pointer, fault.detail)
    }
}

/// Reads the whole of `text`.
///
/// # Errors
/// `text` is no JSON, is not of the shape of `T`, or would not come back as it is.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Fault> {
    scan::check(text)?;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(|error| {
        let path = error.path().clone();
        let error = error.into_inner();
        if !error.is_data() {
            return Fault::malformed(&error);
        }
        let message = error.to_string();
        Fault::at(pointer(&path, &message), of_object(message))
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Fault::malformed(&error)),
    }
}

/// Serde names a type of ours where the reader knows an object.
fn of_object(message: String) -> String {
    match message.split_once(", expected struct ") {
        Some((found, rest)) => {
            let place = rest.find(" at line ").and_then(|at| rest.get(at..));
            format!("{found}, expected an object{}", place.unwrap_or_default())
        }
        None => message,
    }
}

/// The JSON pointer to the field at fault. Serde reports a missing or unknown field at the object
/// around it, so its name comes from the message.
pub(crate) fn pointer(path: &serde_path_to_error::Path, message: &str) -> String {
    let mut pointer = String::new();
    let mut last = "";
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                push(&mut pointer, key);
                last = key;
            }
            Segment::Unknown => {}
        }
    }
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    if let Some(field) = named.filter(|field| *field != last) {
        push(&mut pointer, field);
    }
    pointer
}

/// Appends one name to a JSON pointer.
fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only decoded")]
    struct Body {
        node_id: u64,
        #[serde(default)]
        metadata: std::collections::BTreeMap<String, Vec<u64>>,
        #[serde(default)]
        inner: Option<Vec<Inner>>,
        #[serde(default)]
        choice: Option<Choice>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Inner {
        a: u64,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only decoded")]
    enum Choice {
        Named { a: u64 },
        Wrapped(Inner),
    }

    fn fault(body: &str) -> (String, String) {
        let fault = from_slice::<Body>(body.as_bytes()).unwrap_err();
        assert!(!fault.is_malformed, "{fault}");
        (fault.pointer, fault.detail)
    }

    #[test]
    fn a_fault_is_named_by_json_pointer() {
        assert_eq!(fault(r#"{"nodeId":"x"}"#).0, "/nodeId");
        assert_eq!(
            fault(r#"{"nodeId":1,"metadata":{"a/b~c":[1,"x"]}}"#).0,
            "/metadata/a~1b~0c/1"
        );
        assert_eq!(fault("{}").0, "/nodeId");
    }

    #[test]
    fn an_array_is_no_object_at_any_level() {
        for (body, pointer) in [
            ("[1]", ""),
            (r#"{"nodeId":1,"inner":[[1]]}"#, "/inner/0"),
            (r#"{"nodeId":1,"choice":{"named":[1]}}"#, "/choice/named"),
            (
                r#"{"nodeId":1,"choice":{"wrapped":[1]}}"#,
                "/choice/wrapped",
            ),
        ] {
            let (at, detail) = fault(body);
            assert_eq!(at, pointer, "{body}");
            assert!(detail.contains("expected"), "{detail}");
        }
        let (_, detail) = fault("[1]");
        assert!(
            detail.starts_with("invalid type: sequence, expected an object"),
            "{detail}"
        );
        let whole = r#"{"nodeId":1,"inner":[{"a":1}],"choice":{"named":{"a":2}}}"#;
        from_slice::<Body>(whole.as_bytes()).unwrap();
    }

    #[test]
    fn broken_json_says_where() {
        for (body, place) in [
            ("{\"nodeId\": 1,\n oops}", "line 2 column 2"),
            ("{\"nodeId\": 1} {}", "line 1 column 15"),
            ("{\"nodeId\": 1..5}", "line 1"),
            ("]", "line 1"),
            ("{\"x\": [}", "line 1"),
            ("\"open", "line 1"),
        ] {
            let fault = from_slice::<Body>(body.as_bytes()).unwrap_err();
            assert!(fault.is_malformed, "{body}: {fault:?}");
            assert!(fault.detail.contains(place), "{body}: {fault}");
            assert_eq!(Problem::from(fault).code(), Code::MalformedJson);
        }
    }

    #[test]
    fn what_would_not_come_back_is_refused_where_it_stands() {
        for (body, pointer, says) in [
            (
                r#"{"a":[0,{"b/c":18446744073709551616}]}"#,
                "/a/1/b~1c",
                "as a string",
            ),
            (
                r#"{"a":0.1234567890123456789}"#,
                "/a",
                "0.12345678901234568",
            ),
            (r#"[[], 1e400]"#, "/1", "1e400"),
            (r#"-9223372036854775809"#, "", "as a string"),
            (r#"{"a":{"x":1,"y":2,"\u0078":3}}"#, "/a/x", "twice"),
        ] {
            let fault = from_slice::<Value>(body.as_bytes()).unwrap_err();
            assert_eq!(fault.pointer, pointer, "{body}");
            assert!(fault.detail.contains(says), "{fault}");
            let problem = fault.below("/filters");
            assert_eq!(
                problem.errors().first().unwrap().pointer,
                format!("/filters{pointer}")
            );
        }
    }

    #[test]
    fn what_is_taken_comes_back_as_it_was_sent() {
        let text = r#"{"a":[5.960464477539063e-8,0.1,-9223372036854775808,1e300,5e-324],"b":-0.0}"#;
        let value: Value = from_slice(text.as_bytes()).unwrap();
        assert_eq!(
            value["a"],
            json!([5.960464477539063e-8, 0.1, i64::MIN, 1e300, 5e-324])
        );
        let again: Value = from_slice(value.to_string().as_bytes()).unwrap();
        assert_eq!(again.to_string(), value.to_string());
        assert_eq!(from_slice::<Value>(b"-0").unwrap().to_string(), "-0.0");
    }

    #[test]
    fn nesting_has_one_bound() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        from_slice::<Value>(nested(MAX_DEPTH).as_bytes()).unwrap();
        let fault = from_slice::<Value>(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
        assert!(fault.detail.contains("64 levels"), "{fault}");
        from_slice::<Value>(nested(100_000).as_bytes()).unwrap_err();
    }
}
