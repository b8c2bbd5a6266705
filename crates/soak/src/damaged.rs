//! Damage that was done to a service's files: where, and what was there before.

use std::path::PathBuf;
use testkit::file_fault;

/// How damage was noticed and healed, as tables name it.
pub type Noticed = &'static str;

/// Damage that is done and not yet looked at.
#[derive(Debug)]
pub struct Damage {
    pub(crate) service: usize,
    /// The service's database.
    pub(crate) store: PathBuf,
    /// What was there a moment before.
    pub(crate) backup: PathBuf,
    /// Chooses between the ways out.
    pub(crate) dice: u64,
    /// For tables.
    pub(crate) name: &'static str,
}

impl Damage {
    /// Puts back what was there before.
    pub(crate) fn restore(&self) {
        let folder = self.store.parent().expect("a store is in a folder");
        file_fault::copy_store(&self.backup, folder);
    }

    /// Takes the damaged files out of the way.
    pub(crate) fn set_aside(&self) {
        for suffix in ["", "-wal", "-shm", ".wal", ".mark"] {
            let mut file = self.store.clone().into_os_string();
            file.push(suffix);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    panic!("{file:?} cannot be moved aside: {error}")
                }
                _ => {}
            }
        }
    }
}
