//! What was measured, for people and for programs.

use crate::outcome::Outcome;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::Write as _;

/// A path beside its raw engine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measure {
    path: String,
    /// Not of questions, which are timed one by one, whatever they look at.
    entries_per_second: Option<f64>,
    raw_entries_per_second: Option<f64>,
    ratio: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_memory_mb: Option<f64>,
    bytes_per_entry: Option<f64>,
    /// Real and raw, in microseconds an entry: for people.
    #[serde(skip)]
    processor_micros: [Option<f64>; 2],
}

impl Measure {
    pub(crate) fn new(path: String, real: &Outcome, raw: Option<&Outcome>) -> Self {
        let is_rate = real.processor_seconds.is_some();
        let shown = |rate| is_rate.then(|| rounded(rate));
        let (rate, raw_rate) = (real.rate(), raw.map(Outcome::rate));
        #[expect(clippy::cast_precision_loss, reason = "an average for people to read")]
        let bytes_per_entry = real.bytes.map(|bytes| bytes as f64 / real.entries as f64);
        Self {
            path,
            entries_per_second: shown(rate),
            raw_entries_per_second: raw_rate.and_then(shown),
            ratio: raw_rate.map(|raw_rate| rounded(rate / raw_rate)),
            p50_ms: real.p50_ms.map(rounded),
            p99_ms: real.p99_ms.map(rounded),
            peak_memory_mb: real.peak_mib.map(rounded),
            bytes_per_entry: bytes_per_entry.map(rounded),
            processor_micros: [
                real.processor_micros(),
                raw.and_then(Outcome::processor_micros),
            ],
        }
    }

    fn cells(&self) -> [String; 10] {
        let whole =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
        let fine =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let [real, raw] = self.processor_micros;
        [
            self.path.clone(),
            whole(self.entries_per_second),
            whole(self.raw_entries_per_second),
            fine(self.ratio),
            fine(self.p50_ms),
            fine(self.p99_ms),
            whole(self.peak_memory_mb),
            whole(self.bytes_per_entry),
            fine(real),
            fine(raw),
        ]
    }
}

/// Three decimals are more than a measurement is worth.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Prints the measures on stdout.
pub(crate) fn print(measures: &[Measure], as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if as_json {
        serde_json::to_writer_pretty(&mut out, measures)?;
        writeln!(out)?;
        return Ok(out.flush()?);
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "path",
        "entries/s",
        "raw",
        "ratio",
        "p50 ms",
        "p99 ms",
        "peak MiB",
        "bytes/entry",
        "CPU µs/entry",
        "raw CPU",
    ]);
    for measure in measures {
        table.add_row(measure.cells());
    }
    writeln!(out, "{table}")?;
    Ok(out.flush()?)
}

/// Tells people, on stderr, what goes on.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Watched;
    use std::time::Duration;

    fn lasting(seconds: u64) -> Watched {
        Watched {
            wall: Duration::from_secs(seconds),
            ..Watched::default()
        }
    }

    #[test]
    fn a_measure_without_a_raw_engine_has_nulls() {
        let real = Outcome::of(1_000, lasting(2));
        let json = serde_json::to_value(Measure::new("live".to_owned(), &real, None)).unwrap();
        let expected = serde_json::json!({
            "path": "live", "entriesPerSecond": 500.0, "rawEntriesPerSecond": null, "ratio": null,
            "p50Ms": null, "p99Ms": null, "peakMemoryMb": null, "bytesPerEntry": null,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_question_has_times_and_a_ratio_and_no_rate() {
        let asked = |seconds| Outcome {
            entries: 1_000_000,
            seconds,
            p50_ms: Some(seconds * 1_000.0),
            ..Outcome::default()
        };
        let measure = Measure::new("listing".to_owned(), &asked(0.002), Some(&asked(0.001)));
        assert_eq!(measure.entries_per_second, None);
        assert_eq!(measure.raw_entries_per_second, None);
        assert_eq!((measure.ratio, measure.p50_ms), (Some(0.5), Some(2.0)));
    }

    #[test]
    fn the_ratio_is_of_rates_so_that_more_is_better() {
        let (real, raw) = (
            Outcome {
                bytes: Some(64_000),
                ..Outcome::of(1_000, lasting(2))
            },
            Outcome::of(1_000, lasting(1)),
        );
        let measure = Measure::new("scan".to_owned(), &real, Some(&raw));
        assert_eq!(measure.ratio, Some(0.5));
        assert_eq!(measure.bytes_per_entry, Some(64.0));
    }
}
