//! What can go wrong, by what the caller can do about it.

use axum::http::StatusCode;
use httpkit::{Code, Problem};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the timestore could not do something. Nothing half done is left behind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another timestore of this one, has the data directory.
    #[error(
        "the timestore's data directory {} is in use by {holder}; stop it, or choose another \
         directory with TIDEMARK_DATA_DIR or TIMESTORE_DATABASE_URL", .dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Who has it.
        holder: process::Holder,
    },
    /// The database file cannot be opened.
    #[error("the database {} cannot be opened", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// DuckDB's or the operating system's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database file cannot be opened, since it is damaged.
    #[error(
        "the database {path} is damaged and cannot be opened; put a backup in its place, or move it \
         and {path}.wal aside and start again: the activity is then read anew, as far as the journal \
         goes back (other datasets and saved statements are in this file only)", path = .path.display()
    )]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// DuckDB's reason.
        #[source]
        source: duckdb::Error,
    },
    /// Too much is waiting already.
    #[error("too many requests are waiting for the database")]
    Busy,
    /// The timestore is closing.
    #[error("the timestore is closed")]
    Closed,
    /// The caller went away before the answer.
    #[error("the request was cancelled")]
    Cancelled,
    /// A read took longer than it may.
    #[error("the statement ran longer than {} seconds and was stopped", .0.as_secs_f32())]
    TimedOut(Duration),
    /// A person's statement is wrong.
    #[error("{0}")]
    Statement(String),
    /// A person's statement took more memory than it may.
    #[error("the statement needs more memory than it may use")]
    TooMuchMemory,
    /// A person's statement is not a plain read of the store's tables.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A field of the request is wrong.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer to the field.
        pointer: String,
        /// What is wrong with it, and what would be right.
        detail: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It does not go together with what is there.
    #[error("{detail}")]
    Conflict {
        /// What the client may branch on.
        code: Code,
        /// What does not go together.
        detail: String,
    },
    /// It is no longer as the caller last saw it.
    #[error("{0}")]
    Precondition(String),
    /// The disk is full or the file cannot be written now; later it may be.
    #[error("the database cannot be written now")]
    Unavailable(#[source] duckdb::Error),
    /// The stored data is damaged, or DuckDB has failed inside.
    #[error("the database is damaged")]
    Damaged(#[source] duckdb::Error),
    /// DuckDB refused one of this crate's own statements, or a result could not be written out: a
    /// defect.
    #[error("the database refused an internal statement")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a person's statement is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than [`STATEMENT_MAX_BYTES`].
    #[error("the statement is longer than {} KiB", STATEMENT_MAX_BYTES >> 10)]
    TooLong,
    /// Its expressions or queries are nested too deeply.
    #[error("the statement is nested too deeply")]
    TooDeep,
    /// There are several, or none.
    #[error("send exactly one statement, not {0}")]
    NotOne(usize),
    /// It does something else than read.
    #[error(
        "only SELECT, FROM, VALUES, WITH, DESCRIBE, SHOW and SUMMARIZE are allowed (a PIVOT needs its values listed with IN)"
    )]
    NotARead,
    /// It calls a function that is not in the list.
    #[error("the function {0} is not allowed here")]
    Function(String),
    /// It reads from something that is spelled like a file.
    #[error("{0:?} is not a table of this store; files cannot be read")]
    File(String),
    /// The token is limited to paths, and it reads something else than the activity.
    #[error(
        "{0:?} is not a table that this token may read: it is limited to paths, and only the \
         table of the activity has paths"
    )]
    NotPermitted(String),
    /// The token is limited to paths, and a table is named with its schema.
    #[error("name the table without {0:?} before it: the token is limited to paths")]
    Qualified(String),
    /// The token is limited to paths, and a name of WITH is a table's.
    #[error("the name {0:?} is taken; choose another one for what WITH makes")]
    Taken(String),
    /// It could make values that are too long.
    #[error(
        "{function} could bring what the statement makes to {bytes} bytes a row, and {most} are allowed: \
         make less at once, or make rows of it (FROM range(…), unnest)"
    )]
    TooLarge {
        /// What makes the values.
        function: String,
        /// What all expressions so far make at most, for one row.
        bytes: u64,
        /// What they may make.
        most: u64,
    },
    /// How much a function makes is only known while it runs.
    #[error("how much {function} makes must be known before it runs: {advice}")]
    Unbounded {
        /// The function.
        function: String,
        /// How to write it.
        advice: &'static str,
    },
    /// It builds on a value that an aggregate gathered in another query.
    #[error(
        "{0} builds on a value that list, string_agg or the like gathered: do it before they gather, \
         or take the value apart with unnest"
    )]
    Gathered(String),
    /// A recursive query makes its values longer without an end.
    #[error(
        "the recursive query {0} makes its values longer each time: cut them, for example with \
         left(…, 1000)"
    )]
    Recursion(String),
}

/// Longer statements are refused unread.
pub(crate) const STATEMENT_MAX_BYTES: usize = 64 << 10;

/// What this crate returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }

    /// A defect with nothing but words to it.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into().into())
    }

    /// The same error, when it keeps the database at `path` from being opened.
    pub(crate) fn on_opening(self, path: &Path) -> Self {
        let path = path.to_owned();
        match self {
            Self::Damaged(source) => Self::DamagedFile { path, source },
            Self::Unavailable(source) => Self::Open {
                path,
                source: source.into(),
            },
            Self::Internal(source) => Self::Open { path, source },
            other => other,
        }
    }

    /// Whether the same call may succeed later, unchanged.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Unavailable(_) | Self::TimedOut(_) | Self::Locked { .. }
        )
    }

    /// Whether DuckDB had too little memory.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Unavailable(source) => {
                message(source).starts_with("Out of Memory Error")
                    || message(source).contains(MORE_MEMORY)
            }
            _ => false,
        }
    }

    /// Whether DuckDB has given up on the open database: it must be opened again.
    pub(crate) fn is_invalidated(&self) -> bool {
        match self {
            Self::Unavailable(source) | Self::Damaged(source) => {
                message(source).contains("database has been invalidated")
                    || message(source).starts_with("FATAL Error")
            }
            _ => false,
        }
    }
}

/// What DuckDB advises wherever memory is short, whatever the kind of the error.
const MORE_MEMORY: &str = "Increasing the memory limit";

/// DuckDB's own words; its error type carries nothing else that tells errors apart.
pub(crate) fn message(error: &duckdb::Error) -> &str {
    match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message,
        _ => "",
    }
}

impl From<duckdb::Error> for Error {
    fn from(error: duckdb::Error) -> Self {
        let text = message(&error);
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if starts(&["INTERRUPT Error"]) {
            Self::Cancelled
        } else if text.contains(MORE_MEMORY) {
            // Before the signs of damage: a log that is replayed with too little memory is whole.
            Self::Unavailable(error)
        } else if [
            "Corrupt database file",
            "Corrupt WAL file",
            "checksum",
            "not a valid DuckDB database",
            "Could not read enough bytes",
            "Failure while replaying WAL",
        ]
        .iter()
        .any(|words| text.contains(words))
        {
            // DuckDB tells a block that does not fit its checksum, or is not there, as an error of
            // reading.
            Self::Damaged(error)
        } else if starts(&["IO Error", "Out of Memory Error", "TransactionContext Error: Conflict"])
            // A failed write to the log takes the whole instance down; opening it again mends it.
            || (starts(&["FATAL Error", "TransactionContext Error"])
                && ["Could not write", "No space left", "IO Error", "File too large", "invalidated"]
                    .iter()
                    .any(|cause| text.contains(cause)))
        {
            Self::Unavailable(error)
        } else if starts(&[
            "FATAL Error",
            "INTERNAL Error",
            "Serialization Error",
            "Corrupt",
        ]) {
            Self::Damaged(error)
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

impl From<duckdb::arrow::error::ArrowError> for Error {
    fn from(error: duckdb::arrow::error::ArrowError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy | Error::Locked { .. } => {
                Self::unavailable("too many requests are waiting for the database")
            }
            Error::Closed | Error::Cancelled => Self::unavailable("the timestore is stopping"),
            Error::TimedOut(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::StatementTimeout,
                error.to_string(),
            ),
            Error::Statement(detail) => Self::bad_request(Code::InvalidSql, detail),
            Error::TooMuchMemory => Self::bad_request(Code::InvalidSql, error.to_string()),
            Error::Refused(refusal) => Self::new(
                StatusCode::FORBIDDEN,
                Code::StatementRefused,
                refusal.to_string(),
            ),
            Error::Invalid { pointer, detail } => Self::invalid(&pointer, detail),
            Error::NotFound(detail) => Self::not_found(detail),
            Error::Conflict { code, detail } => Self::conflict(code, detail),
            Error::Precondition(detail) => Self::new(
                StatusCode::PRECONDITION_FAILED,
                Code::PreconditionFailed,
                detail,
            ),
            Error::Unavailable(_) if error.is_out_of_memory() => Self::unavailable(
                "the database has too little memory for it: send less at once, or raise \
                 TIMESTORE_MEMORY_LIMIT_MIB",
            ),
            Error::Unavailable(ref source) => {
                tracing::warn!(error = message(source), "database cannot be written");
                Self::unavailable("the database cannot be written now (is the disk full?)")
            }
            Error::Damaged(_)
            | Error::DamagedFile { .. }
            | Error::Open { .. }
            | Error::Internal(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Error {
        Error::from(duckdb::Error::DuckDBFailure(
            duckdb::ffi::Error::new(1),
            Some(message.to_owned()),
        ))
    }

    #[test]
    fn duckdb_errors_are_told_apart_by_what_helps() {
        assert!(matches!(
            failure("IO Error: No space left on device"),
            Error::Unavailable(_)
        ));
        assert!(matches!(
            failure("Out of Memory Error: failed to pin"),
            Error::Unavailable(_)
        ));
        assert!(matches!(
            failure("INTERRUPT Error: Interrupted!"),
            Error::Cancelled
        ));
        let corrupt = "IO Error: Corrupt database file: computed checksum 1 does not match stored \
                       checksum 2 in block at location 3";
        assert!(matches!(failure(corrupt), Error::Damaged(_)));
        assert!(matches!(
            failure("Serialization Error: bad block"),
            Error::Damaged(_)
        ));
        assert!(matches!(
            failure("Binder Error: no column"),
            Error::Internal(_)
        ));
        let fatal = "FATAL Error: Failed to write: Could not write file: File too large";
        assert!(matches!(failure(fatal), Error::Unavailable(_)));
        assert!(failure(fatal).is_invalidated());
        assert!(!failure("IO Error: x").is_invalidated());
        let folding = "FATAL Error: Failed to create checkpoint because of error: could not \
                       allocate block of size 256.0 KiB (31.7 MiB/32.0 MiB used)\n\nPossible \
                       solutions:\n* Increasing the memory limit (SET memory_limit='...GB')";
        assert!(matches!(failure(folding), Error::Unavailable(_)));
        assert!(failure(folding).is_invalidated() && failure(folding).is_out_of_memory());
        assert!(!failure(fatal).is_out_of_memory());
        let replaying = "INTERNAL Error: Failure while replaying WAL file: could not allocate block \
                         of size 256.0 KiB\n* Increasing the memory limit";
        assert!(failure(replaying).is_out_of_memory());
        let appending = "Failed to append: failed to allocate data of size 16.0 KiB (1.9 MiB/2.0 \
                         MiB used)\n\nPossible solutions:\n* Increasing the memory limit";
        assert!(failure(appending).is_out_of_memory() && !failure(appending).is_invalidated());
        let told = format!("{:?}", Problem::from(failure(appending)));
        assert!(told.contains("TIMESTORE_MEMORY_LIMIT_MIB"), "{told}");
    }
}
