//! What a first scan found, gathered for one transaction.
//!
//! Names are gathered until there are many, or until they take much memory: a path can have
//! thousands of bytes.

use super::visit::{Difference, held_bytes};
use super::write::FirstScan;

/// Found names in one transaction while the walk goes on; two such batches are held at once.
const NAMES: usize = 5_000;

/// What a batch may take before it is full. One message of the walk is added whole.
const BYTES: usize = 4 * 1024 * 1024;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    fresh: Vec<FirstScan>,
    names: usize,
    bytes: usize,
}

impl Batch {
    /// Adds what a listing showed. Where nothing is known, nothing differs but what is found.
    pub(super) fn add(&mut self, difference: Difference) {
        match difference {
            Difference::Found(found) => {
                self.names += found.len();
                self.bytes += found.iter().map(held_bytes).sum::<usize>();
                self.fresh.push(FirstScan::Found(found));
            }
            Difference::Listed(place, listing, names) => {
                self.names += 1;
                self.fresh.push(FirstScan::Listed(place, listing, names));
            }
            Difference::Changed(_) | Difference::Lost(_) | Difference::Agreeing(_) => {}
        }
    }

    /// Whether it is time to write.
    pub(super) fn is_full(&self) -> bool {
        self.names >= NAMES || self.bytes >= BYTES
    }

    /// What was gathered; nothing of it remains.
    pub(super) fn take(&mut self) -> Vec<FirstScan> {
        std::mem::take(self).fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::visit::CHUNK_BYTES;
    use crate::scan::visit::tests::found_in_one_directory;

    /// Few long paths fill a batch, and many short ones: it never holds more than its bound and one
    /// message.
    #[test]
    fn a_batch_is_bounded_by_what_it_holds_however_long_the_paths_are() {
        for path_bytes in [10, 3_800] {
            let messages = found_in_one_directory(6_000, path_bytes);
            let mut batch = Batch::default();
            let (mut names, mut batches) = (0, 0);
            for message in messages {
                batch.add(message);
                assert!(batch.bytes < BYTES + 2 * CHUNK_BYTES, "{}", batch.bytes);
                if batch.is_full() {
                    batches += 1;
                    names += count(&batch.take());
                }
            }
            names += count(&batch.take());
            assert_eq!(names, 6_000);
            let expected = if path_bytes > 1_000 { 5..8 } else { 1..2 };
            assert!(expected.contains(&batches), "{batches}: {path_bytes} bytes");
            assert!(!batch.is_full() && batch.bytes == 0, "it begins anew");
        }
    }

    fn count(fresh: &[FirstScan]) -> usize {
        let names = fresh.iter().map(|fresh| match fresh {
            FirstScan::Found(found) => found.len(),
            FirstScan::Listed(..) => 0,
        });
        names.sum()
    }
}
