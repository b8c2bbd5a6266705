//! Which rows a question is about.

use crate::error::{Error, Result};
use crate::query::micros;
use crate::sight::Sight;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use duckdb::types::Value;
use httpkit::{Caller, Problem, Query};
use journal::Time;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const PREFIX_MAX_BYTES: usize = 4096;

/// Where and when.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ScopeQuery {
    /// The backend mount's id.
    pub(crate) mount: Option<i64>,
    /// A path: the node there and all below it.
    pub(crate) path_prefix: Option<String>,
    /// From this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) from: Option<Time>,
    /// Up to this time, without it.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) to: Option<Time>,
    /// What the caller may see of that.
    #[serde(skip)]
    #[param(ignore)]
    pub(crate) sight: Sight,
}

/// The scope that was asked for, as far as the caller may see it; an extractor.
#[derive(Debug)]
pub(crate) struct Scope(pub(crate) ScopeQuery);

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> httpkit::Result<Self> {
        let Query(mut scope) = Query::<ScopeQuery>::from_request_parts(parts, state).await?;
        let caller = Caller::from_request_parts(parts, state).await?;
        scope.sight = Sight::of(&caller);
        Ok(Self(scope))
    }
}

impl ScopeQuery {
    pub(crate) fn check(&self) -> Result<()> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            return Err(Error::invalid("/to", "the range ends before its start"));
        }
        let prefix = self.path_prefix.as_deref().unwrap_or_default();
        if prefix.len() > PREFIX_MAX_BYTES {
            return Err(Error::invalid("/pathPrefix", "the path is too long"));
        }
        if prefix
            .split('/')
            .any(|component| matches!(component, "." | ".."))
        {
            return Err(Error::invalid(
                "/pathPrefix",
                "a path has no . and .. in it",
            ));
        }
        Ok(())
    }

    /// Refuses a range of time, where one time is asked about.
    pub(crate) fn is_without_range(&self) -> Result<()> {
        let field = match (self.from, self.to) {
            (None, None) => return Ok(()),
            (Some(_), _) => "/from",
            (None, Some(_)) => "/to",
        };
        let detail = "this is asked of one time: use `at`; for a range, ask for growth or churn";
        Err(Error::invalid(field, detail))
    }

    /// Without slashes at its ends; `None` means everything.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.path_prefix
            .as_deref()
            .map(|path| path.trim_matches('/'))
            .filter(|path| !path.is_empty())
    }

    /// How many components the prefix has.
    pub(crate) fn depth(&self) -> usize {
        self.prefix().map_or(0, |prefix| {
            prefix.split('/').filter(|part| !part.is_empty()).count()
        })
    }

    /// Whether no path matters.
    pub(crate) fn is_of_all_paths(&self) -> bool {
        self.prefix().is_none() && !self.sight.is_limited()
    }

    /// Whether the path and the mount in these columns lie in the scope.
    pub(crate) fn inside(
        &self,
        path: &str,
        mount: &str,
        params: &mut HashMap<String, Value>,
    ) -> String {
        let mut conditions = Vec::new();
        if let Some(prefix) = self.prefix() {
            params.insert("prefix".to_owned(), Value::Text(prefix.to_owned()));
            params.insert("below".to_owned(), Value::Text(format!("{prefix}/")));
            conditions.push(format!("({path} = $prefix OR starts_with({path}, $below))"));
        }
        if let Some(id) = self.mount {
            params.insert("mount".to_owned(), Value::BigInt(id));
            conditions.push(format!("{mount} = $mount"));
        }
        conditions.extend(self.sight.inside(path, mount));
        if conditions.is_empty() {
            return "TRUE".to_owned();
        }
        format!("({})", conditions.join(" AND "))
    }

    pub(crate) fn since(&self, params: &mut HashMap<String, Value>) -> &'static str {
        match self.from {
            None => "TRUE",
            Some(from) => {
                params.insert("from".to_owned(), micros(from.as_micros()));
                "observed_at >= $from"
            }
        }
    }

    pub(crate) fn until(&self, params: &mut HashMap<String, Value>) -> &'static str {
        match self.to {
            None => "TRUE",
            Some(to) => {
                params.insert("to".to_owned(), micros(to.as_micros()));
                "observed_at < $to"
            }
        }
    }

    /// [`ScopeQuery::since`] and [`ScopeQuery::until`].
    pub(crate) fn in_range(&self, params: &mut HashMap<String, Value>) -> String {
        format!("{} AND {}", self.since(params), self.until(params))
    }
}

/// The first components of the path in `column`: of a directory its own, of a file its directory's.
/// `$depth` says how many.
pub(crate) fn directory(column: &str) -> String {
    format!(
        "array_to_string(list_slice(string_split({column}, '/'), 1, \
         least($depth, len(string_split({column}, '/')) - (kind = 'file')::INTEGER)), '/')"
    )
}

/// Checks a limit of rows.
pub(crate) fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize> {
    match asked.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(Error::invalid(
            "/limit",
            format!("a limit lies between 1 and {most}"),
        )),
    }
}

/// Checks a depth.
pub(crate) fn depth(asked: Option<usize>, scope: &ScopeQuery) -> Result<usize> {
    match asked.unwrap_or(1) {
        depth if (1..=64).contains(&depth) => Ok(scope.depth() + depth),
        _ => Err(Error::invalid("/depth", "a depth lies between 1 and 64")),
    }
}
