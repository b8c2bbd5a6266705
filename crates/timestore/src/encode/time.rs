//! Dates, times and intervals as text, over the whole range that DuckDB has.

use std::fmt::Write;

const DAY_NANOS: i128 = 86_400_000_000_000;
const SECOND_NANOS: i128 = 1_000_000_000;

/// A date, so many days after 1970-01-01.
pub(super) fn date(days: i32, out: &mut String) {
    match days {
        i32::MAX => out.push_str("infinity"),
        days if days == -i32::MAX => out.push_str("-infinity"),
        days => day(i64::from(days), out),
    }
}

/// A point in time, so many units of so many nanoseconds after 1970.
pub(super) fn timestamp(value: i64, unit_nanos: i64, out: &mut String) {
    if is_infinite(value) {
        out.push_str(if value > 0 { "infinity" } else { "-infinity" });
        return;
    }
    let nanos = i128::from(value) * i128::from(unit_nanos);
    // A number of days of 64 bits never ends.
    day(
        i64::try_from(nanos.div_euclid(DAY_NANOS)).unwrap_or(i64::MAX),
        out,
    );
    out.push('T');
    let in_day = nanos.rem_euclid(DAY_NANOS);
    clock(in_day, out);
    fraction(in_day % SECOND_NANOS, 3, out);
    out.push('Z');
}

pub(super) const fn is_infinite(value: i64) -> bool {
    value == i64::MAX || value == -i64::MAX
}

/// A time of day, so many nanoseconds after midnight.
pub(super) fn time(nanos: i128, out: &mut String) {
    clock(nanos, out);
    if nanos % SECOND_NANOS != 0 {
        fraction(nanos % SECOND_NANOS, 6, out);
    }
}

/// `12:00:00+02` with the minutes of its offset.
pub(super) fn with_offset(text: &str) -> String {
    let is_whole_hours = text.len() >= 3
        && text
            .rfind(['+', '-'])
            .is_some_and(|sign| text.len() - sign == 3);
    format!("{text}{}", if is_whole_hours { ":00" } else { "" })
}

fn clock(nanos: i128, out: &mut String) {
    let seconds = nanos / SECOND_NANOS;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let _ = write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60);
}

/// With so many digits as it needs, by threes, and at least so many.
fn fraction(nanos: i128, least: usize, out: &mut String) {
    let needed = match nanos {
        nanos if nanos % 1_000_000 == 0 => 3,
        nanos if nanos % 1_000 == 0 => 6,
        _ => 9,
    };
    let digits = format!("{nanos:09}");
    out.push('.');
    out.push_str(digits.get(..needed.max(least)).unwrap_or(&digits));
}

/// The proleptic Gregorian calendar, in which years of 365 or 366 days repeat every 400.
fn day(days: i64, out: &mut String) {
    const CYCLE_DAYS: i64 = 146_097;
    // From 0000-03-01, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (cycle, in_cycle) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    let year = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next) = match month_from_march {
        month if month < 10 => (month + 3, 0),
        month => (month - 9, 1),
    };
    let year = cycle * 400 + year + next;
    let _ = match year {
        0..=9999 => write!(out, "{year:04}"),
        year if year > 0 => write!(out, "+{year}"),
        year => write!(out, "-{:06}", year.unsigned_abs()),
    };
    let _ = write!(out, "-{month:02}-{day:02}");
}

/// Months, days, and a time that neither of them is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

impl Interval {
    /// From DuckDB's text, such as `1 year -2 months 3 days -25:00:00.5`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut interval = Self::default();
        let mut words = text.split_ascii_whitespace();
        while let Some(word) = words.next() {
            if word.contains(':') {
                interval.micros = micros(word)?;
                continue;
            }
            let count: i32 = word.parse().ok()?;
            match words.next()? {
                "year" | "years" => {
                    interval.months = interval.months.checked_add(count.checked_mul(12)?)?;
                }
                "month" | "months" => interval.months = interval.months.checked_add(count)?,
                "day" | "days" => interval.days = count,
                _ => return None,
            }
        }
        Some(interval)
    }

    /// In ISO 8601.
    pub(super) fn write(&self, out: &mut String) {
        let micros = self.micros.unsigned_abs();
        let sign = if self.micros < 0 { "-" } else { "" };
        let (months, days) = (self.months, self.days);
        let _ = write!(out, "P{months}M{days}DT{sign}{}", micros / 1_000_000);
        if !micros.is_multiple_of(1_000_000) {
            let digits = format!("{:06}", micros % 1_000_000);
            let _ = write!(out, ".{}", digits.trim_end_matches('0'));
        }
        out.push('S');
    }
}

/// `-25:00:00.5`
fn micros(text: &str) -> Option<i64> {
    let (sign, clock) = match text.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, text),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(str::parse::<i128>);
    let mut next = || parts.next()?.ok();
    let seconds = next()? * 3600 + next()? * 60 + next()?;
    let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
    i64::try_from(sign * (seconds * 1_000_000 + fraction)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn dates_are_right_in_every_year() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (19_782, "2024-02-29"),
            (11_016, "2000-02-29"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-000001-12-31"),
            (i32::MAX, "infinity"),
            (-i32::MAX, "-infinity"),
            (i32::MAX - 1, "+5881580-07-10"),
        ] {
            assert_eq!(written(|out| date(days, out)), expected, "{days}");
        }
    }

    #[test]
    fn times_have_the_digits_they_need() {
        for (value, unit, expected) in [
            (0, 1_000, "1970-01-01T00:00:00.000Z"),
            (-1, 1_000, "1969-12-31T23:59:59.999999Z"),
            (1, 1, "1970-01-01T00:00:00.000000001Z"),
            (253_402_300_800, 1_000_000_000, "+10000-01-01T00:00:00.000Z"),
            (i64::MAX, 1_000, "infinity"),
            (-i64::MAX, 1_000, "-infinity"),
        ] {
            assert_eq!(written(|out| timestamp(value, unit, out)), expected);
        }
        assert_eq!(written(|out| time(86_400_000_000_000, out)), "24:00:00");
        assert_eq!(written(|out| time(1_000, out)), "00:00:00.000001");
        assert_eq!(written(|out| time(1, out)), "00:00:00.000000001");
        assert_eq!(with_offset("12:00:00+02"), "12:00:00+02:00");
        assert_eq!(with_offset("12:00:00-02:30:15"), "12:00:00-02:30:15");
    }

    #[test]
    fn intervals_of_any_length_are_read() {
        for (text, expected) in [
            ("00:00:00", "P0M0DT0S"),
            ("3000000:00:00", "P0M0DT10800000000S"),
            ("1 year 2 months -3 days 25:00:00", "P14M-3DT90000S"),
            ("-00:00:01.5", "P0M0DT-1.5S"),
            ("-1 years -1 days", "P-12M-1DT0S"),
        ] {
            let interval = Interval::parse(text).unwrap();
            assert_eq!(written(|out| interval.write(out)), expected, "{text}");
        }
        assert_eq!(Interval::parse("3 parsecs"), None);
    }
}
