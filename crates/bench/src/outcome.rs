//! What one measurement found.

use crate::watch::Watched;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What was measured. Entries are whatever the path counts: journal entries, names in a tree,
/// commands, rows looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) entries: u64,
    pub(crate) seconds: f64,
    /// On the processors; none for questions that are timed one by one.
    pub(crate) processor_seconds: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    /// On disk, after the books were closed.
    pub(crate) bytes: Option<u64>,
}

impl Outcome {
    /// So many entries in so much time.
    pub(crate) fn of(entries: u64, watched: Watched) -> Self {
        Self {
            entries,
            seconds: watched.wall.as_secs_f64(),
            processor_seconds: Some(watched.processor.as_secs_f64()),
            ..Self::default()
        }
    }

    /// With the peak of memory up to now.
    pub(crate) fn with_peak(mut self) -> anyhow::Result<Self> {
        self.peak_mib = Some(crate::memory::peak_mib()?);
        Ok(self)
    }

    /// With the median and the 99th percentile of these times.
    pub(crate) fn with_times(mut self, times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let millis = |percent| Some(percentile(times, percent)?.as_secs_f64() * 1_000.0);
        (self.p50_ms, self.p99_ms) = (millis(50), millis(99));
        self
    }

    /// Entries a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let entries = self.entries as f64;
        entries / self.seconds
    }

    /// One after the other: the same entries, and the time of both.
    pub(crate) fn and_then(mut self, next: &Self) -> Self {
        self.seconds += next.seconds;
        self.processor_seconds = self
            .processor_seconds
            .zip(next.processor_seconds)
            .map(|(first, second)| first + second);
        self
    }

    /// Microseconds on the processors an entry.
    pub(crate) fn processor_micros(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "an average for people to read")]
        let entries = self.entries as f64;
        Some(self.processor_seconds? * 1_000_000.0 / entries)
    }
}

/// The smallest of the sorted values that at least `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
