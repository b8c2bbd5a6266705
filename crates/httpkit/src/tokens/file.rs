//! The tokens file, read and checked.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::grant::{Namespaces, Rights};
use super::paths::{PathRule, Paths};

/// Shorter tokens can be guessed.
const TOKEN_MIN_BYTES: usize = 16;

/// The words that a tokens file may use. The app brings them.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// Every scope there is.
    pub scopes: &'static [&'static str],
    /// The scopes that a token with `paths` may hold: the handlers behind them honour the limit.
    pub with_paths: &'static [&'static str],
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
         {{\"token\", \"subject\", \"scopes\": [..], \"namespaces\": [..] or \"*\", \
         \"paths\": [{{\"mount\": 1, \"prefix\": \"a/b\"}}]}}",
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
    /// It has no entry.
    #[error(
        "the tokens file {} has no entry, so nobody could call anything; add one with the scopes \
         of an operator",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What an entry says: the digest of its token, and what it allows.
pub(super) type Read = Vec<(blake3::Hash, Rights)>;

/// By what a file is known to be the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None`, if there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        Some(Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    token: String,
    subject: String,
    scopes: Vec<String>,
    #[serde(default = "all_namespaces")]
    namespaces: NamespacesText,
    #[serde(default)]
    paths: Option<Vec<Map<String, Value>>>,
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

/// Reads the file. No error quotes a token.
pub(super) fn read(path: &Path, words: Vocabulary) -> Result<Read, TokensError> {
    let text = std::fs::read(path).map_err(|source| TokensError::Read {
        path: path.to_owned(),
        source,
    })?;
    let shape = |error: serde_json::Error| TokensError::Shape {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    };
    // Serde takes an array for an entry, too, its members by their place.
    let _: Vec<Map<String, Value>> = serde_json::from_slice(&text).map_err(shape)?;
    let lines: Vec<Line> = serde_json::from_slice(&text).map_err(shape)?;
    let mut read = Read::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        add(&mut read, line, words).map_err(|reason| TokensError::Entry {
            path: path.to_owned(),
            entry: index + 1,
            reason,
        })?;
    }
    Ok(read)
}

fn add(read: &mut Read, line: Line, words: Vocabulary) -> Result<(), String> {
    check_token(&line.token)?;
    if line.subject.is_empty() {
        return Err("the subject is empty".to_owned());
    }
    check_scopes(&line.scopes, words.scopes, "is no scope; there are")?;
    let namespaces = match line.namespaces {
        NamespacesText::One(one) if one == "*" => Namespaces::All,
        NamespacesText::One(one) => {
            return Err(format!("namespaces must be a list or \"*\", not {one:?}"));
        }
        NamespacesText::Many(many) => Namespaces::These(many),
    };
    let paths = line.paths.map(paths).transpose()?;
    if paths.is_some() {
        let reason = "cannot be limited to paths; beside paths there may be";
        check_scopes(&line.scopes, words.with_paths, reason)?;
    }
    let digest = blake3::hash(line.token.as_bytes());
    if read.iter().any(|(other, _)| *other == digest) {
        return Err("the same token stands in an earlier entry".to_owned());
    }
    let rights = Rights {
        subject: line.subject,
        scopes: line.scopes,
        namespaces,
        paths,
    };
    read.push((digest, rights));
    Ok(())
}

fn paths(rules: Vec<Map<String, Value>>) -> Result<Paths, String> {
    let rule = |rule| {
        serde_json::from_value::<PathRule>(Value::Object(rule))
            .map_err(|error| format!("paths: {error}"))
    };
    Paths::new(rules.into_iter().map(rule).collect::<Result<_, _>>()?)
}

fn check_token(token: &str) -> Result<(), String> {
    if token.len() < TOKEN_MIN_BYTES {
        return Err(format!(
            "the token is shorter than {TOKEN_MIN_BYTES} bytes; make one with: openssl rand -hex 32"
        ));
    }
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("the token must be visible ASCII without spaces".to_owned())
}

fn check_scopes(scopes: &[String], known: &[&str], reason: &str) -> Result<(), String> {
    match scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
        None => Ok(()),
        Some(scope) => Err(format!("{scope:?} {reason}: {}", known.join(", "))),
    }
}
