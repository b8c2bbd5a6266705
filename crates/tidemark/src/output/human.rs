//! How people read sizes and names.

use journal::Time;
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

/// How long ago a time was: `12s ago`, `5m ago`, `3h ago`, `12d ago`, and its date from 60 days on.
/// A time to come is shown as it is.
pub(crate) fn age(now: Time, then: Time) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let passed = now.as_micros().saturating_sub(then.as_micros()) / 1_000_000;
    match passed {
        // Clocks that differ by a moment.
        -2..=0 => "just now".to_owned(),
        1..MINUTE => format!("{passed}s ago"),
        MINUTE..HOUR => format!("{}m ago", passed / MINUTE),
        HOUR..DAY => format!("{}h ago", passed / HOUR),
        passed if (DAY..60 * DAY).contains(&passed) => format!("{}d ago", passed / DAY),
        passed if passed > 0 => then.to_string().chars().take_while(|c| *c != 'T').collect(),
        _ => to_the_second(then),
    }
}

/// A time without its fraction of a second: `2026-03-01T12:00:00Z`.
pub(crate) fn to_the_second(time: Time) -> String {
    let text = time.to_string();
    match (text.find('.'), text.strip_suffix('Z')) {
        (Some(point), Some(_)) => format!("{}Z", text.get(..point).unwrap_or_default()),
        _ => text,
    }
}

/// A length of time: `0.25s`, `12s`, `3m5s`, `2h10m`, `3d4h`.
pub(crate) fn seconds(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds.abs() >= 10.0) {
        let text = format!("{seconds:.2}");
        return format!("{}s", text.trim_end_matches('0').trim_end_matches('.'));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let total = std::time::Duration::try_from_secs_f64(seconds.abs().round())
        .map_or(u64::MAX, |duration| duration.as_secs());
    let (days, hours) = (total / 86_400, total / 3_600 % 24);
    let (minutes, seconds) = (total / 60 % 60, total % 60);
    let part = |count: u64, unit: &str| match count {
        0 => String::new(),
        count => format!("{count}{unit}"),
    };
    let (large, small) = match (days, hours, minutes) {
        (1.., ..) => (part(days, "d"), part(hours, "h")),
        (0, 1.., _) => (part(hours, "h"), part(minutes, "m")),
        (0, 0, _) => (part(minutes, "m"), part(seconds, "s")),
    };
    format!("{sign}{large}{small}")
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
    fn ages_read_like_a_person_says_them() {
        let time = |text: &str| text.parse::<Time>().unwrap();
        let now = time("2026-03-31T12:00:00Z");
        for (then, text) in [
            ("2026-03-31T12:00:00Z", "just now"),
            ("2026-03-31T11:59:18Z", "42s ago"),
            ("2026-03-31T11:55:00Z", "5m ago"),
            ("2026-03-31T03:00:00Z", "9h ago"),
            ("2026-03-19T12:00:00Z", "12d ago"),
            ("2026-01-01T00:00:00Z", "2026-01-01"),
            ("1969-07-20T20:17:40Z", "1969-07-20"),
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(age(now, time(then)), text, "{then}");
        }
    }

    #[test]
    fn lengths_of_time_have_two_units_at_most() {
        for (length, text) in [
            (0.0, "0s"),
            (0.254, "0.25s"),
            (9.5, "9.5s"),
            (59.6, "1m"),
            (185.0, "3m5s"),
            (7_800.0, "2h10m"),
            (273_600.0, "3d4h"),
            (-90.0, "-1m30s"),
        ] {
            assert_eq!(seconds(length), text, "{length}");
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
