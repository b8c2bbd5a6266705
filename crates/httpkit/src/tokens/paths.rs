//! Which part of the tree a token is limited to.

use std::sync::Arc;

use serde::Deserialize;

const PREFIX_MAX_BYTES: usize = 4096;
const RULES_MAX: usize = 64;

/// A node there, and all below it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// The id of the mount.
    pub mount: i64,
    /// Relative to the mount; empty means the whole mount.
    #[serde(default)]
    pub prefix: String,
}

/// The parts of the tree that a caller may see: any of these rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(Arc<[PathRule]>);

impl Paths {
    /// Checks the rules.
    ///
    /// # Errors
    /// A sentence on what is wrong with them.
    pub fn new(rules: Vec<PathRule>) -> Result<Self, String> {
        if rules.is_empty() || rules.len() > RULES_MAX {
            return Err(format!("paths must have 1 to {RULES_MAX} entries"));
        }
        rules.iter().try_for_each(PathRule::check)?;
        Ok(Self(rules.into()))
    }

    /// The rules, one of which must hold.
    #[must_use]
    pub fn rules(&self) -> &[PathRule] {
        &self.0
    }

    /// Whether the path of this mount may be seen.
    #[must_use]
    pub fn contains(&self, mount: i64, path: &str) -> bool {
        self.0
            .iter()
            .any(|rule| rule.mount == mount && rule.contains(path))
    }
}

impl PathRule {
    fn check(&self) -> Result<(), String> {
        let prefix = &self.prefix;
        if self.mount < 1 {
            return Err(format!("paths: {} is no id of a mount", self.mount));
        }
        if prefix.len() > PREFIX_MAX_BYTES {
            return Err("paths: a prefix is too long".to_owned());
        }
        let is_component = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if prefix.is_empty() || prefix.split('/').all(is_component) {
            return Ok(());
        }
        Err(format!(
            "paths: the prefix {prefix:?} must be like a/b, without a slash at its ends and \
             without . and .."
        ))
    }

    /// Whole components: `a/b` holds `a/b` and `a/b/c`, and not `a/bc`.
    fn contains(&self, path: &str) -> bool {
        match path.strip_prefix(self.prefix.as_str()) {
            Some(rest) => self.prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(rules: &[(i64, &str)]) -> Result<Paths, String> {
        let rule = |(mount, prefix): &(i64, &str)| PathRule {
            mount: *mount,
            prefix: (*prefix).to_owned(),
        };
        Paths::new(rules.iter().map(rule).collect())
    }

    #[test]
    fn a_prefix_means_whole_components_of_its_mount() {
        let paths = paths(&[(1, "a/b"), (2, "")]).unwrap();
        for (mount, path) in [(1, "a/b"), (1, "a/b/c"), (2, ""), (2, "x")] {
            assert!(paths.contains(mount, path), "{mount} {path}");
        }
        for (mount, path) in [(1, ""), (1, "a"), (1, "a/bc"), (1, "A/b"), (3, "a/b")] {
            assert!(!paths.contains(mount, path), "{mount} {path}");
        }
    }

    #[test]
    fn a_prefix_that_could_be_meant_otherwise_is_refused() {
        for prefix in ["/a", "a/", "a//b", "../a", "a/./b", "a\0"] {
            let error = paths(&[(1, prefix)]).unwrap_err();
            assert!(error.contains("must be like a/b"), "{prefix:?}: {error}");
        }
        assert!(paths(&[]).unwrap_err().contains("1 to 64"));
        assert!(paths(&[(0, "a")]).unwrap_err().contains("no id"));
    }
}
