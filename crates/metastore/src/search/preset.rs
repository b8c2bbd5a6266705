//! Searches of the configuration, which a search asks for by name.

use super::filter::{Filter, Refusal};
use super::{parse, terms};
use journal::Time;
use serde::Deserialize;
use serde_json::Value;

/// A search of the configuration: a filter in JSON, or text as people type it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchPreset {
    /// What a search asks for it by.
    pub name: String,
    /// As `filter` of a search.
    #[serde(default)]
    pub filter: Option<Value>,
    /// As `q` of a search. Ages in it count back from when it is used.
    #[serde(default)]
    pub q: Option<String>,
    /// A caller needs one of these scopes, if there are any.
    #[serde(default, alias = "required_scopes")]
    pub required_scopes: Vec<String>,
}

impl SearchPreset {
    /// What it means now.
    pub(crate) fn filter(&self, now: Time) -> Result<Filter, Refusal> {
        let mut filters = Vec::new();
        if let Some(filter) = &self.filter {
            filters.push(parse(filter, "/filter")?);
        }
        if let Some(q) = &self.q {
            filters.extend(terms(q, "/q", now)?.filter);
        }
        if filters.is_empty() {
            return Err(Refusal::new("", "give it a filter or a q"));
        }
        Ok(Filter::All(filters))
    }
}
