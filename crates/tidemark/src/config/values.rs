//! How the values of options are read. Every message says what was wrong and what would be right;
//! clap (or [`super::File`]) names the option before it.

use feed::bus::BusUrl;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Text that no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

pub(super) fn bus_url(text: &str) -> Result<BusUrl, String> {
    text.parse()
        .map_err(|error: feed::bus::BusUrlError| error.to_string())
}

pub(super) fn sqlite_url(text: &str) -> Result<PathBuf, String> {
    database(text, "sqlite", &["postgres", "postgresql"])
}

pub(super) fn duckdb_url(text: &str) -> Result<PathBuf, String> {
    database(text, "duckdb", &["ducklake"])
}

fn database(text: &str, scheme: &str, later: &[&str]) -> Result<PathBuf, String> {
    let given = text.split_once(':').map_or("", |(given, _)| given);
    if later.contains(&given) {
        return Err(format!(
            "{given}: is not in this version; write {scheme}:PATH"
        ));
    }
    let path = text
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(':'));
    let path = path.ok_or_else(|| format!("write {scheme}:PATH"))?;
    // `sqlite:///a/b` is how many tools spell `sqlite:/a/b`.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(format!("the path is missing; write {scheme}:PATH"));
    }
    if path == ":memory:" {
        return Err(format!(
            "a book in memory would be lost; write {scheme}:PATH"
        ));
    }
    Ok(PathBuf::from(path))
}

pub(super) fn base_url(text: &str) -> Result<String, String> {
    let example = "write a base URL such as http://127.0.0.1:4200";
    let url = reqwest::Url::parse(text).map_err(|error| format!("{error}; {example}"))?;
    match url.scheme() {
        "http" => {}
        "https" => {
            return Err(
                "https:// is not in this version; write the http:// URL of the service, \
                        or of a proxy on this machine that speaks TLS"
                    .to_owned(),
            );
        }
        other => return Err(format!("{other}: is no scheme of a service; {example}")),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "a base URL has no query and no fragment; {example}"
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let example = "write a duration such as 500ms, 5s or 2m";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| example.to_owned())?;
    Duration::try_from(parsed).map_err(|_| format!("a duration cannot be negative; {example}"))
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0; write for example 500ms or 5s".to_owned()),
        duration => Ok(duration),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// A name that can stand in a URL and in SQL without quotes.
pub(super) fn slug(text: &str) -> Result<String, String> {
    let mut chars = text.chars();
    let starts_well = chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    if starts_well && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        Ok(text.to_owned())
    } else {
        Err("write lower-case letters, digits and `_`, starting with a letter".to_owned())
    }
}

/// Names that were separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

pub(super) fn names(text: &str) -> Result<Names, Infallible> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    Ok(Names(names.map(str::to_owned).collect()))
}

/// The searches of the configuration.
#[derive(Clone, Debug, Default)]
pub struct SearchPresets(pub Vec<metastore::SearchPreset>);

pub(super) fn search_presets(text: &str) -> Result<SearchPresets, String> {
    serde_json::from_str(text)
        .map(SearchPresets)
        .map_err(|error| {
            format!(
                "{error}; write a JSON list such as [{{\"name\": \"big\", \"q\": \"size:>1G\"}}]"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_its_scheme_and_a_path() {
        assert_eq!(
            sqlite_url("sqlite:a/b.db").unwrap(),
            PathBuf::from("a/b.db")
        );
        assert_eq!(
            sqlite_url("sqlite:///a/b.db").unwrap(),
            PathBuf::from("/a/b.db")
        );
        assert_eq!(duckdb_url("duckdb:/a/b").unwrap(), PathBuf::from("/a/b"));
        for (text, says) in [
            (
                "postgres://db/x",
                "postgres: is not in this version; write sqlite:PATH",
            ),
            ("a.db", "write sqlite:PATH"),
            ("sqlite:", "the path is missing"),
            ("sqlite::memory:", "would be lost"),
            ("sqlitefoo:x", "write sqlite:PATH"),
        ] {
            let error = sqlite_url(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(
            duckdb_url("ducklake:x")
                .unwrap_err()
                .contains("not in this version")
        );
    }

    #[test]
    fn a_duration_has_a_unit_and_is_not_negative() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for text in ["5", "", "fast", "-5s", "5 parsecs"] {
            assert!(
                duration(text).unwrap_err().contains("500ms, 5s or 2m"),
                "{text}"
            );
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn a_base_url_is_plain_http() {
        assert_eq!(base_url("http://h:1/").unwrap(), "http://h:1");
        assert!(
            base_url("https://h")
                .unwrap_err()
                .contains("not in this version")
        );
        assert!(
            base_url("redis://h")
                .unwrap_err()
                .contains("no scheme of a service")
        );
        assert!(base_url("h:1").is_err());
        assert!(base_url("http://h/?a=b").is_err());
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let bus = bus_url("redis://:hunter2@h:1").unwrap();
        let secret = Secret::from("hunter2".to_owned());
        assert!(!format!("{bus:?} {secret:?}").contains("hunter2"));
    }
}
