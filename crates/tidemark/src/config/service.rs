//! Which service is meant.

/// One of the three services.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The book of files.
    Filestore,
    /// The book of what people say.
    Metastore,
    /// The book of changes.
    Timestore,
}

impl Service {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Filestore, Self::Metastore, Self::Timestore];
}
