//! What a scan that was cut off while it wrote left behind.
//!
//! A directory that goes or moves may hold more than one transaction takes, so for a moment it is
//! gone, or elsewhere, and what is below it is not. From its first change to its end a scan is known
//! to the catalogue; so the next one knows that there may be such nodes, and has them looked at.

use super::{Scan, ScanError};
use catalogue::nodes;
use catalogue::scratch::Scratch;

/// Nodes that are looked for at once.
const PAGE: usize = 5_000;

impl Scan<'_> {
    /// Where an earlier scan was cut off while it wrote, directories may have moved or gone, and
    /// what is below them not yet. Says whether one was.
    pub(super) fn resume(&self, scratch: &Scratch) -> Result<bool, ScanError> {
        let mount_id = self.mount_id;
        self.catalogue.read(|db| {
            if !nodes::has_unfinished_scan(db, mount_id)? {
                return Ok(false);
            }
            let mut after = 0;
            loop {
                let page = nodes::misplaced(db, mount_id, after, PAGE)?;
                let Some(last) = page.last() else {
                    return Ok(true);
                };
                after = *last;
                for node in &page {
                    scratch.add_lost(*node, false)?;
                }
            }
        })
    }
}
