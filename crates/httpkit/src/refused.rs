//! What hyper says of a request that it cannot read, with the body that every error has.
//!
//! Such a request reaches no router: hyper writes a head with a status and nothing more, and closes
//! the connection. An answer of a router has an id of its request, by which the two are told apart.

use axum::http::StatusCode;

use crate::Problem;
use crate::codes::Code;
use crate::problem::CONTENT_TYPE_PROBLEM_TEXT;

/// The headers that hyper writes by itself.
const OWN: [&str; 3] = ["connection", "content-length", "date"];

/// The answer with a problem document, if it is one that hyper made.
pub(crate) fn with_problem(answer: &[u8]) -> Option<Vec<u8>> {
    let head = str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let (first, headers) = head.split_once("\r\n")?;
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let is_own = |line: &str| line.split_once(':').is_some_and(|it| OWN.contains(&it.0));
    let is_empty = headers
        .split("\r\n")
        .any(|line| line == "content-length: 0");
    if !status.is_client_error() || !is_empty || !headers.split("\r\n").all(is_own) {
        return None;
    }
    let detail = match status {
        StatusCode::URI_TOO_LONG => "the address of the request is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the head of the request is too large: 128 KiB are taken"
        }
        _ => "the request is not HTTP/1.1, or its head is broken",
    };
    let body = Problem::new(status, Code::for_status(status.as_u16()), detail).document(None);
    let mut whole = first.as_bytes().to_vec();
    for line in headers
        .split("\r\n")
        .filter(|line| *line != "content-length: 0")
    {
        whole.extend_from_slice(b"\r\n");
        whole.extend_from_slice(line.as_bytes());
    }
    let length = body.len();
    let about = format!(
        "\r\ncontent-type: {CONTENT_TYPE_PROBLEM_TEXT}\r\ncontent-length: {length}\r\n\r\n"
    );
    whole.extend_from_slice(about.as_bytes());
    whole.extend_from_slice(&body);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hyper_wrote_by_itself_gets_a_body() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                   content-length: 0\r\ndate: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\n";
        let whole = String::from_utf8(with_problem(own.as_bytes()).unwrap()).unwrap();
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: "));
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert_eq!(head.matches("content-length").count(), 1);
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 431);
        for other in [
            own.replace("431", "200"),
            own.replace("date:", "x-request-id: 7\r\ndate:"),
            own.replace("content-length: 0", "content-length: 2"),
            own.trim_end().to_owned(),
            format!("{own}more"),
            "garbage".to_owned(),
        ] {
            assert_eq!(with_problem(other.as_bytes()), None, "{other}");
        }
    }
}
