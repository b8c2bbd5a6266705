//! The closed list of error codes.
//!
//! A code is what a client may branch on, so it never changes its meaning. Each has a title (the
//! same for every occurrence, as RFC 9457 asks) and a sentence on the way out, shown on the page
//! that a problem's `type` points to.

/// One error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// What clients branch on, `snake_case`.
    pub code: &'static str,
    /// The same for every occurrence.
    pub title: &'static str,
    /// What the caller can do about it.
    pub way_out: &'static str,
}

const fn code(code: &'static str, title: &'static str, way_out: &'static str) -> Code {
    Code {
        code,
        title,
        way_out,
    }
}

/// Every code that an answer of Tidemark can carry, in the order of the page.
pub const ALL: &[Code] = &[
    // What was asked
    code(
        "invalid_request",
        "The request is invalid",
        "Correct the fields that `errors` names by JSON pointer.",
    ),
    code(
        "malformed_json",
        "The body is not JSON",
        "Correct the JSON at the line and column that `detail` names.",
    ),
    code(
        "unsupported_media_type",
        "The content type is not taken here",
        "Send the content type that `detail` names.",
    ),
    code(
        "not_acceptable",
        "No representation that the client accepts",
        "Ask for one of the content types in `detail`, or leave the Accept header out.",
    ),
    code(
        "not_found",
        "Not found",
        "Check the path and the identifiers; /docs lists every operation.",
    ),
    code(
        "method_not_allowed",
        "Method not allowed",
        "Use a method of the Allow header.",
    ),
    code(
        "payload_too_large",
        "The body is too large",
        "Send less at once.",
    ),
    code(
        "uri_too_long",
        "The address is too long",
        "Send the parameters in a body.",
    ),
    code(
        "range_not_satisfiable",
        "The range lies outside the content",
        "Ask for a range within the length in Content-Range.",
    ),
    code(
        "request_timeout",
        "The request came too slowly",
        "Send the request again; check the connection.",
    ),
    // Who asked
    code(
        "unauthorized",
        "A token is needed",
        "Send `Authorization: Bearer <token>` with a token of the tokens file.",
    ),
    code(
        "forbidden",
        "The caller may not do this",
        "Use a token with the scope or namespace that `detail` names.",
    ),
    code(
        "foreign_origin",
        "The request comes from another origin",
        "Call the service by a loopback address, or configure a tokens file.",
    ),
    // What stands in the way
    code(
        "conflict",
        "The request conflicts with what is there",
        "Read the present state first.",
    ),
    code(
        "already_exists",
        "It exists already",
        "Choose another name, or allow overwriting where the operation offers it.",
    ),
    code(
        "version_conflict",
        "The version has moved on",
        "Read the present version, merge, and send it as the expected one.",
    ),
    code(
        "idempotency_conflict",
        "The idempotency key was used for another request",
        "Use a new key for a new request.",
    ),
    code(
        "not_empty",
        "The directory is not empty",
        "Ask for a recursive deletion, or empty it first.",
    ),
    code(
        "wrong_kind",
        "The node is of another kind",
        "Check whether a file or a directory is meant.",
    ),
    code(
        "invalid_path",
        "The path is not usable",
        "Use a path relative to the mount, without `..`.",
    ),
    code(
        "checksum_mismatch",
        "The content does not have the promised checksum",
        "Upload again; nothing was stored.",
    ),
    code(
        "read_only",
        "It takes no writes",
        "Write elsewhere, or change the access mode.",
    ),
    code(
        "precondition_failed",
        "A precondition does not hold",
        "Read the present state and decide again.",
    ),
    code(
        "unsupported",
        "This is not supported here",
        "See `detail` for what is supported instead.",
    ),
    code(
        "quarantined",
        "The record is quarantined",
        "Supply what the namespace rule requires.",
    ),
    // The journal
    code(
        "journal_trimmed",
        "The journal no longer holds that entry",
        "Start again from a snapshot (`/v1/snapshot`) and follow from its journal id.",
    ),
    code(
        "journal_not_reached",
        "The journal id asked for is not applied yet",
        "Ask again, or allow a longer `waitMs`; `detail` says how far it is.",
    ),
    code(
        "journal_mismatch",
        "This is another journal, or another history of it",
        "See `detail`; a rebuild of the consumer follows the present journal.",
    ),
    code(
        "dead_letter_refused",
        "The parked entry still cannot be applied",
        "Remove the cause that `detail` names and retry, or discard the entry.",
    ),
    code(
        "rebuild_running",
        "The book is being rebuilt already",
        "Follow `rebuild` of GET /filestore/health, or end it with DELETE /filestore/rebuild.",
    ),
    code(
        "rebuild_would_lose",
        "A rebuild would lose what nobody can bring back",
        "Read in `detail` what would be lost; go on with `acceptLoss` if that is meant.",
    ),
    code(
        "not_replayable",
        "The journal cannot be replayed from there",
        "Replay from an entry that `detail` allows, or rebuild the whole book.",
    ),
    // SQL
    code(
        "invalid_sql",
        "The SQL statement is invalid",
        "Correct the statement as `detail` says.",
    ),
    code(
        "statement_refused",
        "The statement is not allowed",
        "Only reads of the store's own tables are allowed.",
    ),
    code(
        "statement_timeout",
        "The statement took too long",
        "Narrow the statement, or ask for fewer rows.",
    ),
    code(
        "schema_conflict",
        "The schema does not fit the dataset",
        "Send rows of the dataset's schema, or allow its evolution.",
    ),
    // The service
    code(
        "too_many_requests",
        "Too many requests",
        "Wait for the seconds in Retry-After.",
    ),
    code(
        "unavailable",
        "The service is not available",
        "Wait for the seconds in Retry-After.",
    ),
    code(
        "not_ready",
        "The service is not ready",
        "Wait; `detail` says for what.",
    ),
    code(
        "storage_full",
        "The storage is full",
        "Make room; nothing was changed.",
    ),
    code(
        "shutting_down",
        "The service is stopping",
        "Send the request again to the next one.",
    ),
    code(
        "timeout",
        "The service did not answer in time",
        "Try again; check /readyz and the log.",
    ),
    code(
        "bad_gateway",
        "A service behind this one failed",
        "Check the service that `detail` names.",
    ),
    code(
        "not_implemented",
        "Not implemented",
        "See /docs for what is.",
    ),
    code(
        "internal",
        "Internal error",
        "Look for the request id (`instance`) in the service's log; the cause is there.",
    ),
];

/// The entry of `code`, if it is in the list.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|known| known.code == code)
}

/// The code as AppHub's clients know it, which read it in upper case and have fewer of them.
pub(crate) fn for_apphub(code: &str) -> String {
    match code {
        "malformed_json" | "unsupported_media_type" | "range_not_satisfiable" => {
            "INVALID_REQUEST".to_owned()
        }
        "unsupported" => "NOT_SUPPORTED".to_owned(),
        "not_empty" => "CHILDREN_EXIST".to_owned(),
        "internal" => "INTERNAL_SERVER_ERROR".to_owned(),
        code => code.to_ascii_uppercase(),
    }
}

/// The code that says no more than `status` itself.
pub(crate) const fn for_status(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 | 410 => "not_found",
        405 => "method_not_allowed",
        406 => "not_acceptable",
        408 => "request_timeout",
        409 => "conflict",
        412 => "precondition_failed",
        413 => "payload_too_large",
        414 => "uri_too_long",
        415 => "unsupported_media_type",
        416 => "range_not_satisfiable",
        429 => "too_many_requests",
        400..=499 => "invalid_request",
        501 => "not_implemented",
        502 => "bad_gateway",
        503 => "unavailable",
        504 => "timeout",
        507 => "storage_full",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_in_snake_case() {
        for (i, known) in ALL.iter().enumerate() {
            assert!(
                ALL[..i].iter().all(|other| other.code != known.code),
                "{} twice",
                known.code
            );
            assert!(
                known
                    .code
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_')
            );
            assert!(known.way_out.ends_with('.'), "{}", known.code);
        }
    }

    #[test]
    fn every_error_status_has_a_code_of_the_list() {
        for status in 400..600 {
            assert!(find(for_status(status)).is_some(), "{status}");
        }
    }
}
