//! Whether the catalogue's file still holds what was written to it.
//!
//! SQLite has no checksums of pages, so a bit that flips on the disk is found by what the catalogue
//! says twice: the journal's digests chain over every entry; a node's row says what its last entry
//! says; a directory's totals are the sums of what lies in it; an index has the rows of its table.

use crate::Filestore;
use crate::store::StoreError;
use crate::store::check::{self, Part};
use httpkit::{Finding, Integrity};

impl Filestore {
    /// Reads everything and compares what is said twice. Blocks, for as long as reading the
    /// catalogue takes; nobody waits for it meanwhile.
    ///
    /// # Errors
    /// The catalogue cannot be opened. That it cannot be read is a finding.
    pub fn check_integrity(&self) -> Result<Integrity, StoreError> {
        let connection = self.store.open_reader()?;
        connection.execute_batch("BEGIN")?;
        let mut findings = Vec::new();
        for (part, check) in check::ALL {
            let name = match part {
                Part::File => "file",
                Part::Journal => "journal",
                Part::Nodes => "nodes",
                Part::Rollups => "rollups",
            };
            match check(&connection) {
                Ok(found) => {
                    findings.extend(found.into_iter().map(|detail| Finding::new(name, detail)))
                }
                Err(error) => findings.push(Finding::new(name, with_source(&error))),
            }
        }
        Ok(Integrity::of(findings))
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
