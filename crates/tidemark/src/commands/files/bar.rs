//! A bar for long work, on a terminal only.

use crate::output::escape;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(120);

/// A progress bar, or nothing where stderr is no terminal.
#[derive(Clone, Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Work of unknown length.
    pub(crate) fn waiting(what: &str) -> Self {
        Self::new(what, "{spinner} {prefix} {wide_msg} [{elapsed}]")
    }

    /// A transfer of bytes. Their number may grow while it runs.
    pub(crate) fn bytes(what: &str) -> Self {
        let template = "{spinner} {prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} \
                        [{elapsed}, {eta} left]";
        Self::new(what, template)
    }

    fn new(what: &str, template: &str) -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(escape(what));
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    pub(crate) fn tick(&self) {
        self.0.tick();
    }

    /// Adds to the number that is expected.
    pub(crate) fn expect(&self, more: u64) {
        match self.0.length() {
            Some(_) => self.0.inc_length(more),
            None => self.0.set_length(more),
        }
    }

    /// Adds to the number that is done.
    pub(crate) fn advance(&self, more: u64) {
        self.0.inc(more);
    }

    /// Shows what is being done just now.
    pub(crate) fn about(&self, what: &str) {
        self.0.set_message(escape(what));
    }

    /// Prints a line to the person above the bar.
    pub(crate) fn say(&self, line: impl std::fmt::Display) {
        self.0.suspend(|| crate::output::say(line));
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
