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
    /// Through names, and what lies below them.
    Below(Below),
    /// Nodes whose own names have this.
    Own(Clue),
    /// Nodes whose paths begin so.
    Under(String),
}

/// Words that must all be in a path. Where a directory's name has one of them, all below it is looked
/// at; elsewhere no name above a node has any, so its own must have all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Below {
    /// Of each, one of the folded parts must be in a name of the path.
    words: Vec<Vec<String>>,
    /// What else the node's own name must have.
    own: Option<Clue>,
}

impl Below {
    /// Whether folded text has one of the words.
    pub(crate) fn is_any_in(&self, folded: &str) -> bool {
        self.words.iter().any(|word| is_in(word, folded))
    }

    /// Whether folded text has all words.
    pub(crate) fn are_all_in(&self, folded: &str) -> bool {
        self.words.iter().all(|word| is_in(word, folded))
    }

    /// What the names of directories must have; all that is below them is looked at.
    pub(crate) fn branches(&self) -> Clue {
        let words = self.words.iter().map(|word| any(word)).collect();
        Clue::All(vec![Clue::directories(), Clue::Any(words)])
    }

    /// What the own name of a node must have that is in no such directory.
    pub(crate) fn alone(&self) -> Clue {
        let words = self.words.iter().map(|word| any(word));
        Clue::All(words.chain(self.own.clone()).collect())
    }
}

fn is_in(word: &[String], folded: &str) -> bool {
    word.iter().any(|part| folded.contains(part.as_str()))
}

/// What a name has that has one of the parts; none of them is empty.
fn any(word: &[String]) -> Clue {
    match word {
        [part] => Clue::part(part).unwrap_or(Clue::Any(Vec::new())),
        parts => Clue::Any(parts.iter().filter_map(|part| Clue::part(part)).collect()),
    }
}

impl Lead {
    /// What a name must have.
    pub(crate) fn clue(&self) -> Option<Clue> {
        match self {
            Self::Own(clue) => Some(clue.clone()),
            Self::Under(_) => None,
            Self::Below(below) => Some(Clue::Any(vec![below.branches(), below.alone()])),
        }
    }

    /// What is done, a line a step.
    pub(crate) fn plan(&self) -> Vec<String> {
        match self {
            Self::Below(below) => {
                let words: Vec<String> = below.words.iter().map(|it| it.join(" OR ")).collect();
                vec![
                    format!("SEARCH names WITH INDEX OF NAMES ({})", words.join(", ")),
                    "SEARCH nodes below USING INDEX filestore_nodes_path".to_owned(),
                ]
            }
            Self::Own(_) => vec!["SEARCH names WITH INDEX OF NAMES".to_owned()],
            Self::Under(prefix) => {
                vec![format!(
                    "SEARCH nodes USING INDEX filestore_nodes_path ({prefix})"
                )]
            }
        }
    }
}

/// What the conditions of a search say about names and paths.
#[derive(Default)]
struct Known {
    words: Vec<Vec<String>>,
    own: Vec<Clue>,
    under: Vec<String>,
}

/// All leads of a search: each word, all words together, the own name, the beginning of the path.
pub(crate) fn leads(filter: Option<&Filter>) -> Vec<Lead> {
    let mut known = Known::default();
    if let Some(filter) = filter {
        collect(filter, &mut known);
    }
    let Known { words, own, under } = known;
    let own = (!own.is_empty()).then_some(Clue::All(own));
    let below = |words| {
        let own = own.clone();
        Lead::Below(Below { words, own })
    };
    let mut leads: Vec<Lead> = words.iter().map(|word| below(vec![word.clone()])).collect();
    if words.len() > 1 {
        leads.push(below(words));
    }
    leads.extend(own.map(Lead::Own));
    leads.extend(under.into_iter().map(Lead::Under));
    leads
}

fn collect(filter: &Filter, known: &mut Known) {
    match filter {
        Filter::All(filters) => filters.iter().for_each(|it| collect(it, known)),
        Filter::Word(_) | Filter::Any(_) => known.words.extend(parts(filter)),
        Filter::Column(column, test) => {
            known.own.extend(match column.name {
                "name" => of_name(test),
                "ext" => of_extension(test),
                "path" => of_path(test),
                _ => None,
            });
            let prefix = match test {
                Test::Prefix(prefix) => prefix.as_str(),
                Test::Glob(glob) => literal_prefix(glob),
                _ => "",
            };
            if column.name == "path" && !prefix.is_empty() {
                known.under.push(prefix.to_owned());
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
        let words = |words: &[&[&str]], own: Option<&str>| {
            let word = |parts: &&[&str]| parts.iter().map(|&it| it.to_owned()).collect();
            Lead::Below(Below {
                words: words.iter().map(word).collect(),
                own: own.map(|own| Clue::All(vec![Clue::end(own).unwrap()])),
            })
        };
        let below = |parts: &[&str]| words(&[parts], None);
        let own = |end: &str| Lead::Own(Clue::All(vec![Clue::end(end).unwrap()]));
        for (text, expected) in [
            ("Report size:>1", vec![below(&["report"])]),
            ("docs/Annual-Report", vec![below(&["annual-report"])]),
            (
                "a b",
                vec![below(&["a"]), below(&["b"]), words(&[&["a"], &["b"]], None)],
            ),
            (
                "plan ext:pdf",
                vec![words(&[&["plan"]], Some(".pdf")), own(".pdf")],
            ),
            ("(one OR two) tag:x", vec![below(&["one", "two"])]),
            ("one OR (two three)", vec![below(&["one", "three"])]),
            ("-report", vec![]),
            ("one OR tag:x", vec![]),
            ("size:>1 owner:ada", vec![]),
            ("name:Plan.TXT", vec![own("plan.txt")]),
            ("ext:PDF", vec![own(".pdf")]),
            ("path:docs/**", vec![Lead::Under("docs".to_owned())]),
            ("path:docs/", vec![Lead::Under("docs/".to_owned())]),
            ("path:docs/a", vec![]),
        ] {
            assert_eq!(leads_of(text), expected, "{text}");
        }
        let Some(Lead::Own(Clue::All(clues))) = leads_of("name:rep*2024.txt").pop() else {
            panic!("a glob of a name is a lead");
        };
        let [Clue::Grams(grams)] = clues.as_slice() else {
            panic!("a glob of a name has grams");
        };
        for gram in grams::of_part("rep")
            .iter()
            .chain(&grams::of_end("2024.txt"))
        {
            assert!(grams.contains(gram));
        }
    }
}
