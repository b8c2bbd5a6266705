//! The tokens file: who may do what.
//!
//! A JSON array of `{token, subject, scopes, namespaces, paths}`. Only digests are kept in memory,
//! and a presented token is compared, as a digest and in constant time, with every one of them:
//! neither the time of an answer nor a log line tells anything about a token. For the same reason
//! errors about the file quote none of its text.
//!
//! The file is read again when it changes: each request looks at its facts, and so does
//! [`Tokens::follow`] for requests that are open for long. What a token allows is told apart by
//! its content: requests of a token that is gone or allows something else are ended, those of all
//! others go on. A file that is broken changes nothing: the tokens read before hold, and
//! [`Tokens::fault`] says so until the file is right again.

mod file;
mod grant;
mod paths;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use file::Stamp;
pub use file::{TokensError, Vocabulary};
pub(crate) use grant::{Grant, Namespaces};
pub use paths::{PathRule, Paths};

/// How often the file is looked at while nobody asks for anything.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// A file that was written twice within one tick of the clock has the same facts both times. So it
/// is read again until its facts are this old.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

type Entries = Vec<(blake3::Hash, Arc<Grant>)>;

/// The tokens that a service takes.
pub struct Tokens {
    path: PathBuf,
    words: Vocabulary,
    entries: RwLock<Entries>,
    seen: Mutex<Seen>,
}

/// The file as it was when it was last read.
struct Seen {
    stamp: Option<Stamp>,
    since: Instant,
    fault: Option<String>,
}

impl Tokens {
    /// Reads and checks the tokens file.
    ///
    /// # Errors
    /// The file cannot be read, or is not what [`TokensError`] describes. No error quotes a token.
    pub fn load(path: &Path, words: Vocabulary) -> Result<Self, TokensError> {
        let stamp = Stamp::of(path);
        let read = file::read(path, words)?;
        if read.is_empty() {
            let path = path.to_owned();
            return Err(TokensError::Empty { path });
        }
        let tokens = Self {
            path: path.to_owned(),
            words,
            entries: RwLock::default(),
            seen: Mutex::new(Seen {
                stamp,
                since: Instant::now(),
                fault: None,
            }),
        };
        tokens.replace(read);
        Ok(tokens)
    }

    /// Looks at the file until `stop`, so that open requests of a token that is gone end.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.look(),
            }
        }
    }

    /// Reads the file again, changed or not, and says how many tokens there are.
    ///
    /// # Errors
    /// The file is broken; the tokens read before hold.
    pub fn reload(&self) -> Result<usize, TokensError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_again(&mut seen, Stamp::of(&self.path))
    }

    /// Why the file as it is now is not taken, if it is not.
    pub fn fault(&self) -> Option<String> {
        self.look();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.fault.clone()
    }

    /// Reads the file again if it has changed.
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if stamp != seen.stamp || seen.since.elapsed() < SETTLED_AFTER {
            // What is wrong is logged and kept.
            let _ = self.read_again(&mut seen, stamp);
        }
    }

    fn read_again(&self, seen: &mut Seen, stamp: Option<Stamp>) -> Result<usize, TokensError> {
        if stamp != seen.stamp {
            seen.stamp = stamp;
            seen.since = Instant::now();
        }
        let read = match file::read(&self.path, self.words) {
            Ok(read) => read,
            Err(error) => {
                let fault = with_source(&error);
                if seen.fault.as_ref() != Some(&fault) {
                    tracing::error!(
                        error = fault,
                        "tokens file not taken; the tokens read before hold"
                    );
                    seen.fault = Some(fault);
                }
                return Err(error);
            }
        };
        if seen.fault.take().is_some() {
            tracing::info!("tokens file is right again");
        }
        let count = read.len();
        self.replace(read);
        Ok(count)
    }

    /// Tokens that allow what they allowed keep their grants; those of all others end.
    fn replace(&self, read: file::Read) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *entries);
        let count = read.len();
        for (digest, rights) in read {
            let same = before
                .iter()
                .position(|(other, grant)| *other == digest && grant.rights == rights);
            let grant = match same {
                Some(at) => before.swap_remove(at).1,
                None => Arc::new(Grant {
                    rights,
                    revoked: CancellationToken::new(),
                }),
            };
            entries.push((digest, grant));
        }
        let revoked = before.len();
        for (_, grant) in before {
            grant.revoked.cancel();
        }
        if revoked > 0 {
            tracing::info!(tokens = count, revoked, "tokens file read again");
        }
    }

    /// What `presented` allows now, if it is one of the tokens.
    pub(crate) fn grant(&self, presented: &str) -> Option<Arc<Grant>> {
        self.look();
        let presented = blake3::hash(presented.as_bytes());
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        // No early end: the time is the same for every token, right or wrong.
        for (digest, grant) in entries.iter() {
            if bool::from(digest.as_bytes().ct_eq(presented.as_bytes())) {
                found = Some(Arc::clone(grant));
            }
        }
        found
    }
}

fn with_source(error: &TokensError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let subjects = entries.iter().map(|(_, grant)| &grant.rights.subject);
        f.debug_list().entries(subjects).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";
    const OTHER: &str = "0123456789abcdef9999";
    const WORDS: Vocabulary = Vocabulary {
        scopes: &["a:read", "a:write", "a:admin", "b:read"],
        with_paths: &["b:read"],
    };

    fn load(json: &str) -> Result<Tokens, TokensError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        Tokens::load(file.path(), WORDS)
    }

    fn entry(scopes: &str, rest: &str) -> String {
        format!(r#"[{{"token":"{TOKEN}","subject":"ada","scopes":{scopes}{rest}}}]"#)
    }

    fn rights(tokens: &Tokens) -> Arc<Grant> {
        let entries = tokens.entries.read().unwrap();
        Arc::clone(&entries.first().unwrap().1)
    }

    #[test]
    fn admin_implies_the_rest_of_its_service_and_nothing_else() {
        let grant = rights(&load(&entry(r#"["a:admin"]"#, "")).unwrap());
        assert_eq!(grant.rights.subject, "ada");
        for scope in ["a:read", "a:write", "a:admin", "a:impersonate"] {
            assert!(grant.rights.may(scope), "{scope}");
        }
        for scope in ["b:read", "aa:read"] {
            assert!(!grant.rights.may(scope), "{scope}");
        }
    }

    #[test]
    fn a_token_is_known_by_all_of_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), entry("[]", "")).unwrap();
        let tokens = Tokens::load(file.path(), WORDS).unwrap();
        assert!(tokens.grant(TOKEN).is_some());
        assert!(tokens.grant("0123456789abcdef012").is_none());
        assert!(tokens.grant("").is_none());
    }

    #[test]
    fn namespaces_are_a_list_or_a_star() {
        let some = rights(&load(&entry("[]", r#","namespaces":["a"]"#)).unwrap());
        let may = |grant: &Grant, namespace| grant.rights.may_namespace(namespace);
        assert!(may(&some, "a") && !may(&some, "b") && !may(&some, "*"));
        let all = rights(&load(&entry("[]", r#","namespaces":"*""#)).unwrap());
        assert!(may(&all, "b"));
    }

    #[test]
    fn paths_go_with_the_scopes_that_honour_them_only() {
        let limits = r#","paths":[{"mount":1,"prefix":"a/b"},{"mount":2}]"#;
        let some = rights(&load(&entry(r#"["b:read"]"#, limits)).unwrap());
        let paths = some.rights.paths.as_ref().unwrap();
        assert!(paths.contains(1, "a/b/c") && paths.contains(2, "x") && !paths.contains(1, "a"));
        let error = load(&entry(r#"["b:read","a:read"]"#, limits)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(r#""a:read" cannot be limited to paths"#),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place_and_without_its_text() {
        let cases = [
            (format!("[\"{TOKEN}\"]"), "line 1 column"),
            (entry("[]", r#","namespace":"*""#), "line 1 column"),
            (
                entry("[]", r#","paths":[{"mount":1,"path":"a"}]"#),
                "unknown field",
            ),
            (entry("[]", r#","paths":[[1,"a"]]"#), "line 1 column"),
            (
                format!(r#"[["{TOKEN}","ada",[],"*",null]]"#),
                "line 1 column",
            ),
            (entry(r#"["a:reed"]"#, ""), "entry 1"),
            (entry("[]", r#","namespaces":"a""#), "entry 1"),
            (entry("[]", r#","paths":[]"#), "entry 1"),
            (
                r#"[{"token":"short","subject":"x","scopes":[]}]"#.to_owned(),
                "shorter than 16",
            ),
            ("[]".to_owned(), "no entry"),
        ];
        for (json, expected) in cases {
            let text = load(&json).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains(TOKEN), "{text}");
        }
        let missing = Tokens::load(Path::new("/nonexistent/tokens.json"), WORDS).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/tokens.json"));
    }

    #[test]
    fn a_changed_file_is_read_again_and_ends_only_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        let two = |scopes: &str| {
            format!(
                r#"[{{"token":"{TOKEN}","subject":"ada","scopes":[]}},
                    {{"token":"{OTHER}","subject":"bob","scopes":{scopes}}}]"#
            )
        };
        std::fs::write(&path, two("[]")).unwrap();
        let tokens = Tokens::load(&path, WORDS).unwrap();
        let (ada, bob) = (tokens.grant(TOKEN).unwrap(), tokens.grant(OTHER).unwrap());

        // Replaced in one step, as editors and secret stores do.
        std::fs::write(dir.path().join("new"), two(r#"["a:read"]"#)).unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(tokens.grant(OTHER).unwrap().rights.may("a:read"));
        assert!(bob.revoked.is_cancelled() && !ada.revoked.is_cancelled());

        // Written in place, to the same length.
        let same_length = two(r#"["b:read"]"#);
        std::fs::write(&path, same_length).unwrap();
        assert!(tokens.grant(OTHER).unwrap().rights.may("b:read"));

        std::fs::write(&path, entry("[]", "")).unwrap();
        assert!(tokens.grant(OTHER).is_none());
        assert!(tokens.grant(TOKEN).is_some() && !ada.revoked.is_cancelled());
        // Whoever takes all tokens away means it, once the service runs.
        std::fs::write(&path, "[]").unwrap();
        assert!(tokens.grant(TOKEN).is_none() && ada.revoked.is_cancelled());
    }

    #[test]
    fn a_broken_file_keeps_the_tokens_and_is_told_until_it_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        std::fs::write(&path, entry("[]", "")).unwrap();
        let tokens = Tokens::load(&path, WORDS).unwrap();
        assert_eq!(tokens.fault(), None);
        for broken in ["", "[{", r#"[{"token":1}]"#] {
            std::fs::write(&path, broken).unwrap();
            assert!(tokens.grant(TOKEN).is_some(), "{broken}");
            assert!(
                tokens.fault().unwrap().contains("is wrong at line"),
                "{broken}"
            );
            tokens.reload().unwrap_err();
        }
        std::fs::remove_file(&path).unwrap();
        assert!(tokens.grant(TOKEN).is_some());
        assert!(tokens.fault().unwrap().contains("cannot read"));
        std::fs::write(&path, entry("[]", "")).unwrap();
        assert_eq!(tokens.reload().unwrap(), 1);
        assert_eq!(tokens.fault(), None);
    }

    #[test]
    fn debug_output_tells_subjects_and_no_token() {
        let text = format!("{:?}", load(&entry("[]", "")).unwrap());
        assert_eq!(text, r#"["ada"]"#);
    }
}
