//! What is printed in the end.

use crate::damaged::Noticed;
use crate::model::{self, Counts};
use crate::schedule;
use comfy_table::{Cell, CellAlignment, Table};
use std::collections::BTreeMap;
use std::time::Duration;

/// What all schedules came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds of the model that found no difference.
    pub model_seeds: u64,
    /// Schedules of the real processes that found none.
    pub process_schedules: u64,
    /// Schedules that found one.
    pub differences: u64,
    /// Entries of all journals.
    pub entries: u64,
    /// Commands of the real processes that were answered with success.
    pub commands: u64,
    /// Commands that were sent more than once.
    pub sent_again: u64,
    /// Looks at a health that was not green because its checkpoint stood still.
    pub not_green: u64,
    model_faults: Counts,
    process_faults: Counts,
    caught_up: BTreeMap<&'static str, Vec<Duration>>,
    noticed: BTreeMap<(&'static str, Noticed), u64>,
}

impl Totals {
    pub(crate) fn add_model(&mut self, outcome: &model::Outcome) {
        self.model_seeds += 1;
        self.entries += outcome.entries;
        add(&mut self.model_faults, &outcome.faults);
    }

    pub(crate) fn add_schedule(&mut self, outcome: &schedule::Outcome) {
        self.process_schedules += 1;
        self.entries += outcome.entries;
        self.commands += outcome.commands;
        self.sent_again += outcome.sent_again;
        self.not_green += outcome.health.not_green;
        add(&mut self.process_faults, &outcome.faults);
        for (shape, took) in &outcome.caught_up {
            self.caught_up.entry(shape).or_default().push(*took);
        }
        for noticed in &outcome.noticed {
            *self.noticed.entry(*noticed).or_default() += 1;
        }
    }

    /// All faults together.
    #[must_use]
    pub fn faults(&self) -> u64 {
        let counts = self
            .model_faults
            .values()
            .chain(self.process_faults.values());
        counts.sum()
    }

    /// Faults by kind and, for the real processes, how soon both consumers had caught up.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut text = String::new();
        if !self.model_faults.is_empty() {
            let mut table = table(["model: fault", "times"]);
            for (fault, times) in &self.model_faults {
                table.add_row([Cell::new(fault), number(times)]);
            }
            text.push_str(&format!("{table}\n\n"));
        }
        if !self.process_faults.is_empty() {
            let heads = [
                "processes: fault",
                "times",
                "caught up, median ms",
                "max ms",
            ];
            let mut table = table(heads);
            let shapes: std::collections::BTreeSet<_> = self
                .process_faults
                .keys()
                .chain(self.caught_up.keys())
                .collect();
            for shape in shapes {
                let mut took = self.caught_up.get(shape).cloned().unwrap_or_default();
                took.sort();
                let millis = |took: Option<&Duration>| {
                    took.map_or_else(String::new, |took| took.as_millis().to_string())
                };
                let times = self.process_faults.get(shape);
                table.add_row([
                    Cell::new(shape),
                    number(&times.map_or_else(String::new, u64::to_string)),
                    number(&millis(took.get(took.len() / 2))),
                    number(&millis(took.last())),
                ]);
            }
            text.push_str(&format!("{table}\n\n"));
            text.push_str(&format!(
                "{} commands were answered with success, {} of all were sent more than once; \
                 {} looks at a health that said that its checkpoint stood still\n\n",
                self.commands, self.sent_again, self.not_green
            ));
        }
        if !self.noticed.is_empty() {
            let mut table = table(["damage", "how it was noticed and healed", "times"]);
            for ((damage, noticed), times) in &self.noticed {
                table.add_row([Cell::new(damage), Cell::new(noticed), number(times)]);
            }
            text.push_str(&format!("{table}\n\n"));
        }
        text
    }

    /// The last line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} schedules, {} faults, {} entries, {} differences",
            self.model_seeds + self.process_schedules + self.differences,
            self.faults(),
            short(self.entries),
            self.differences
        )
    }
}

fn add(to: &mut Counts, counts: &Counts) {
    for (kind, times) in counts {
        *to.entry(kind).or_default() += times;
    }
}

/// A table in Markdown's form.
pub(crate) fn table<const N: usize>(heads: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::ASCII_MARKDOWN)
        .set_header(heads);
    table
}

/// A cell of figures.
pub(crate) fn number(value: &impl std::fmt::Display) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// 3.1M for 3,100,000.
fn short(count: u64) -> String {
    if count < 10_000 {
        count.to_string()
    } else if count < 1_000_000 {
        format!("{}.{}K", count / 1_000, count % 1_000 / 100)
    } else {
        format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_all() {
        let mut totals = Totals::default();
        let faults = Counts::from([("crash", 3)]);
        totals.add_model(&model::Outcome {
            faults,
            entries: 3_140_000,
        });
        totals.differences = 1;
        assert_eq!(
            totals.summary(),
            "2 schedules, 3 faults, 3.1M entries, 1 differences"
        );
        assert!(totals.tables().contains("crash"));
    }

    #[test]
    fn long_counts_are_short() {
        assert_eq!(
            [9_999, 10_000, 999_999, 1_000_000, 12_345_678].map(short),
            ["9999", "10.0K", "999.9K", "1.0M", "12.3M"]
        );
    }
}
