//! Samples: a command of a page with the answer that is shown below it, and whether that is the
//! answer that was given.
//!
//! What changes from run to run is matched by its form: times, dates, UUIDs, ages (`5s ago`) and
//! lengths of time (`8.3s`). `…` stands for anything within a line, and a line of only `…` for any
//! lines. Columns may be wider or narrower. An answer in JSON is compared by value: every field
//! that is shown must be there, and others may be; `"…"` is any value, and as the last of a list
//! any more.

use serde_json::Value;

const ANY: &str = "…";

/// A command and what is shown of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where it stands, as `page:line`.
    pub(crate) at: String,
    pub(crate) command: String,
    pub(crate) shown: String,
}

/// A fenced block: its language, its first line's number and its text.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The fenced blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in (1..).zip(page.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language: language.to_owned(),
                    line: at + 1,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

/// The samples of a `console` block: each line that begins with `$` is a command, up to the end of
/// its quotes and continued lines.
pub(crate) fn samples(page: &str, block: &Block) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut is_open = false;
    for (at, line) in (block.line..).zip(block.text.lines()) {
        match (line.strip_prefix("$ "), samples.last_mut()) {
            (None, Some(sample)) if is_open => sample.command.extend(["\n", line]),
            (Some(command), _) => samples.push(Sample {
                at: format!("{page}:{at}"),
                command: command.to_owned(),
                shown: String::new(),
            }),
            (None, Some(sample)) => sample.shown.extend([line, "\n"]),
            (None, None) => panic!("{page}:{at}: the block does not begin with a command"),
        }
        is_open = samples
            .last()
            .is_some_and(|sample| is_unfinished(&sample.command));
    }
    samples
}

fn is_unfinished(command: &str) -> bool {
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    quote.is_some() || command.ends_with('\\')
}

/// Whether `printed` is what is shown; if not, what differs.
pub(crate) fn compare(shown: &str, printed: &str) -> Result<(), String> {
    let is_json = shown.trim_start().starts_with(['{', '[']);
    let is_same = match is_json.then(|| (values(shown), values(printed))) {
        Some((Some(shown), Some(printed))) => {
            shown.len() == printed.len()
                && shown
                    .iter()
                    .zip(&printed)
                    .all(|(shown, printed)| holds(shown, printed))
        }
        Some((None, _)) => return Err(format!("what is shown is not JSON:\n{shown}")),
        Some((_, None)) => false,
        None => {
            let form =
                |text: &str| -> Vec<String> { text.trim_end().lines().map(form_of_line).collect() };
            lines_match(&form(shown), &form(printed))
        }
    };
    match is_same {
        true => Ok(()),
        false => Err(format!("shown:\n{shown}\nprinted:\n{printed}")),
    }
}

fn values(text: &str) -> Option<Vec<Value>> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .ok()
}

/// Whether everything that is shown is in what was printed.
fn holds(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::String(shown), _) if shown == ANY => true,
        (Value::Object(shown), Value::Object(printed)) => shown
            .iter()
            .all(|(key, value)| printed.get(key).is_some_and(|found| holds(value, found))),
        (Value::Array(shown), Value::Array(printed)) => {
            let (shown, is_open) = match shown.split_last() {
                Some((last, rest)) if *last == ANY => (rest, true),
                _ => (&shown[..], false),
            };
            (shown.len() == printed.len() || is_open && shown.len() < printed.len())
                && shown
                    .iter()
                    .zip(printed)
                    .all(|(shown, printed)| holds(shown, printed))
        }
        (Value::String(shown), Value::String(printed)) => {
            line_matches(&form_of_line(shown), &form_of_line(printed))
        }
        (shown, printed) => shown == printed,
    }
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == ANY => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        Some((line, rest)) => printed
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others)),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.split(ANY);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// The line with single spaces, and with the form of what changes from run to run.
fn form_of_line(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().map(form_of_word).collect();
    let line = words.join(" ");
    line.replace("just now", "<age>")
        .replace("<duration> ago", "<age>")
}

fn form_of_word(word: &str) -> String {
    let inner = word.trim_matches(['(', ')', ',', ';', ':', '"', '+', '.']);
    let form = if inner.parse::<journal::Time>().is_ok() {
        "<time>"
    } else if inner.parse::<jiff::civil::Date>().is_ok() && inner.len() == 10 {
        "<date>"
    } else if inner.parse::<uuid::Uuid>().is_ok() {
        "<uuid>"
    } else if is_duration(inner) {
        "<duration>"
    } else {
        return word.to_owned();
    };
    word.replace(inner, form)
}

/// `8.3s`, `120ms`, `2h10m`.
fn is_duration(word: &str) -> bool {
    let units = ["ms", "µs", "ns", "s", "m", "h", "d"];
    let mut rest = word;
    loop {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if number.len() == rest.len() {
            return false;
        }
        let Some(unit) = units.iter().find_map(|unit| number.strip_prefix(unit)) else {
            return false;
        };
        if unit.is_empty() {
            return true;
        }
        rest = unit;
    }
}

mod tests {
    use super::{Block, Sample, compare, samples};

    #[test]
    fn an_answer_with_no_rows_is_not_the_one_that_is_shown() {
        let shown = "PATH  OWNER\na/b   ada\n";
        assert!(compare(shown, "PATH  OWNER\na/b   ada\n").is_ok());
        for printed in ["", "PATH  OWNER\n", "PATH  OWNER\na/c   ada\n"] {
            assert!(compare(shown, printed).is_err(), "{printed}");
        }
        let shown = r#"{"records": [{"key": "5"}]}"#;
        assert!(
            compare(
                shown,
                r#"{"records": [{"key": "5", "owner": null}], "n": 1}"#
            )
            .is_ok()
        );
        for printed in ["{\"records\": []}", "{}", "", "[]"] {
            assert!(compare(shown, printed).is_err(), "{printed}");
        }
    }

    #[test]
    fn what_changes_from_run_to_run_is_matched_by_its_form() {
        for (shown, printed) in [
            (
                "at 2026-03-01T12:00:00Z (8.3s)",
                "at 2027-01-01T00:00:01.250Z (120ms)",
            ),
            ("a  5s ago  7", "a  just now    7"),
            (
                "id 6f1f8a52-0d8e-4b39-9a37-5b2f7d6c1e10",
                "id 018f8a52-0d8e-7b39-9a37-5b2f7d6c1e11",
            ),
            ("a … z", "a b c z"),
            ("first\n…\nlast", "first\n1\n2\nlast"),
            ("first\n…", "first"),
        ] {
            assert_eq!(compare(shown, printed), Ok(()), "{shown}");
        }
        for (shown, printed) in [
            ("took 8.3s", "took long"),
            ("7 files", "8 files"),
            ("a … z", "a b c"),
            ("first\n…\nlast", "first\n1"),
        ] {
            assert!(compare(shown, printed).is_err(), "{shown}");
        }
        assert!(compare("[1, \"…\"]", "[1, 2, 3]").is_ok());
        assert!(compare("[1]", "[1, 2]").is_err());
    }

    #[test]
    fn a_block_is_commands_with_what_they_answer() {
        let block = Block {
            language: "console".to_owned(),
            line: 7,
            text: "$ a\n1\n2\n$ b 'x\ny' \\\n  z\n$ c\n".to_owned(),
        };
        let sample = |at: &str, command: &str, shown: &str| Sample {
            at: at.to_owned(),
            command: command.to_owned(),
            shown: shown.to_owned(),
        };
        let expected = [
            sample("p:7", "a", "1\n2\n"),
            sample("p:10", "b 'x\ny' \\\n  z", ""),
            sample("p:13", "c", ""),
        ];
        assert_eq!(samples("p", &block), expected);
    }
}
