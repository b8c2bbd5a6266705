//! Media types: what a body is, and what an answer may be (RFC 9110, sections 8.3 and 12.5.1).

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use mime::Mime;

use crate::header::refused;
use crate::{Code, Problem, Result, header, header_list};

/// Which of `served` the body is, by its `Content-Type`.
///
/// # Errors
/// 415 naming what is served, if it is none of them or in another charset than UTF-8.
pub fn content_type(headers: &HeaderMap, served: &[&'static str]) -> Result<&'static str> {
    let not_served = || {
        unsupported(format!(
            "the body must be {list} and say so: add -H 'content-type: {first}'",
            list = list(served),
            first = served.first().copied().unwrap_or_default(),
        ))
    };
    let text = header(headers, CONTENT_TYPE.as_str())?.ok_or_else(not_served)?;
    let sent: Mime = text.parse().map_err(|_| not_served())?;
    let found = served.iter().find(|it| sent.essence_str() == **it);
    let found = found.ok_or_else(not_served)?;
    match sent.get_param(mime::CHARSET) {
        Some(charset) if charset != mime::UTF_8 => Err(unsupported(format!(
            "the charset {charset} is not taken; send the body in UTF-8"
        ))),
        _ => Ok(found),
    }
}

/// Which of `offered` the client wants most, by `Accept`; the first one if it does not say.
///
/// # Errors
/// 406 naming what is offered, if none of them is wanted.
pub fn accepted(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str> {
    let all = offered.first().copied().unwrap_or_default();
    let Some(ranges) = header_list(headers, ACCEPT.as_str())?.filter(|ranges| !ranges.is_empty())
    else {
        return Ok(all);
    };
    let ranges = ranges
        .into_iter()
        .map(Range::parse)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            refused(
                ACCEPT.as_str(),
                "write media types with commas between them, such as text/csv;q=0.5",
            )
        })?;
    let best = offered
        .iter()
        .enumerate()
        .filter_map(|(order, offered)| {
            let (place, range) = Range::of(&ranges, offered)?;
            // Of equal weights the more exact range counts, then the one that stands first.
            (range.weight > 0).then(|| {
                let rank = (
                    range.weight,
                    range.exactness(),
                    std::cmp::Reverse((place, order)),
                );
                (rank, *offered)
            })
        })
        .max_by_key(|(rank, _)| *rank);
    best.map(|(_, offered)| offered).ok_or_else(|| {
        let detail = format!("accept {}", list(offered));
        Problem::new(StatusCode::NOT_ACCEPTABLE, Code::NotAcceptable, detail)
    })
}

/// Whether the client names `encoding` as one that it takes (RFC 9110, section 12.5.3). `*` names none.
///
/// # Errors
/// 400, if `Accept-Encoding` is not UTF-8.
pub fn takes_encoding(headers: &HeaderMap, encoding: &str) -> Result<bool> {
    let taken = header_list(headers, ACCEPT_ENCODING.as_str())?.unwrap_or_default();
    Ok(taken.into_iter().any(|element| {
        let (name, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
        let weight = parameter.trim().split_once('=');
        let is_refused =
            weight.is_none_or(|(_, weight)| thousandths(weight.trim()).is_none_or(|it| it == 0));
        name.trim().eq_ignore_ascii_case(encoding) && !is_refused
    }))
}

/// Refuses a body that is compressed.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<()> {
    let encodings = header_list(headers, CONTENT_ENCODING.as_str())?.unwrap_or_default();
    match encodings
        .iter()
        .find(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        Some(encoding) => Err(unsupported(format!(
            "the content encoding {encoding:?} is not taken; send the body as it is"
        ))),
        None => Ok(()),
    }
}

fn unsupported(detail: String) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, Code::UnsupportedMediaType, detail)
}

fn list(types: &[&str]) -> String {
    match types {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [start @ .., last] => format!("{} or {last}", start.join(", ")),
    }
}

/// One element of `Accept`.
#[derive(Debug)]
struct Range {
    /// `text`, or `*`.
    top: String,
    /// `csv`, or `*`.
    sub: String,
    /// In thousandths.
    weight: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        // What Java's old client sends.
        let range = parts
            .next()
            .map(|range| if range == "*" { "*/*" } else { range })?;
        let (top, sub) = range.split_once('/')?;
        let mut weight = 1000;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if name.trim().eq_ignore_ascii_case("q") {
                weight = thousandths(value.trim())?;
            }
        }
        (!top.is_empty() && !sub.is_empty()).then(|| Self {
            top: top.to_ascii_lowercase(),
            sub: sub.to_ascii_lowercase(),
            weight,
        })
    }

    /// The range that says most exactly what is thought of `offered`, and its place.
    fn of<'r>(ranges: &'r [Self], offered: &str) -> Option<(usize, &'r Self)> {
        let (top, sub) = offered.split_once('/')?;
        ranges
            .iter()
            .enumerate()
            .filter(|(_, range)| {
                (range.top == "*" || range.top == top) && (range.sub == "*" || range.sub == sub)
            })
            .max_by_key(|(place, range)| (range.exactness(), std::cmp::Reverse(*place)))
    }

    fn exactness(&self) -> u8 {
        u8::from(self.top != "*") + u8::from(self.sub != "*")
    }
}

/// `1`, `0.5` or `0.125`, in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let fraction: u32 = format!("{fraction:0<3}").parse().ok()?;
    let weight = whole.checked_mul(1000)?.checked_add(fraction)?;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_body_is_what_is_served_or_a_415() {
        const JSON: &[&str] = &["application/json"];
        for text in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x",
        ] {
            assert_eq!(
                content_type(&with(CONTENT_TYPE, text), JSON).unwrap(),
                "application/json"
            );
        }
        for text in [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/vnd.book+json",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/json; charset=iso-8859-1",
            "json",
        ] {
            let problem = content_type(&with(CONTENT_TYPE, text), JSON).unwrap_err();
            assert_eq!(problem.status(), 415, "{text}");
        }
        assert_eq!(
            content_type(&HeaderMap::new(), JSON).unwrap_err().status(),
            415
        );
    }

    #[test]
    fn an_encoded_body_is_a_415() {
        for text in ["gzip", "identity, br", "GZIP"] {
            let problem = check_encoding(&with(CONTENT_ENCODING, text)).unwrap_err();
            assert_eq!(problem.status(), 415, "{text}");
        }
        check_encoding(&with(CONTENT_ENCODING, "Identity")).unwrap();
        check_encoding(&HeaderMap::new()).unwrap();
    }

    #[test]
    fn an_encoding_is_taken_if_it_is_named() {
        for (text, is_taken) in [
            ("zstd", true),
            ("gzip, ZSTD;q=0.1", true),
            ("br;q=1, zstd ; q=1.000", true),
            ("zstd;q=0", false),
            ("zstd;q=0.000, *", false),
            ("zstd;q=often", false),
            ("*", false),
            ("gzip", false),
            ("", false),
        ] {
            let taken = takes_encoding(&with(ACCEPT_ENCODING, text), "zstd").unwrap();
            assert_eq!(taken, is_taken, "{text}");
        }
        assert!(!takes_encoding(&HeaderMap::new(), "zstd").unwrap());
    }

    #[test]
    fn the_answer_is_what_is_wanted_most() {
        const OFFERED: &[&str] = &["application/json", "application/x-ndjson", "text/csv"];
        for (accept, wanted) in [
            ("*/*", Some("application/json")),
            ("", Some("application/json")),
            ("text/csv", Some("text/csv")),
            ("TEXT/CSV", Some("text/csv")),
            ("text/*", Some("text/csv")),
            ("application/json;q=0.5, text/csv", Some("text/csv")),
            (
                "application/json;q=0.5, text/csv;Q=0.4",
                Some("application/json"),
            ),
            ("text/csv, application/json", Some("text/csv")),
            ("*/*, text/csv", Some("text/csv")),
            (
                "text/html, application/xhtml+xml, */*;q=0.8",
                Some("application/json"),
            ),
            ("*/*, application/json;q=0", Some("application/x-ndjson")),
            (
                "application/json;q=0, application/*;q=0.1",
                Some("application/x-ndjson"),
            ),
            ("image/png", None),
            ("text/csv;q=0", None),
            ("text/csv;q=0.000", None),
        ] {
            let got = accepted(&with(ACCEPT, accept), OFFERED);
            match wanted {
                Some(wanted) => assert_eq!(got.unwrap(), wanted, "{accept}"),
                None => assert_eq!(got.unwrap_err().status(), 406, "{accept}"),
            }
        }
        for accept in ["csv", "text/csv;q=2", "text/csv;q=high"] {
            let problem = accepted(&with(ACCEPT, accept), OFFERED).unwrap_err();
            assert_eq!(problem.status(), 400, "{accept}");
        }
        assert_eq!(
            accepted(&HeaderMap::new(), OFFERED).unwrap(),
            "application/json"
        );
    }
}
