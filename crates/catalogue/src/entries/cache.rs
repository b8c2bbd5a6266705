//! The blocks that were read last, decoded.
//!
//! What a block holds is certain by where it lies and by its digests, so a block that is kept never
//! has to be compared with the file again.

use super::Run;
use super::block::Header;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// One for each of those that follow the journal: two books, the hashing, a client elsewhere. A
/// block takes somewhat more than a megabyte.
const BLOCKS: usize = 4;

/// Some decoded blocks, the one that was used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<VecDeque<Arc<Run>>>);

impl Cache {
    pub(super) fn get(&self, header: &Header) -> Option<Arc<Run>> {
        let mut blocks = self.0.lock();
        let is_it = |run: &Arc<Run>| run.before() == header.before && run.last() == header.last;
        let at = blocks.iter().position(is_it)?;
        let run = blocks.remove(at)?;
        blocks.push_back(Arc::clone(&run));
        Some(run)
    }

    pub(super) fn keep(&self, run: &Arc<Run>) {
        let mut blocks = self.0.lock();
        if blocks.len() >= BLOCKS {
            blocks.pop_front();
        }
        blocks.push_back(Arc::clone(run));
    }
}
