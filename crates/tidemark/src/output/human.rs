//! How people read sizes and names.

use std::fmt::Write as _;

/// A size as `du -h` prints it: powers of 1024, rounded up, one decimal below 10.
pub(crate) fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let sign = if bytes < 0 { "-" } else { "" };
    let size = u128::from(bytes.unsigned_abs());
    let mut unit: u128 = 1;
    let mut place = UNITS.iter();
    let mut name = place.next();
    while size.div_ceil(unit) >= 1024 {
        match place.next() {
            Some(next) => (unit, name) = (unit * 1024, Some(next)),
            None => break,
        }
    }
    let name = name.copied().unwrap_or_default();
    let tenths = (size * 10).div_ceil(unit);
    if unit == 1 || tenths >= 100 {
        format!("{sign}{}{name}", size.div_ceil(unit))
    } else {
        format!("{sign}{}.{}{name}", tenths / 10, tenths % 10)
    }
}

/// Text that a terminal shows as it is: control characters, and those that turn the direction of
/// what follows, are spelled out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // A byte of a name that is not UTF-8, as the books spell it.
            '\u{ef80}'..='\u{efff}' => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(c) & 0xff);
            }
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.extend(c.escape_unicode());
            }
            c if c.is_control() => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_like_du() {
        for (size, text) in [
            (0, "0"),
            (1, "1"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 * 1024, "10K"),
            (10 * 1024 + 1, "11K"),
            (1024 * 1024 - 1, "1.0M"),
            (1536 * 1024 * 1024, "1.5G"),
            (-2048, "-2.0K"),
            (i64::MAX, "8.0E"),
            (i64::MIN, "-8.0E"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn names_cannot_move_the_cursor_or_forge_a_line() {
        assert_eq!(escape("a\nb\t\u{7f}"), "a\\nb\\t\\u{7f}");
        assert_eq!(escape("\u{202e}cod.exe"), "\\u{202e}cod.exe");
        assert_eq!(escape("caf\u{efe9}"), "caf\\xe9");
        assert_eq!(escape("żółw/日本"), "żółw/日本");
    }
}
