//! What wakes the consumers. A bus may lose, double, delay or reorder everything it carries: only
//! latency changes.
//!
//! | bus | a signal is | used when |
//! |---|---|---|
//! | [`inline`] | a call | filestore and its consumers share a process |
//! | [`redis`] | a message on a Redis channel | they run apart, or other programs listen too |
//! | [`poll`] | the answer of a long poll of the journal | they run apart without Redis |

pub mod inline;
pub mod poll;
pub mod redis;

use std::fmt;
use std::str::FromStr;

/// Which bus, as `FILESTORE_REDIS_URL` spells it.
#[derive(Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// `inline`: within the process, or by long polls between processes.
    Inline,
    /// `redis://…`
    Redis(String),
}

/// The text is not the URL of a bus.
#[derive(Debug, thiserror::Error)]
#[error("expected 'inline' or a URL such as redis://127.0.0.1:6379: {0}")]
pub struct BusUrlError(String);

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("inline") {
            return Ok(Self::Inline);
        }
        ::redis::Client::open(text).map_err(|error| BusUrlError(error.to_string()))?;
        Ok(Self::Redis(text.to_owned()))
    }
}

impl fmt::Display for BusUrl {
    /// Without the password, so that it can be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("inline"),
            Self::Redis(url) => match (url.find("://"), url.rfind('@')) {
                (Some(scheme), Some(at)) => {
                    let (start, end) = (url.get(..scheme + 3), url.get(at..));
                    write!(
                        f,
                        "{}…{}",
                        start.unwrap_or_default(),
                        end.unwrap_or_default()
                    )
                }
                _ => f.write_str(url),
            },
        }
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
