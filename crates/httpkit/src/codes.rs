//! The closed list of error codes.
//!
//! A code is what a client may branch on, so it never changes its meaning. Each has a title (the
//! same for every occurrence, as RFC 9457 asks) and a sentence on the way out, shown on the page
//! that a problem's `type` points to.

use std::fmt;

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $way_out:literal)*) => {
        /// What a client may branch on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!($title, ". ", $way_out)] $name,)*
        }

        impl Code {
            /// Every code that an answer of Tidemark can carry, in the order of the page.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is written in a problem document, `snake_case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// What the caller can do about it.
            #[must_use]
            pub const fn way_out(self) -> &'static str {
                match self {
                    $(Self::$name => $way_out,)*
                }
            }
        }
    };
}

codes! {
    // What was asked
    InvalidRequest "invalid_request"
        "The request is invalid"
        "Correct the fields that `errors` names by JSON pointer."
    MalformedJson "malformed_json"
        "The body is not JSON"
        "Correct the JSON at the line and column that `detail` names."
    UnsupportedMediaType "unsupported_media_type"
        "The content type is not taken here"
        "Send the content type that `detail` names."
    NotAcceptable "not_acceptable"
        "No representation that the client accepts"
        "Ask for one of the content types in `detail`, or leave the Accept header out."
    NotFound "not_found"
        "Not found"
        "Check the path and the identifiers; /docs lists every operation."
    MethodNotAllowed "method_not_allowed"
        "Method not allowed"
        "Use a method of the Allow header."
    PayloadTooLarge "payload_too_large"
        "The body is too large"
        "Send less at once."
    UriTooLong "uri_too_long"
        "The address is too long"
        "Send the parameters in a body."
    RangeNotSatisfiable "range_not_satisfiable"
        "The range lies outside the content"
        "Ask for a range within the length in Content-Range."
    RequestTimeout "request_timeout"
        "The request came too slowly"
        "Send the request again; check the connection."
    // Who asked
    Unauthorized "unauthorized"
        "A token is needed"
        "Send `Authorization: Bearer <token>` with a token of the tokens file."
    Forbidden "forbidden"
        "The caller may not do this"
        "Use a token with the scope or namespace that `detail` names."
    ForeignOrigin "foreign_origin"
        "The request comes from another origin"
        "Call the service by a loopback address, or configure a tokens file."
    TokensFileBroken "tokens_file_broken"
        "The tokens file is broken"
        "Correct the file at the place that `detail` names; the tokens read before hold."
    // What stands in the way
    Conflict "conflict"
        "The request conflicts with what is there"
        "Read the present state first."
    AlreadyExists "already_exists"
        "It exists already"
        "Choose another name, or allow overwriting where the operation offers it."
    VersionConflict "version_conflict"
        "The version has moved on"
        "Read the present version, merge, and send it as the expected one."
    IdempotencyConflict "idempotency_conflict"
        "The idempotency key was used for another request"
        "Use a new key for a new request."
    NotEmpty "not_empty"
        "The directory is not empty"
        "Ask for a recursive deletion, or empty it first."
    WrongKind "wrong_kind"
        "The node is of another kind"
        "Check whether a file or a directory is meant."
    InvalidPath "invalid_path"
        "The path is not usable"
        "Use a path relative to the mount, without `..`."
    ChecksumMismatch "checksum_mismatch"
        "The content does not have the promised checksum"
        "Upload again; nothing was stored."
    ReadOnly "read_only"
        "It takes no writes"
        "Write elsewhere, or change the access mode."
    PreconditionFailed "precondition_failed"
        "A precondition does not hold"
        "Read the present state and decide again."
    Unsupported "unsupported"
        "This is not supported here"
        "See `detail` for what is supported instead."
    Quarantined "quarantined"
        "The record is quarantined"
        "Supply what the namespace rule requires."
    // The journal
    JournalTrimmed "journal_trimmed"
        "The journal no longer holds that entry"
        "Start again from a snapshot (`/v1/snapshot`) and follow from its journal id."
    JournalNotReached "journal_not_reached"
        "The journal id asked for is not applied yet"
        "Ask again, or allow a longer `waitMs`; `detail` says how far it is."
    JournalMismatch "journal_mismatch"
        "This is another journal, or another history of it"
        "See `detail`; a rebuild of the consumer follows the present journal."
    DeadLetterRefused "dead_letter_refused"
        "The parked entry still cannot be applied"
        "Remove the cause that `detail` names and retry, or discard the entry."
    RebuildRunning "rebuild_running"
        "The book is being rebuilt already"
        "Follow `rebuild` of GET /filestore/health, or end it with DELETE /filestore/rebuild."
    RebuildWouldLose "rebuild_would_lose"
        "A rebuild would lose what nobody can bring back"
        "Read in `detail` what would be lost; go on with `acceptLoss` if that is meant."
    NotReplayable "not_replayable"
        "The journal cannot be replayed from there"
        "Replay from an entry that `detail` allows, or rebuild the whole book."
    // SQL
    InvalidSql "invalid_sql"
        "The SQL statement is invalid"
        "Correct the statement as `detail` says."
    StatementRefused "statement_refused"
        "The statement is not allowed"
        "Only reads of the store's own tables are allowed."
    StatementTimeout "statement_timeout"
        "The statement took too long"
        "Narrow the statement, or ask for fewer rows."
    SchemaConflict "schema_conflict"
        "The schema does not fit the dataset"
        "Send rows of the dataset's schema, or allow its evolution."
    // The service
    TooManyRequests "too_many_requests"
        "Too many requests"
        "Wait for the seconds in Retry-After."
    Unavailable "unavailable"
        "The service is not available"
        "Wait for the seconds in Retry-After."
    NotReady "not_ready"
        "The service is not ready"
        "Wait; `detail` says for what."
    StorageFull "storage_full"
        "The storage is full"
        "Make room; nothing was changed."
    ShuttingDown "shutting_down"
        "The service is stopping"
        "Send the request again to the next one."
    Timeout "timeout"
        "The service did not answer in time"
        "Try again; check /readyz and the log."
    BadGateway "bad_gateway"
        "A service behind this one failed"
        "Check the service that `detail` names."
    NotImplemented "not_implemented"
        "Not implemented"
        "See /docs for what is."
    Internal "internal"
        "Internal error"
        "Look for the request id (`instance`) in the service's log; the cause is there."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Code {
    /// The code as AppHub's clients know it, which read it in upper case and have fewer of them.
    pub(crate) fn for_apphub(self) -> String {
        match self {
            Self::MalformedJson | Self::UnsupportedMediaType | Self::RangeNotSatisfiable => {
                "INVALID_REQUEST".to_owned()
            }
            Self::Unsupported => "NOT_SUPPORTED".to_owned(),
            Self::NotEmpty => "CHILDREN_EXIST".to_owned(),
            Self::Internal => "INTERNAL_SERVER_ERROR".to_owned(),
            code => code.as_str().to_ascii_uppercase(),
        }
    }

    /// The code that says no more than `status` itself.
    pub(crate) const fn for_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 => Self::RequestTimeout,
            409 => Self::Conflict,
            412 => Self::PreconditionFailed,
            413 => Self::PayloadTooLarge,
            414 => Self::UriTooLong,
            415 => Self::UnsupportedMediaType,
            416 => Self::RangeNotSatisfiable,
            429 => Self::TooManyRequests,
            400..=499 => Self::InvalidRequest,
            501 => Self::NotImplemented,
            502 => Self::BadGateway,
            503 => Self::Unavailable,
            504 => Self::Timeout,
            507 => Self::StorageFull,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_in_snake_case() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert!(
                Code::ALL[..i]
                    .iter()
                    .all(|other| other.as_str() != code.as_str()),
                "{code} twice"
            );
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(code.as_str().chars().all(is_word), "{code}");
            assert!(code.way_out().ends_with('.'), "{code}");
        }
    }
}
