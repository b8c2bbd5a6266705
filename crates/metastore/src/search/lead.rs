//! What leads a search to its records through the index of names, or that of paths.
//!
//! Of the conditions that must all hold, each that says something about a name or about how the path
//! begins is a lead: all that
//! the search finds is among the nodes that the lead finds. The search looks at those only, and
//! asks each whether *everything* holds.

use super::compile::literal_prefix;
use super::filter::{Filter, Test};
use crate::names::candidates::Clue;
use crate::names::grams;
use journal::compare::fold;
use rusqlite::types::Value as Sql;

/// One way to the records of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Nodes one of whose names has one of these folded parts, and all below them.
    Below(Vec<String>),
    /// Nodes whose own names have this.
    Own(Clue),
    /// Nodes whose paths begin so.
    Under(String),
}

impl Lead {
    /// What a name must have.
    pub(crate) fn clue(&self) -> Option<Clue> {
        match self {
            Self::Own(clue) => Some(clue.clone()),
            Self::Under(_) => None,
            Self::Below(parts) => match parts.as_slice() {
                [part] => Clue::part(part),
                parts => parts
                    .iter()
                    .map(|part| Clue::part(part))
                    .collect::<Option<Vec<_>>>()
                    .map(Clue::Any),
            },
        }
    }

    /// What is done, a line a step.
    pub(crate) fn plan(&self) -> Vec<String> {
        match self {
            Self::Below(parts) => vec![
                format!("SEARCH names WITH INDEX OF NAMES ({})", parts.join(" OR ")),
                "SEARCH nodes below USING INDEX filestore_nodes_path".to_owned(),
            ],
            Self::Own(_) => vec!["SEARCH names WITH INDEX OF NAMES".to_owned()],
            Self::Under(prefix) => {
                vec![format!(
                    "SEARCH nodes USING INDEX filestore_nodes_path ({prefix})"
                )]
            }
        }
    }

    /// Whether folded text has one of the parts; any has it where names are looked at themselves.
    pub(crate) fn is_in(&self, folded: &str) -> bool {
        match self {
            Self::Below(parts) => parts.iter().any(|part| folded.contains(part.as_str())),
            Self::Own(_) | Self::Under(_) => true,
        }
    }
}

/// All leads of a search, in the order of its conditions.
pub(crate) fn leads(filter: Option<&Filter>) -> Vec<Lead> {
    let mut leads = Vec::new();
    if let Some(filter) = filter {
        collect(filter, &mut leads);
    }
    leads
}

fn collect(filter: &Filter, leads: &mut Vec<Lead>) {
    match filter {
        Filter::All(filters) => filters.iter().for_each(|it| collect(it, leads)),
        Filter::Word(_) | Filter::Any(_) => leads.extend(parts(filter).map(Lead::Below)),
        Filter::Column(column, test) => {
            let clue = match column.name {
                "name" => of_name(test),
                "ext" => of_extension(test),
                "path" => of_path(test),
                _ => None,
            };
            leads.extend(clue.map(Lead::Own));
            let prefix = match test {
                Test::Prefix(prefix) => prefix.as_str(),
                Test::Glob(glob) => literal_prefix(glob),
                _ => "",
            };
            if column.name == "path" && !prefix.is_empty() {
                leads.push(Lead::Under(prefix.to_owned()));
            }
        }
        _ => {}
    }
}

/// The parts one of which must be in a name of the path, if the filter says so.
fn parts(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Word(word) => {
            let longest = word.split('/').max_by_key(|part| part.len())?;
            (!longest.is_empty()).then(|| vec![longest.to_owned()])
        }
        Filter::Any(filters) => {
            let all: Option<Vec<_>> = filters.iter().map(parts).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Filter::All(filters) => filters
            .iter()
            .filter_map(parts)
            .max_by_key(|parts| parts.iter().map(String::len).min()),
        _ => None,
    }
}

fn of_name(test: &Test<Sql>) -> Option<Clue> {
    match test {
        Test::Eq(Some(Sql::Text(name))) => Clue::end(&fold(name)),
        Test::Prefix(part) | Test::Holds(part) => Clue::part(&fold(part)),
        Test::Glob(glob) => of_glob(glob, ""),
        _ => None,
    }
}

fn of_extension(test: &Test<Sql>) -> Option<Clue> {
    match test {
        Test::Eq(Some(Sql::Text(extension))) => Clue::end(&format!(".{}", fold(extension))),
        Test::Glob(glob) => of_glob(glob, "."),
        _ => None,
    }
}

/// A glob of a path says what its last name is like.
fn of_path(test: &Test<Sql>) -> Option<Clue> {
    match test {
        Test::Glob(glob) => of_glob(glob.rsplit('/').next().unwrap_or(glob), ""),
        _ => None,
    }
}

/// What a name has that matches the glob, with `before` before what it matches.
fn of_glob(glob: &str, before: &str) -> Option<Clue> {
    if glob.contains(['[', ']', '{', '}', '\\']) {
        return None;
    }
    let glob = format!("{before}{}", fold(glob));
    let mut runs: Vec<&str> = glob.split(['*', '?']).collect();
    let end = runs.pop().unwrap_or_default();
    let mut grams: Vec<u32> = runs.into_iter().flat_map(grams::of_part).collect();
    if !end.is_empty() {
        grams.extend(grams::of_end(end));
    }
    grams.sort_unstable();
    grams.dedup();
    (!grams.is_empty()).then_some(Clue::Grams(grams))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::terms;
    use journal::Time;

    fn leads_of(text: &str) -> Vec<Lead> {
        let terms = terms(text, "/q", Time::from_millis(0)).unwrap();
        leads(terms.filter.as_ref())
    }

    #[test]
    fn what_says_something_about_a_name_is_a_lead() {
        let below = |parts: &[&str]| Lead::Below(parts.iter().map(|&it| it.to_owned()).collect());
        for (text, expected) in [
            ("Report size:>1", vec![below(&["report"])]),
            ("docs/Annual-Report", vec![below(&["annual-report"])]),
            ("a b", vec![below(&["a"]), below(&["b"])]),
            ("(one OR two) tag:x", vec![below(&["one", "two"])]),
            ("one OR (two three)", vec![below(&["one", "three"])]),
            ("-report", vec![]),
            ("one OR tag:x", vec![]),
            ("size:>1 owner:ada", vec![]),
            (
                "name:Plan.TXT",
                vec![Lead::Own(Clue::end("plan.txt").unwrap())],
            ),
            ("ext:PDF", vec![Lead::Own(Clue::end(".pdf").unwrap())]),
            ("path:docs/**", vec![Lead::Under("docs".to_owned())]),
            ("path:docs/", vec![Lead::Under("docs/".to_owned())]),
            ("path:docs/a", vec![]),
        ] {
            assert_eq!(leads_of(text), expected, "{text}");
        }
        let Some(Lead::Own(Clue::Grams(grams))) = leads_of("name:rep*2024.txt").pop() else {
            panic!("a glob of a name is a lead");
        };
        for gram in grams::of_part("rep")
            .iter()
            .chain(&grams::of_end("2024.txt"))
        {
            assert!(grams.contains(gram));
        }
    }
}
