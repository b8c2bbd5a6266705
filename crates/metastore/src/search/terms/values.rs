//! Values as people type them: sizes, ages, dates.

use super::super::filter::Test;
use super::Operator;
use journal::Time;
use rusqlite::types::Value as Sql;

const SIZES: &[(&str, f64)] = &[
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kib", 1024.0),
    ("m", 1_048_576.0),
    ("mib", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("gib", 1_073_741_824.0),
    ("t", 1_099_511_627_776.0),
    ("tib", 1_099_511_627_776.0),
    ("p", 1_125_899_906_842_624.0),
    ("pib", 1_125_899_906_842_624.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("pb", 1e15),
];

const DAY: i64 = 86_400_000;
const AGES: &[(&str, i64)] = &[
    ("s", 1_000),
    ("min", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", DAY),
    ("w", 7 * DAY),
    ("mo", 30 * DAY),
    ("y", 365 * DAY),
];

/// A number of bytes: `1000`, `1.5G` (units of 1024), `10MB` (of 1000).
pub(super) fn bytes(text: &str) -> Option<i64> {
    let (number, unit) = number_and_unit(text)?;
    if unit.is_empty()
        && let Ok(exact) = text.parse()
    {
        return Some(exact);
    }
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    let bytes = number.parse::<f64>().ok()? * factor;
    // Within what a file can be.
    (0.0..9.3e18)
        .contains(&bytes)
        .then(|| format!("{bytes:.0}").parse().unwrap_or(i64::MAX))
}

fn number_and_unit(text: &str) -> Option<(&str, String)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then(|| (number, unit.to_lowercase()))
}

/// What a test of a time means.
pub(super) fn time(operator: Operator, text: &str, now: Time) -> Option<Test<Sql>> {
    let millis = |millis: i64| Sql::Integer(millis);
    if let Some(age) = age(text) {
        let then = now.as_millis().saturating_sub(age);
        // A smaller age is a later time.
        return Some(match operator {
            Operator::Eq | Operator::Neq | Operator::Lte => Test::GreaterOrEqual(millis(then)),
            Operator::Lt => Test::Greater(millis(then)),
            Operator::Gte => Test::LessOrEqual(millis(then)),
            Operator::Gt => Test::Less(millis(then)),
        });
    }
    let (from, to) = span(text, now)?;
    Some(match operator {
        Operator::Eq | Operator::Neq if from == to => Test::Eq(Some(millis(from))),
        Operator::Eq | Operator::Neq => Test::Between(millis(from), millis(to)),
        Operator::Lt => Test::Less(millis(from)),
        Operator::Lte => Test::LessOrEqual(millis(to)),
        Operator::Gt => Test::Greater(millis(to)),
        Operator::Gte => Test::GreaterOrEqual(millis(from)),
    })
}

/// An age in milliseconds: `30d`.
fn age(text: &str) -> Option<i64> {
    let (number, unit) = number_and_unit(text)?;
    let (_, millis) = AGES.iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(*millis)
}

/// The first and the last millisecond of a year, a month, a day (UTC), or a moment.
fn span(text: &str, now: Time) -> Option<(i64, i64)> {
    let day_of = |days: i64| {
        let from = (now.as_millis().div_euclid(DAY) + days) * DAY;
        Some((from, from + DAY - 1))
    };
    match text.to_lowercase().as_str() {
        "today" => return day_of(0),
        "yesterday" => return day_of(-1),
        _ => {}
    }
    let parts: Vec<&str> = text.split('-').collect();
    let is_number =
        |part: &&str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let begin = |date: String| {
        format!("{date}T00:00:00Z")
            .parse::<Time>()
            .ok()
            .map(Time::as_millis)
    };
    match parts.as_slice() {
        [year] if is_number(year, 4) => {
            let next: i64 = year.parse::<i64>().ok()? + 1;
            Some((
                begin(format!("{year}-01-01"))?,
                begin(format!("{next:04}-01-01"))? - 1,
            ))
        }
        [year, month] if is_number(year, 4) && is_number(month, 2) => {
            let from = begin(format!("{text}-01"))?;
            let next = match month.parse::<i64>().ok()? {
                12 => format!("{:04}-01-01", year.parse::<i64>().ok()? + 1),
                month => format!("{year}-{:02}-01", month + 1),
            };
            Some((from, begin(next)? - 1))
        }
        [year, month, day] if is_number(year, 4) && is_number(month, 2) && is_number(day, 2) => {
            let from = begin(text.to_owned())?;
            Some((from, from + DAY - 1))
        }
        _ => {
            let moment = text.parse::<Time>().ok()?.as_millis();
            Some((moment, moment))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024_and_of_1000() {
        for (text, expected) in [
            ("0", Some(0)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("1K", Some(1024)),
            ("1.5G", Some(1_610_612_736)),
            ("2GiB", Some(2_147_483_648)),
            ("10MB", Some(10_000_000)),
            ("1t", Some(1_099_511_627_776)),
            ("big", None),
            ("1x", None),
            ("1.2.3", None),
            ("-1", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn ages_count_back_and_dates_are_spans() {
        let now: Time = "2026-03-15T12:00:00Z".parse().unwrap();
        let at = |text: &str| Sql::Integer(text.parse::<Time>().unwrap().as_millis());
        let test = |operator, text| time(operator, text, now);
        assert_eq!(
            test(Operator::Lt, "30d"),
            Some(Test::Greater(at("2026-02-13T12:00:00Z")))
        );
        assert_eq!(
            test(Operator::Gt, "1h"),
            Some(Test::Less(at("2026-03-15T11:00:00Z")))
        );
        assert_eq!(test(Operator::Eq, "1w"), test(Operator::Lte, "7d"));
        assert_eq!(
            test(Operator::Eq, "2026-02"),
            Some(Test::Between(
                at("2026-02-01T00:00:00Z"),
                at("2026-02-28T23:59:59.999Z")
            ))
        );
        assert_eq!(
            test(Operator::Gt, "2025"),
            Some(Test::Greater(at("2025-12-31T23:59:59.999Z")))
        );
        assert_eq!(
            test(Operator::Eq, "yesterday"),
            Some(Test::Between(
                at("2026-03-14T00:00:00Z"),
                at("2026-03-14T23:59:59.999Z")
            ))
        );
        assert_eq!(
            test(Operator::Gte, "2026-03-01T10:00:00Z"),
            Some(Test::GreaterOrEqual(at("2026-03-01T10:00:00Z")))
        );
        for bad in ["soon", "30", "30q", "2026-13", "2026-02-30"] {
            assert_eq!(test(Operator::Eq, bad), None, "{bad}");
        }
    }
}
