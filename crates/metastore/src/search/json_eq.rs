//! When one JSON value holds another.

use serde_json::{Number, Value};

/// Whether two values are the same; numbers by value, so `1` is `1.0`.
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => is_same_number(a, b),
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

/// Beyond 2^53 not every whole number is a double, so each is compared as what it is.
fn is_same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b,
        (Some(integer), None) => is_integer(b, integer),
        (None, Some(integer)) => is_integer(a, integer),
    }
}

fn is_integer(number: &Number, integer: i64) -> bool {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast saturates, and a bound is compared"
    )]
    let is_same = |double: f64| {
        // 2^63 saturates to one less.
        double.fract() == 0.0 && double < 9_223_372_036_854_775_808.0 && double as i64 == integer
    };
    number.as_f64().is_some_and(is_same)
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
            (
                json!(9_007_199_254_740_993_i64),
                json!(9_007_199_254_740_992_i64),
                false,
            ),
            (
                json!(9_007_199_254_740_993_i64),
                json!(9_007_199_254_740_992.0),
                false,
            ),
            (
                json!(9_007_199_254_740_992_i64),
                json!(9_007_199_254_740_992.0),
                true,
            ),
            (json!(i64::MAX), json!(9_223_372_036_854_775_807.0), false),
            (json!(i64::MIN), json!(-9_223_372_036_854_775_808.0), true),
            (json!(null), json!(0), false),
        ];
        for (whole, part, expected) in table {
            assert_eq!(contains(&whole, &part), expected, "{whole} contains {part}");
        }
    }
}
