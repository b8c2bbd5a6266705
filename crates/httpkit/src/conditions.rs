//! Conditional requests (RFC 9110, section 13): what the client knows is held against what is
//! there now.

use std::time::{Duration, SystemTime};

use axum::http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::header::refused;
use crate::{Code, Problem, Result, header, header_list};

/// What tells one state of a thing from another.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// As it is sent, in quotes.
    pub etag: &'a str,
    /// As `Last-Modified` says, in whole seconds; `None` if it says nothing.
    pub modified: Option<SystemTime>,
}

impl Validators<'_> {
    /// Whether the client has this state already, so that 304 is the answer.
    ///
    /// # Errors
    /// 412 if a condition does not hold, 400 naming a header that cannot be read.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<bool> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if let Some(tags) = tags(headers, &IF_MATCH)? {
            if !tags.iter().any(|tag| tag.is(self.etag)) {
                return Err(self.failed(&IF_MATCH));
            }
        } else if let Some(since) = date(headers, &IF_UNMODIFIED_SINCE)?
            && self.modified.is_some_and(|modified| modified > since)
        {
            return Err(self.failed(&IF_UNMODIFIED_SINCE));
        }
        if let Some(tags) = tags(headers, &IF_NONE_MATCH)? {
            let is_known = tags.iter().any(|tag| tag.is_weakly(self.etag));
            return if is_known && !is_read {
                Err(self.failed(&IF_NONE_MATCH))
            } else {
                Ok(is_known)
            };
        }
        let since = date(headers, &IF_MODIFIED_SINCE)?.filter(|_| is_read);
        Ok(since
            .zip(self.modified)
            .is_some_and(|(since, modified)| modified <= since))
    }

    /// Whether a range that is asked for is meant for this state: there is no `If-Range`, or it
    /// names this state.
    ///
    /// # Errors
    /// 400 if the header cannot be read.
    pub fn range_is_meant(&self, headers: &HeaderMap) -> Result<bool> {
        let Some(text) = header(headers, IF_RANGE.as_str())? else {
            return Ok(true);
        };
        if text.starts_with('"') || text.starts_with("W/") {
            return Ok(text == self.etag);
        }
        let date = httpdate::parse_http_date(text).map_err(|_| {
            refused(
                IF_RANGE.as_str(),
                "it is neither an ETag in quotes nor a date",
            )
        })?;
        Ok(self.modified == Some(date))
    }

    fn failed(&self, name: &HeaderName) -> Problem {
        let modified = self
            .modified
            .map(|modified| format!(", last modified {}", http_date(modified)));
        let detail = format!(
            "the condition of the header {name} does not hold: the ETag is {} now{}",
            self.etag,
            modified.unwrap_or_default()
        );
        Problem::new(
            StatusCode::PRECONDITION_FAILED,
            Code::PreconditionFailed,
            detail,
        )
    }
}

/// A time as HTTP writes it.
#[must_use]
pub fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// A time in whole seconds of Unix, as `Last-Modified` may tell it: not later than `now`, and
/// none that the format cannot write.
#[must_use]
pub fn last_modified(unix_seconds: i64, now_unix_seconds: i64) -> Option<SystemTime> {
    /// The last second of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(unix_seconds.min(now_unix_seconds)).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.min(LAST)))
}

/// One element of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityTag<'h> {
    /// `*`: any state, if there is one.
    Any,
    /// What stands in the quotes, and whether `W/` stands before them.
    Tag {
        /// Without its quotes.
        opaque: &'h str,
        /// Good enough for reading, not for writing.
        is_weak: bool,
    },
}

impl<'h> EntityTag<'h> {
    fn parse(text: &'h str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let (is_weak, quoted) = match text.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        Some(Self::Tag { opaque, is_weak })
    }

    fn is(self, etag: &str) -> bool {
        !matches!(self, Self::Tag { is_weak: true, .. })
            && !etag.starts_with("W/")
            && self.is_weakly(etag)
    }

    fn is_weakly(self, etag: &str) -> bool {
        match (self, EntityTag::parse(etag)) {
            (Self::Any, _) => true,
            (
                Self::Tag { opaque, .. },
                Some(EntityTag::Tag {
                    opaque: present, ..
                }),
            ) => opaque == present,
            (Self::Tag { .. }, _) => false,
        }
    }
}

/// The elements of `If-Match` or `If-None-Match`; `None` if the header is absent.
///
/// # Errors
/// 400 naming the header, if an element is no entity tag.
pub fn tags<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<Vec<EntityTag<'h>>>> {
    let Some(elements) = header_list(headers, name.as_str())? else {
        return Ok(None);
    };
    let parsed: Option<Vec<_>> = elements.into_iter().map(EntityTag::parse).collect();
    parsed
        .filter(|tags| !tags.is_empty())
        .map(Some)
        .ok_or_else(|| {
            refused(
                name.as_str(),
                "write ETags in quotes as they were given, or *",
            )
        })
}

/// A date that cannot be read, and one beside others, is ignored, as the RFC asks.
fn date(headers: &HeaderMap, name: &HeaderName) -> Result<Option<SystemTime>> {
    let text = header(headers, name.as_str())?;
    Ok(text.and_then(|text| httpdate::parse_http_date(text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: u64 = 1_790_000_000;

    fn validators() -> Validators<'static> {
        Validators {
            etag: "\"v1\"",
            modified: last_modified(MODIFIED.cast_signed(), i64::MAX),
        }
    }

    fn date(seconds: u64) -> String {
        http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn check(method: &Method, lines: &[(HeaderName, &str)]) -> u16 {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        match validators().check(method, &headers) {
            Ok(true) => 304,
            Ok(false) => 200,
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[test]
    fn conditions_are_read_as_the_rfc_says() {
        let (get, put) = (&Method::GET, &Method::PUT);
        let (before, same, after) = (date(MODIFIED - 1), date(MODIFIED), date(MODIFIED + 1));
        for (method, name, value, status) in [
            (get, IF_MATCH, "\"v1\"", 200),
            (get, IF_MATCH, "*", 200),
            (put, IF_MATCH, "\"v0\", \"v1\"", 200),
            (put, IF_MATCH, "\"v0\"", 412),
            (put, IF_MATCH, "W/\"v1\"", 412),
            (put, IF_MATCH, "v1", 400),
            (put, IF_MATCH, "", 400),
            (get, IF_NONE_MATCH, "\"v1\"", 304),
            (get, IF_NONE_MATCH, "W/\"v1\"", 304),
            (get, IF_NONE_MATCH, "\"v0\"", 200),
            (put, IF_NONE_MATCH, "*", 412),
            (get, IF_UNMODIFIED_SINCE, &before, 412),
            (get, IF_UNMODIFIED_SINCE, &same, 200),
            (put, IF_UNMODIFIED_SINCE, &before, 412),
            (get, IF_MODIFIED_SINCE, &before, 200),
            (get, IF_MODIFIED_SINCE, &same, 304),
            (get, IF_MODIFIED_SINCE, &after, 304),
            (put, IF_MODIFIED_SINCE, &after, 200),
            (get, IF_MODIFIED_SINCE, "yesterday", 200),
        ] {
            assert_eq!(
                check(method, &[(name.clone(), value)]),
                status,
                "{name}: {value}"
            );
        }
        // The ETag says more than the date.
        assert_eq!(
            check(
                get,
                &[(IF_NONE_MATCH, "\"v0\""), (IF_MODIFIED_SINCE, &after)]
            ),
            200
        );
        assert_eq!(
            check(get, &[(IF_MATCH, "\"v1\""), (IF_UNMODIFIED_SINCE, &before)]),
            200
        );
    }

    #[test]
    fn a_range_is_meant_for_the_state_that_it_names() {
        for (value, is_meant) in [
            ("\"v1\"", true),
            ("\"v0\"", false),
            ("W/\"v1\"", false),
            (&*date(MODIFIED), true),
            (&*date(MODIFIED + 1), false),
        ] {
            let headers = HeaderMap::from_iter([(IF_RANGE, value.parse().unwrap())]);
            assert_eq!(
                validators().range_is_meant(&headers).unwrap(),
                is_meant,
                "{value}"
            );
        }
        assert!(validators().range_is_meant(&HeaderMap::new()).unwrap());
    }

    #[test]
    fn nothing_was_modified_in_the_future() {
        let now = MODIFIED.cast_signed();
        assert_eq!(last_modified(now + 5, now), last_modified(now, now));
        assert_eq!(last_modified(-1, now), None);
        assert_eq!(
            http_date(last_modified(i64::MAX, i64::MAX).unwrap()),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }
}
