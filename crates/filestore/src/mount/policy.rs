//! Which files of a mount are hashed in the background, and how fast: `config.hashing`. Pure.

use backend::s3::SettingsError;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Map, Value};

/// The smallest file that is hashed, if nothing else is said: nobody needs the hash of nothing.
const MIN_BYTES: u64 = 1;

/// Bytes read in a second, if nothing else is said.
pub(crate) const BYTES_PER_SECOND: u64 = 32 * 1024 * 1024;

/// The slowest and the fastest there is.
const RATES: std::ops::RangeInclusive<u64> = 4 * 1024..=1024 * 1024 * 1024 * 1024;

/// Files read at once, at most.
const CONCURRENCY: std::ops::RangeInclusive<u64> = 1..=16;

/// Globs, and the bytes of one.
const GLOBS: usize = 100;
const GLOB_BYTES: usize = 1_024;

/// What `config.hashing` says.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    min_bytes: u64,
    max_bytes: u64,
    /// One of them must match; none means that all paths are meant.
    globs: Vec<GlobMatcher>,
    pub(crate) bytes_per_second: u64,
    /// Files read at once.
    pub(crate) concurrency: usize,
    /// Nothing is hashed for the time being.
    pub(crate) is_paused: bool,
}

impl Policy {
    /// The policy of a mount with this configuration; `None` if it has none, and nothing is hashed.
    pub(crate) fn parse(config: &Map<String, Value>) -> Result<Option<Self>, SettingsError> {
        let mut policy = Self {
            min_bytes: MIN_BYTES,
            max_bytes: u64::MAX,
            globs: Vec::new(),
            bytes_per_second: BYTES_PER_SECOND,
            concurrency: 1,
            is_paused: false,
        };
        let settings = match config.get("hashing") {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
            Some(Value::Bool(true)) => return Ok(Some(policy)),
            Some(Value::Object(settings)) => settings,
            Some(_) => return Err(wrong("", "use true, false or an object")),
        };
        for (name, value) in settings {
            match name.as_str() {
                "minBytes" => policy.min_bytes = number(name, value, 0..=u64::MAX)?,
                "maxBytes" if value.is_null() => {}
                "maxBytes" => policy.max_bytes = number(name, value, 0..=u64::MAX)?,
                "pathGlobs" => policy.globs = globs(value)?,
                "bytesPerSecond" => policy.bytes_per_second = number(name, value, RATES)?,
                "concurrency" => {
                    let files = number(name, value, CONCURRENCY)?;
                    policy.concurrency = usize::try_from(files).unwrap_or(1);
                }
                "paused" => {
                    let paused = value.as_bool();
                    policy.is_paused = paused.ok_or_else(|| wrong(name, "use true or false"))?;
                }
                _ => {
                    let known =
                        "minBytes, maxBytes, pathGlobs, bytesPerSecond, concurrency, paused";
                    let reason = format!("there is no such setting; there are {known}");
                    return Err(wrong(name, reason));
                }
            }
        }
        if policy.min_bytes > policy.max_bytes {
            return Err(wrong(
                "maxBytes",
                "it is below minBytes, so no file is meant",
            ));
        }
        Ok(Some(policy))
    }

    /// Whether a file of this size at this path is meant.
    pub(crate) fn takes(&self, path: &str, size_bytes: i64) -> bool {
        let size = u64::try_from(size_bytes).unwrap_or(0);
        (self.min_bytes..=self.max_bytes).contains(&size)
            && (self.globs.is_empty() || self.globs.iter().any(|glob| glob.is_match(path)))
    }
}

fn wrong(name: &str, reason: impl Into<String>) -> SettingsError {
    let slash = if name.is_empty() { "" } else { "/" };
    SettingsError {
        field: format!("/config/hashing{slash}{name}"),
        reason: reason.into(),
    }
}

fn number(
    name: &str,
    value: &Value,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, SettingsError> {
    let number = value.as_u64().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        let reason = match high {
            &u64::MAX => format!("use a whole number from {low} on"),
            high => format!("use a whole number from {low} to {high}"),
        };
        wrong(name, reason)
    })
}

fn globs(value: &Value) -> Result<Vec<GlobMatcher>, SettingsError> {
    let name = "pathGlobs";
    let texts = value.as_array();
    let texts = texts.ok_or_else(|| wrong(name, "use a list of globs such as \"docs/**\""))?;
    if texts.len() > GLOBS {
        return Err(wrong(name, format!("use at most {GLOBS} globs")));
    }
    let glob = |(at, text): (usize, &Value)| {
        let wrong = |reason: String| wrong(&format!("{name}/{at}"), reason);
        let text = text.as_str().filter(|text| text.len() <= GLOB_BYTES);
        let text =
            text.ok_or_else(|| wrong(format!("use a glob of at most {GLOB_BYTES} bytes")))?;
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        glob.map(|glob| glob.compile_matcher())
            .map_err(|error| wrong(format!("{text:?} is no glob: {}", error.kind())))
    };
    texts.iter().enumerate().map(glob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(hashing: Value) -> Result<Option<Policy>, SettingsError> {
        let Value::Object(config) = json!({ "hashing": hashing }) else {
            panic!()
        };
        Policy::parse(&config)
    }

    #[test]
    fn nothing_is_hashed_unless_it_is_asked_for() {
        assert!(Policy::parse(&Map::new()).unwrap().is_none());
        for off in [json!(null), json!(false)] {
            assert!(parse(off).unwrap().is_none());
        }
        let on = parse(json!(true)).unwrap().unwrap();
        assert!(on.takes("a/b", 1) && !on.takes("a/b", 0) && on.takes("a", i64::MAX));
        assert_eq!((on.bytes_per_second, on.concurrency), (32 << 20, 1));
    }

    #[test]
    fn a_file_is_meant_by_its_size_and_its_path() {
        let policy =
            json!({ "minBytes": 10, "maxBytes": 20, "pathGlobs": ["*.jpg", "raw/**/*.dng"] });
        let policy = parse(policy).unwrap().unwrap();
        for (path, size, is_meant) in [
            ("a.jpg", 10, true),
            ("a.jpg", 20, true),
            ("a.jpg", 9, false),
            ("a.jpg", 21, false),
            ("d/a.jpg", 10, false),
            ("raw/a.dng", 10, true),
            ("raw/x/y/a.dng", 10, true),
            ("raw/x/y/a.jpg", 10, false),
        ] {
            assert_eq!(policy.takes(path, size), is_meant, "{path} {size}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_field() {
        for (hashing, field, words) in [
            (json!("yes"), "", "an object"),
            (json!({ "minBytes": -1 }), "/minBytes", "from 0 on"),
            (json!({ "maxBytes": "1k" }), "/maxBytes", "whole number"),
            (
                json!({ "minBytes": 2, "maxBytes": 1 }),
                "/maxBytes",
                "below minBytes",
            ),
            (
                json!({ "bytesPerSecond": 0 }),
                "/bytesPerSecond",
                "from 4096",
            ),
            (json!({ "concurrency": 17 }), "/concurrency", "1 to 16"),
            (json!({ "paused": 1 }), "/paused", "true or false"),
            (json!({ "pathGlobs": "*" }), "/pathGlobs", "list"),
            (
                json!({ "pathGlobs": ["*", "a["] }),
                "/pathGlobs/1",
                "no glob",
            ),
            (json!({ "minbytes": 1 }), "/minbytes", "there are minBytes"),
        ] {
            let error = parse(hashing.clone()).unwrap_err();
            assert_eq!(error.field, format!("/config/hashing{field}"), "{hashing}");
            assert!(error.reason.contains(words), "{hashing}: {}", error.reason);
        }
    }
}
