//! When JSON values are the same, and when one holds another.

use serde_json::Value;

/// Whether two values are the same; numbers by value, so `1` is `1.0`.
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}

/// Whether `whole` contains `part`: text its substring, an array the element or all of the
/// elements, an object the fields; anything else itself.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        // Null is as good as not there, which holds nothing.
        (Value::Null, _) => false,
        _ => covers(whole, part),
    }
}

/// As [`contains`], with text as a whole: what lies inside a structure is not searched by piece.
fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Array(elements), Value::Array(parts)) => parts
            .iter()
            .all(|part| elements.iter().any(|element| covers(element, part))),
        (Value::Array(elements), part) => elements.iter().any(|element| is_same(element, part)),
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| covers(whole, part))),
        _ => is_same(whole, part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containment_is_by_structure() {
        let table = [
            (json!("hello"), json!("ell"), true),
            (json!("hello"), json!("x"), false),
            (json!([1, "a", [2]]), json!("a"), true),
            (json!([1, "a"]), json!(1.0), true),
            (json!([1, "abc"]), json!("b"), false),
            (json!([1, 2, 3]), json!([3, 1]), true),
            (json!([1, 2, 3]), json!([4]), false),
            (
                json!({"a": 1, "b": {"c": [1, 2]}}),
                json!({"b": {"c": [2]}}),
                true,
            ),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": "abc"}), json!({"a": "b"}), false),
            (json!(1), json!(1.0), true),
            (json!(null), json!(0), false),
        ];
        for (whole, part, expected) in table {
            assert_eq!(contains(&whole, &part), expected, "{whole} contains {part}");
        }
    }
}
