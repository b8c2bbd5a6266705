//! How what people look for is compared with what is there: text whatever its case, JSON values
//! by their own type.

use icu_normalizer::ComposingNormalizerBorrowed;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use unicase::UniCase;

/// Text as it is compared whatever its case: the full case folding of Unicode, composed (NFC). So
/// `ÄRGER` and `ärger`, `STRASSE` and `straße` are the same, however their accents are stored.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let composing = const { ComposingNormalizerBorrowed::new_nfc() };
    let composed = composing.normalize(text);
    let folded = UniCase::unicode(composed).to_folded_case();
    Cow::Owned(match composing.normalize(&folded) {
        Cow::Borrowed(_) => folded,
        Cow::Owned(composed) => composed,
    })
}

/// Whether two JSON values are the same. Types are never mixed (`1` is not `true` and not `"1"`);
/// numbers are compared by value and exactly, so `1` is `1.0`, and 2^53 is not 2^53 + 1.
#[must_use]
pub fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || compare_numbers(&a.to_string(), &b.to_string()).is_eq()
        }
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

/// The order of two JSON numbers, exactly, however long they are.
#[must_use]
pub fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (Decimal::of(a), Decimal::of(b));
    match (a.sign(), b.sign()) {
        (-1, -1) => b.compare_sizes(&a),
        (1, 1) => a.compare_sizes(&b),
        (a, b) => a.cmp(&b),
    }
}

/// A number as `0.DIGITS × 10^exponent`, without zeros at either end of the digits.
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(part.bytes());
        let leading = all().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = all().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        // What does not fit here is larger than any number that is stored.
        let limit = if exponent.starts_with('-') {
            i64::MIN / 2
        } else {
            i64::MAX / 2
        };
        let exponent: i64 = exponent.parse().unwrap_or(limit);
        let point = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
        let exponent = exponent
            .saturating_add(point(whole.len()))
            .saturating_sub(point(leading));
        Self {
            is_negative,
            digits,
            exponent,
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn compare_sizes(&self, other: &Self) -> Ordering {
        self.exponent
            .cmp(&other.exponent)
            .then_with(|| self.digits.cmp(&other.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_folded_by_the_rules_of_unicode() {
        for (a, b) in [
            ("README.md", "readme.MD"),
            ("ÄRGER", "ärger"),
            ("STRASSE", "straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ЁЛКА", "ёлка"),
            ("e\u{301}t\u{e9}", "\u{c9}TE\u{301}"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("a"), fold("ä"));
        assert!(matches!(fold("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn numbers_are_compared_exactly_and_types_are_not_mixed() {
        let order = [
            "-1e400",
            "-18446744073709551616",
            "-1.5",
            "-0.001",
            "0",
            "1e-400",
            "0.1",
            "1",
            "1.0000000000000000000001",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
        ];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(compare_numbers(a, b), i.cmp(&j), "{a} {b}");
            }
        }
        for (a, b) in [("1", "1.0"), ("-0", "0"), ("100", "1e2"), ("0.010", "1E-2")] {
            assert!(compare_numbers(a, b).is_eq(), "{a} {b}");
        }
        assert!(is_same(&json!(1), &json!(1.0)));
        assert!(!is_same(
            &json!(9_007_199_254_740_993_i64),
            &json!(9_007_199_254_740_992.0)
        ));
        for other in [json!(true), json!("1"), json!([1]), json!(null)] {
            assert!(!is_same(&json!(1), &other), "{other}");
        }
    }
}
