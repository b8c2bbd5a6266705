//! The bus as a setting spells it.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use std::fmt;
use std::str::FromStr;

/// Which bus, as `FILESTORE_REDIS_URL` spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusUrl {
    /// `inline`: within the process, or by long polls between processes.
    Inline,
    /// `redis://…`, `rediss://…` or `unix://…`
    Redis(RedisUrl),
}

/// The URL of a Redis server. It prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    shown: String,
}

/// The text is not the URL of a bus.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BusUrlError(String);

const EXAMPLE: &str = "write `inline`, or the URL of a Redis server such as \
                       redis://USER:PASSWORD@127.0.0.1:6379 (rediss:// for TLS)";

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "inline" {
            return Ok(Self::Inline);
        }
        text.parse().map(Self::Redis)
    }
}

impl FromStr for RedisUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = redis::parse_redis_url(text).ok_or_else(|| {
            BusUrlError(format!(
                "{EXAMPLE}; special characters of a user or a password are written as %XX: `@` \
                 as %40, `:` as %3A, `/` as %2F, `#` as %23, `?` as %3F, `%` as %25"
            ))
        })?;
        let is_unix = url.scheme().ends_with("unix");
        let known: &[&str] = match is_unix {
            true => &["db", "user", "pass", "protocol"],
            false => &["protocol"],
        };
        let unknown = url
            .query_pairs()
            .map(|(key, _)| key.into_owned())
            .find(|key| !known.contains(&key.as_str()));
        if let Some(key) = unknown {
            return Err(BusUrlError(format!(
                "`?{key}=` is not known in the URL of a Redis server; {EXAMPLE}, with the number \
                 of a database as its path (redis://127.0.0.1:6379/2)"
            )));
        }
        if url.fragment().is_some() {
            return Err(BusUrlError(format!(
                "a Redis URL has nothing after `#`: write `#` in a password as %23; the \
                 certificate of a TLS server is always checked (FILESTORE_REDIS_CA_FILE); {EXAMPLE}"
            )));
        }
        let info = text
            .into_connection_info()
            .map_err(|error| BusUrlError(format!("{}; {EXAMPLE}", process::Chain(&error))))?;
        if info.redis_settings().db() < 0 {
            let detail = "the database in a Redis URL is a number from 0 on";
            return Err(BusUrlError(detail.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            shown: show(&info),
        })
    }
}

/// The URL without its password.
fn show(info: &ConnectionInfo) -> String {
    let settings = info.redis_settings();
    let who = match (settings.username(), settings.password()) {
        (None, None) => String::new(),
        (user, None) => format!("{}@", user.unwrap_or_default()),
        (user, Some(_)) => format!("{}:…@", user.unwrap_or_default()),
    };
    let (scheme, host, port) = match info.addr() {
        ConnectionAddr::Tcp(host, port) => ("redis", host, port),
        ConnectionAddr::TcpTls { host, port, .. } => ("rediss", host, port),
        other => return format!("unix://{other}"),
    };
    let at = match host.contains(':') {
        true => format!("{scheme}://{who}[{host}]:{port}"),
        false => format!("{scheme}://{who}{host}:{port}"),
    };
    match settings.db() {
        0 => at,
        db => format!("{at}/{db}"),
    }
}

impl RedisUrl {
    /// With the password.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("inline"),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_prints_without_its_password() {
        for (text, shown) in [
            ("inline", "inline"),
            ("redis://h", "redis://h:6379"),
            ("REDIS://h:1/", "redis://h:1"),
            ("redis://h:1/3", "redis://h:1/3"),
            ("rediss://u:p%40ss@h:1/3", "rediss://u:…@h:1/3"),
            ("redis://:secret@h:1", "redis://:…@h:1"),
            ("redis://u@h:1", "redis://u@h:1"),
            ("redis://[::1]:7", "redis://[::1]:7"),
            ("unix:///run/r.sock?db=1&pass=secret", "unix:///run/r.sock"),
            ("redis+unix:///run/r.sock", "unix:///run/r.sock"),
        ] {
            let url: BusUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown, "{text}");
            assert!(!format!("{url:?}").contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_url_that_is_wrong_says_what_to_write() {
        for (text, part) in [
            ("", "write `inline`"),
            ("Inline", "write `inline`"),
            ("localhost:6379", "write `inline`"),
            ("http://h", "write `inline`"),
            ("redis://", "ostname"),
            ("redis://:pa/ss@h:1", "`/` as %2F"),
            ("redis://:pa#ss@h:1", "`#` as %23"),
            ("redis://:pa?ss@h:1", "`?` as %3F"),
            ("redis://h:1/two", "database number"),
            ("redis://h:1/-1", "a number from 0 on"),
            ("redis://h:1?db=2", "redis://127.0.0.1:6379/2"),
            ("rediss://h:1/#insecure", "FILESTORE_REDIS_CA_FILE"),
            ("redis://h:1#x", "nothing after `#`"),
            ("redis-sentinel://h:1", "write `inline`"),
        ] {
            let error = text.parse::<BusUrl>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(
                !error.contains("pa/ss") && !error.contains("pa#ss"),
                "{error}"
            );
        }
    }
}
