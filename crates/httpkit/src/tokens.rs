//! The tokens file: who may do what.
//!
//! A JSON array of `{token, subject, scopes, namespaces}`. Only digests are kept in memory, and a
//! presented token is compared, as a digest and in constant time, with every one of them: neither
//! the time of an answer nor a log line tells anything about a token. For the same reason errors
//! about the file quote none of its text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::json::Strict;

/// Every scope there is.
const SCOPES: &[&str] = &[
    "filestore:read",
    "filestore:write",
    "filestore:admin",
    "metastore:read",
    "metastore:write",
    "metastore:delete",
    "metastore:admin",
    "timestore:read",
    "timestore:write",
    "timestore:admin",
];

/// Shorter tokens can be guessed.
const TOKEN_MIN_BYTES: usize = 16;

/// The tokens that a service takes.
pub struct Tokens(Vec<(blake3::Hash, Arc<Grant>)>);

/// What one token allows.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) subject: String,
    scopes: Vec<String>,
    namespaces: Namespaces,
}

#[derive(Debug)]
enum Namespaces {
    All,
    These(Vec<String>),
}

/// Why a tokens file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("cannot read the tokens file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not JSON of the right shape.
    #[error(
        "the tokens file {} is wrong at line {line} column {column}: it must be a JSON array of \
         {{\"token\", \"subject\", \"scopes\": [..], \"namespaces\": [..] or \"*\"}}",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1; 0 when the line as a whole is meant.
        column: usize,
    },
    /// An entry makes no sense.
    #[error("entry {entry} of the tokens file {}: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        entry: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token: String,
    subject: String,
    scopes: Vec<String>,
    #[serde(default = "all_namespaces")]
    namespaces: NamespacesText,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NamespacesText {
    One(String),
    Many(Vec<String>),
}

/// As in AppHub: a token that names no namespaces is not limited to any.
fn all_namespaces() -> NamespacesText {
    NamespacesText::One("*".to_owned())
}

impl Tokens {
    /// Reads and checks the tokens file.
    ///
    /// # Errors
    /// The file cannot be read, or is not what [`TokensError`] describes. No error quotes a token.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read(path).map_err(|source| TokensError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut json = serde_json::Deserializer::from_slice(&text);
        let lines = Vec::<Line>::deserialize(Strict(&mut json));
        let lines = lines
            .and_then(|lines| json.end().map(|()| lines))
            .map_err(|error| TokensError::Shape {
                path: path.to_owned(),
                line: error.line(),
                column: error.column(),
            })?;
        let mut tokens = Self(Vec::with_capacity(lines.len()));
        for (index, line) in lines.into_iter().enumerate() {
            tokens.add(line).map_err(|reason| TokensError::Entry {
                path: path.to_owned(),
                entry: index + 1,
                reason,
            })?;
        }
        if tokens.0.is_empty() {
            let reason = "the array is empty, so nobody could call anything".to_owned();
            return Err(TokensError::Entry {
                path: path.to_owned(),
                entry: 0,
                reason,
            });
        }
        Ok(tokens)
    }

    fn add(&mut self, line: Line) -> Result<(), String> {
        if line.token.len() < TOKEN_MIN_BYTES {
            return Err(format!(
                "the token is shorter than {TOKEN_MIN_BYTES} bytes; make one with: openssl rand -hex 32"
            ));
        }
        if !line.token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token must be visible ASCII without spaces".to_owned());
        }
        if line.subject.is_empty() {
            return Err("the subject is empty".to_owned());
        }
        if let Some(scope) = line
            .scopes
            .iter()
            .find(|scope| !SCOPES.contains(&scope.as_str()))
        {
            return Err(format!(
                "{scope:?} is no scope; there are: {}",
                SCOPES.join(", ")
            ));
        }
        let namespaces = match line.namespaces {
            NamespacesText::One(one) if one == "*" => Namespaces::All,
            NamespacesText::One(one) => {
                return Err(format!("namespaces must be a list or \"*\", not {one:?}"));
            }
            NamespacesText::Many(many) => Namespaces::These(many),
        };
        let digest = blake3::hash(line.token.as_bytes());
        if self.0.iter().any(|(other, _)| *other == digest) {
            return Err("the same token stands in an earlier entry".to_owned());
        }
        let grant = Grant {
            subject: line.subject,
            scopes: line.scopes,
            namespaces,
        };
        self.0.push((digest, Arc::new(grant)));
        Ok(())
    }

    /// What `presented` allows, if it is one of the tokens.
    pub(crate) fn grant(&self, presented: &str) -> Option<Arc<Grant>> {
        let presented = blake3::hash(presented.as_bytes());
        let mut found = None;
        // No early end: the time is the same for every token, right or wrong.
        for (digest, grant) in &self.0 {
            if bool::from(digest.as_bytes().ct_eq(presented.as_bytes())) {
                found = Some(grant);
            }
        }
        found.map(Arc::clone)
    }
}

impl Grant {
    pub(crate) fn may(&self, scope: &str) -> bool {
        let service = scope.split(':').next().unwrap_or_default();
        self.scopes.iter().any(|held| {
            held == scope
                || held
                    .strip_suffix(":admin")
                    .is_some_and(|administered| administered == service)
        })
    }

    pub(crate) fn may_namespace(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Namespaces::All => true,
            Namespaces::These(these) => these.iter().any(|this| this == namespace),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = self.0.iter().map(|(_, grant)| &grant.subject);
        f.debug_list().entries(subjects).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn load(json: &str) -> Result<Tokens, TokensError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        Tokens::load(file.path())
    }

    fn entry(scopes: &str, rest: &str) -> String {
        format!(r#"[{{"token":"{TOKEN}","subject":"ada","scopes":{scopes}{rest}}}]"#)
    }

    #[test]
    fn admin_implies_the_rest_of_its_service_and_nothing_else() {
        let tokens = load(&entry(r#"["metastore:admin","filestore:read"]"#, "")).unwrap();
        let grant = tokens.grant(TOKEN).unwrap();
        assert_eq!(grant.subject, "ada");
        for scope in [
            "metastore:read",
            "metastore:write",
            "metastore:delete",
            "filestore:read",
        ] {
            assert!(grant.may(scope), "{scope}");
        }
        for scope in [
            "filestore:write",
            "filestore:admin",
            "timestore:read",
            "meta:read",
        ] {
            assert!(!grant.may(scope), "{scope}");
        }
        assert!(tokens.grant("0123456789abcdef012").is_none());
        assert!(tokens.grant("").is_none());
    }

    #[test]
    fn namespaces_are_a_list_or_a_star() {
        let some = load(&entry("[]", r#","namespaces":["a"]"#))
            .unwrap()
            .grant(TOKEN)
            .unwrap();
        assert!(some.may_namespace("a") && !some.may_namespace("b") && !some.may_namespace("*"));
        let all = load(&entry("[]", r#","namespaces":"*""#))
            .unwrap()
            .grant(TOKEN)
            .unwrap();
        assert!(all.may_namespace("b"));
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place_and_without_its_text() {
        let cases = [
            (format!("[\"{TOKEN}\"]"), "line 1 column"),
            (entry("[]", r#","namespace":"*""#), "line 1 column"),
            (entry(r#"["metastore:reed"]"#, ""), "entry 1"),
            (entry("[]", r#","namespaces":"a""#), "entry 1"),
            (
                r#"[{"token":"short","subject":"x","scopes":[]}]"#.to_owned(),
                "shorter than 16",
            ),
            ("[]".to_owned(), "empty"),
        ];
        for (json, expected) in cases {
            let text = load(&json).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains(TOKEN), "{text}");
        }
        let missing = Tokens::load(Path::new("/nonexistent/tokens.json")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/tokens.json"));
    }

    #[test]
    fn debug_output_tells_subjects_and_no_token() {
        let text = format!("{:?}", load(&entry("[]", "")).unwrap());
        assert_eq!(text, r#"["ada"]"#);
    }
}
