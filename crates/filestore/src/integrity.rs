//! Whether the catalogue's file still holds what was written to it.
//!
//! SQLite has no checksums of pages, so a bit that flips on the disk is found by what the catalogue
//! says twice: the journal's digests chain over every entry; a node's row says what its last entry
//! says; a directory's totals are the sums of what lies in it; an index has the rows of its table.

use catalogue::check::Part;
use catalogue::{Catalogue, StoreError};
use httpkit::{Finding, Integrity};

/// Reads everything and compares what is said twice. Blocks.
pub(crate) fn check(catalogue: &Catalogue) -> Result<Integrity, StoreError> {
    let findings = catalogue.check()?.into_iter().map(|(part, detail)| {
        let name = match part {
            Part::File => "file",
            Part::Journal => "journal",
            Part::Nodes => "nodes",
            Part::Rollups => "rollups",
        };
        Finding::new(name, detail)
    });
    Ok(Integrity::of(findings.collect()))
}
