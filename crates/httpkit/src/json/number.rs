//! Whether a number comes back as it was sent. Pure.

use std::borrow::Cow;

/// A decimal of so many digits, and not too large or small, is always what a double prints.
const SURE_DIGITS: usize = 15;

/// So many digits tell every double from all others: what `%.17g` prints.
const MOST_DIGITS: usize = 17;

/// More of a number is not shown.
const SHOWN_CHARS: usize = 40;

/// Why `text`, a number, would not come back as it is; `None` if it does, or is no number.
pub(super) fn fault(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().is_err().then(|| {
            format!(
                "the whole number {} lies outside {} to {}; send it as a string",
                shown(text),
                i64::MIN,
                i64::MAX
            )
        });
    }
    let sent = Decimal::of(text)?;
    if sent.digits.is_empty()
        || sent.digits.len() <= SURE_DIGITS && (-290..=300).contains(&sent.point)
    {
        return None;
    }
    let double: f64 = text.parse().ok()?;
    if double.is_infinite() {
        let text = shown(text);
        return Some(format!(
            "the number {text} is larger than a double can be; send it as a string"
        ));
    }
    // Of two decimals that are as short and as near, only one is printed. Others print 17 digits,
    // which any double needs at most, however few would do: `0.10000000000000001` is 0.1.
    let kept = serde_json::Value::from(double).to_string();
    let of_17_digits = format!("{double:.*e}", MOST_DIGITS - 1);
    if Decimal::of(&kept).as_ref() == Some(&sent) || Decimal::of(&of_17_digits) == Some(sent) {
        return None;
    }
    Some(format!(
        "the number {} has more digits than a double keeps, and would come back as {kept}; send \
         that, or send it as a string",
        shown(text),
    ))
}

fn shown(text: &str) -> Cow<'_, str> {
    match text.get(..SHOWN_CHARS) {
        Some(start) if text.len() > SHOWN_CHARS => format!("{start}…").into(),
        _ => text.into(),
    }
}

/// A decimal without its sign: 0.`digits` × 10^`point`, without zeros at either end.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let above = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self {
            point: power(exponent)?.saturating_add(above),
            digits,
        })
    }
}

fn power(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_come_back_are_taken() {
        for text in [
            "0",
            "-0",
            "-0.0",
            "0e5",
            "0.000",
            "1",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "1.0",
            "1.50",
            "100E-2",
            "1e2",
            "1E+2",
            "0.1",
            "0.3",
            "0.30000000000000004",
            "5.960464477539063e-08",
            "1.7976931348623157e308",
            "5e-324",
            "2.2250738585072014e-308",
            "1e22",
            "1e23",
            "-2.5e-7",
            "0.10000000000000000000000",
            "9007199254740993",
            // As `%.17g` prints them.
            "0.10000000000000001",
            "0.29999999999999999",
            "-1.1000000000000001",
            "1.3300000000000001e+36",
            "4.9406564584124654e-324",
            "1.7976931348623157e+308",
            "9.9999999999999992e+22",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_come_back_are_refused_with_the_fix() {
        for (text, says) in [
            ("9223372036854775808", "outside -9223372036854775808"),
            ("-9223372036854775809", "send it as a string"),
            ("123456789012345678901234567890", "send it as a string"),
            ("0.1234567890123456789", "come back as 0.12345678901234568;"),
            ("0.100000000000000012", "come back as 0.1;"),
            ("0.1000000000000000055511151231257827", "come back as 0.1;"),
            (
                "3.14159265358979323846264338327950288",
                "3.141592653589793;",
            ),
            ("9007199254740993.0", "9007199254740992.0;"),
            (
                "123456789012345678e3",
                "come back as 1.2345678901234568e+20;",
            ),
            ("1e400", "larger than a double"),
            ("-1e400", "larger than a double"),
            ("1e99999999999999999999999", "larger than a double"),
            ("1e-400", "come back as 0.0;"),
            ("4.9e-324", "come back as 5e-324;"),
        ] {
            let detail = fault(text).unwrap_or_default();
            assert!(detail.contains(says), "{text}: {detail}");
        }
    }

    #[test]
    fn every_double_as_it_is_printed_is_taken() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let double = f64::from_bits(bits);
            if double.is_finite() {
                let text = serde_json::Value::from(double).to_string();
                assert_eq!(fault(&text), None, "{text}");
                let text = format!("{double:.16e}");
                assert_eq!(fault(&text), None, "{text}");
            }
        }
    }
}
