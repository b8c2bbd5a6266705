//! Where entries come from.

use crate::synthetic::Synthetic;
use feed::SharedReader;
use filestore::Filestore;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Source {
    /// The real journal of the filestore in this directory.
    Filestore(PathBuf),
    /// Entries made up as they are read.
    Synthetic(u64),
}

/// An open journal.
pub(crate) struct Journal {
    pub(crate) reader: SharedReader,
    filestore: Option<Arc<Filestore>>,
}

impl Source {
    /// Opens it. A real journal is read through once, so that nobody finds it cold.
    pub(crate) fn open(&self) -> anyhow::Result<Journal> {
        match self {
            Self::Synthetic(entries) => Ok(Journal {
                reader: Arc::new(Synthetic::new(*entries)),
                filestore: None,
            }),
            Self::Filestore(data) => {
                let filestore = Filestore::open(filestore::Options::new(data))?;
                let reader = filestore.reader();
                let mut after = journal::JournalId::ZERO;
                while let Some(last) = reader.read(after, 1_000)?.entries.last() {
                    after = last.id;
                }
                Ok(Journal {
                    reader,
                    filestore: Some(filestore),
                })
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(filestore) = &self.filestore {
            filestore.close();
        }
    }
}
