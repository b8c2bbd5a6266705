//! `field:value` terms: the fields that have short names, and all others, which are the metadata's.

use super::super::field::{self, Column, Field, JsonField, Kind};
use super::super::filter::{Filter, JsonTest, Scalar, TagsTest, Test};
use super::super::parse;
use super::{Operator, Typed, values};
use crate::rules::compile_glob;
use journal::Time;
use journal::compare::fold;
use rusqlite::types::Value as Sql;
use serde_json::{Number, Value};

/// The names of fields that people are told of, for what they may have meant.
pub(crate) const NAMES: &[&str] = &[
    "name",
    "path",
    "ext",
    "kind",
    "size",
    "modified",
    "created",
    "updated",
    "tag",
    "tags",
    "owner",
    "ns",
    "mount",
    "key",
    "has",
    "state",
    "user",
    "group",
    "mode",
    "changed",
    "accessed",
    "linktarget",
];

/// A term, and the field of the metadata that it asks for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) filter: Filter,
    pub(super) others: Vec<String>,
}

impl From<Filter> for Found {
    fn from(filter: Filter) -> Self {
        let others = Vec::new();
        Self { filter, others }
    }
}

/// The field of the API that a short name stands for, where it stands for one.
pub(crate) fn name_of_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "path" => "metadata.filestore.path",
        "kind" | "type" => "metadata.filestore.kind",
        "size" => "metadata.filestore.sizeBytes",
        "modified" | "mtime" => "metadata.filestore.lastModifiedAt",
        "created" => "createdAt",
        "updated" => "updatedAt",
        "deleted" => "deletedAt",
        "ns" | "namespace" => "namespace",
        "mount" => "metadata.filestore.backendMountId",
        "state" => "metadata.filestore.state",
        "user" => "metadata.filestore.user",
        "group" => "metadata.filestore.group",
        "uid" => "metadata.filestore.uid",
        "gid" => "metadata.filestore.gid",
        "mode" => "metadata.filestore.mode",
        "links" => "metadata.filestore.links",
        "allocated" => "metadata.filestore.allocatedBytes",
        "changed" | "ctime" => "metadata.filestore.changedAt",
        "accessed" | "atime" => "metadata.filestore.accessedAt",
        "linktarget" | "linkTarget" => "metadata.filestore.linkTarget",
        "filetype" | "fileType" => "metadata.filestore.fileType",
        "storageclass" | "storageClass" => "metadata.filestore.storageClass",
        _ => return None,
    })
}

/// The condition that a term is.
pub(super) fn term(
    name: &str,
    operator: Operator,
    value: &Typed,
    now: Time,
) -> Result<Found, String> {
    let term = Term {
        name,
        operator,
        value,
        now,
    };
    let filter = match name {
        "tag" | "tags" => term.tags()?,
        "has" => return term.has(),
        "name" => term.folded(&field::NAME)?,
        "ext" | "extension" => term.extension()?,
        "kind" | "type" => term.one_of(&kinds())?,
        "state" => term.one_of(STATES)?,
        "mount" => term.mount()?,
        "path" => term.path()?,
        "user" => term.who("metadata.filestore.uid")?,
        "group" => term.who("metadata.filestore.gid")?,
        "mode" => term.mode()?,
        "effective.owner" | "effective.tags" => {
            return Err(format!(
                "{name}: what a directory passes on to what is below it is not recorded yet; write \
                 owner: or tag: for what was said of a file itself"
            ));
        }
        _ => return term.by_api_name(),
    };
    Ok(filter.into())
}

/// A bare word with `*` or `?`: the whole name, or with a slash the end of the path.
pub(super) fn bare_glob(glob: &str) -> Result<Filter, String> {
    let folded = fold(glob.trim_start_matches('/')).into_owned();
    compile_glob(&folded)?;
    if !folded.contains('/') {
        return Ok(Filter::Column(field::NAME, Test::Glob(folded)));
    }
    let globs = [format!("**/{folded}"), folded];
    let tests = globs.map(|glob| Filter::Column(field::FOLDED_PATH, Test::Glob(glob)));
    Ok(Filter::Any(tests.into()))
}

const STATES: &[(&str, &str)] = &[
    ("active", "active"),
    ("missing", "missing"),
    ("inconsistent", "inconsistent"),
    ("deleted", "deleted"),
];

fn kinds() -> [(&'static str, &'static str); 7] {
    let (file, directory) = ("file", "directory");
    [
        ("file", file),
        ("directory", directory),
        ("files", file),
        ("f", file),
        ("dir", directory),
        ("folder", directory),
        ("d", directory),
    ]
}

struct Term<'a> {
    name: &'a str,
    operator: Operator,
    value: &'a Typed,
    now: Time,
}

impl Term<'_> {
    /// Turns the condition around for `!=`.
    fn turned(&self, filter: Filter) -> Filter {
        match self.operator {
            Operator::Neq => Filter::Not(Box::new(filter)),
            _ => filter,
        }
    }

    fn is_equality(&self) -> Result<(), String> {
        match self.operator {
            Operator::Eq | Operator::Neq => Ok(()),
            _ => Err(format!(
                "{} has no order; write {}:{} or {}!={}",
                self.name, self.name, self.value.text, self.name, self.value.text
            )),
        }
    }

    fn is_null(&self) -> bool {
        !self.value.is_quoted && self.value.text == "null"
    }

    fn column(&self, column: Column, test: Test<Sql>) -> Filter {
        self.turned(Filter::Column(column, test))
    }

    fn ordered<V>(&self, value: V) -> Test<V> {
        match self.operator {
            Operator::Eq | Operator::Neq => Test::Eq(Some(value)),
            Operator::Lt => Test::Less(value),
            Operator::Lte => Test::LessOrEqual(value),
            Operator::Gt => Test::Greater(value),
            Operator::Gte => Test::GreaterOrEqual(value),
        }
    }

    fn is_glob(&self) -> bool {
        self.value.is_glob() && matches!(self.operator, Operator::Eq | Operator::Neq)
    }

    fn glob<V>(&self, glob: &str) -> Result<Test<V>, String> {
        compile_glob(glob)?;
        Ok(Test::Glob(glob.to_owned()))
    }

    /// Text as it is stored.
    fn text(&self, column: Column) -> Result<Filter, String> {
        let text = &self.value.text;
        let test = if self.is_null() {
            self.is_equality()?;
            Test::Eq(None)
        } else if self.is_glob() {
            self.glob(text)?
        } else {
            self.ordered(Sql::Text(text.clone()))
        };
        Ok(self.column(column, test))
    }

    /// Text whatever its case.
    fn folded(&self, column: &Column) -> Result<Filter, String> {
        let text = fold(&self.value.text).into_owned();
        let test = if self.is_glob() {
            self.glob(&text)?
        } else {
            self.ordered(Sql::Text(text))
        };
        Ok(self.column(*column, test))
    }

    fn extension(&self) -> Result<Filter, String> {
        self.is_equality()?;
        let text = fold(self.value.text.trim_start_matches('.')).into_owned();
        let test = match (text.is_empty(), self.is_glob()) {
            (true, _) => Test::Eq(None),
            (false, true) => self.glob(&text)?,
            (false, false) => Test::Eq(Some(Sql::Text(text))),
        };
        Ok(self.column(field::EXTENSION, test))
    }

    fn one_of(&self, words: &[(&str, &str)]) -> Result<Filter, String> {
        self.is_equality()?;
        let typed = fold(&self.value.text);
        let Some((_, word)) = words.iter().find(|(word, _)| *word == typed) else {
            let mut known: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
            known.sort_unstable();
            known.dedup();
            return Err(format!(
                "{} is one of {}, not {:?}; write {}:{}",
                self.name,
                known.join(", "),
                self.value.text,
                self.name,
                known.last().copied().unwrap_or_default()
            ));
        };
        let column = name_of_field(self.name).and_then(column_of);
        let column = column.ok_or_else(|| format!("{} is no field", self.name))?;
        Ok(self.column(column, Test::Eq(Some(Sql::Text((*word).to_owned())))))
    }

    fn mount(&self) -> Result<Filter, String> {
        self.is_equality()?;
        match (
            self.value.text.parse::<i64>(),
            column_of("metadata.filestore.backendMountId"),
        ) {
            (Ok(id), Some(column)) => Ok(self.column(column, Test::Eq(Some(Sql::Integer(id))))),
            _ => Err(format!(
                "mount takes the id of a mount, not {:?}; `tidemark mounts list` shows them; write \
                 mount:1",
                self.value.text
            )),
        }
    }

    /// A user or a group: by name, or by the number in the column `id`.
    fn who(&self, id: &str) -> Result<Filter, String> {
        self.is_equality()?;
        let is_number = self.value.text.bytes().all(|byte| byte.is_ascii_digit());
        let name = if is_number && !self.value.is_quoted {
            id
        } else {
            self.name
        };
        let column = name_of_field(name).unwrap_or(name);
        let column = column_of(column).ok_or_else(|| format!("{} is no field", self.name))?;
        self.typed(column)
    }

    /// Permissions, in octal as everybody writes them.
    fn mode(&self) -> Result<Filter, String> {
        self.is_equality()?;
        let column = column_of("metadata.filestore.mode").ok_or("mode is no field")?;
        if self.is_null() {
            return Ok(self.column(column, Test::Eq(None)));
        }
        let mode = i64::from_str_radix(&self.value.text, 8)
            .ok()
            .filter(|mode| (0..=0o7777).contains(mode));
        let mode = mode.ok_or_else(|| {
            format!(
                "mode takes permissions in octal, not {:?}; write mode:644",
                self.value.text
            )
        })?;
        Ok(self.column(column, Test::Eq(Some(Sql::Integer(mode)))))
    }

    /// The whole path, a glob of it, or with a slash behind it all that is below.
    fn path(&self) -> Result<Filter, String> {
        let text = self.value.text.as_str();
        let path = text
            .strip_prefix("./")
            .unwrap_or(text)
            .trim_start_matches('/');
        let column = column_of("metadata.filestore.path").ok_or("path is no field")?;
        let test = if self.is_glob() {
            self.glob(path)?
        } else if text.ends_with('/') && matches!(self.operator, Operator::Eq | Operator::Neq) {
            Test::Prefix(path.to_owned())
        } else {
            self.ordered(Sql::Text(path.to_owned()))
        };
        Ok(self.column(column, test))
    }

    fn tags(&self) -> Result<Filter, String> {
        self.is_equality()?;
        let tag = self.value.text.trim();
        let test = if self.is_glob() {
            TagsTest::One(self.glob(tag)?)
        } else if tag.is_empty() {
            return Err("a tag has a name; -has:tags finds what has none".to_owned());
        } else {
            TagsTest::HasAll(vec![tag.to_owned()])
        };
        Ok(self.turned(Filter::Tags(test)))
    }

    /// Whether there is something at all.
    fn has(&self) -> Result<Found, String> {
        self.is_equality()?;
        let name = self.value.text.as_str();
        let mut others = Vec::new();
        let filter = match name {
            "tag" | "tags" => Filter::Tags(TagsTest::HasSome),
            "path" | "node" | "file" | "name" => Filter::HasNode(true),
            "hash" => self.has_column("metadata.filestore.contentHash")?,
            "checksum" => self.has_column("metadata.filestore.checksum")?,
            "ext" => Filter::Not(Box::new(Filter::Column(field::EXTENSION, Test::Eq(None)))),
            "metadata" => {
                return Err(
                    "has:metadata asks nothing; name a field, such as has:project".to_owned(),
                );
            }
            _ => match field::field(api_name(name).as_str())? {
                Field::Column(column) => {
                    Filter::Not(Box::new(Filter::Column(column, Test::Eq(None))))
                }
                Field::Json(json) => {
                    others.extend(other(name));
                    Filter::Not(Box::new(Filter::Json(json, JsonTest::Is(Test::Eq(None)))))
                }
                Field::Tags => Filter::Tags(TagsTest::HasSome),
                Field::Node => Filter::HasNode(true),
            },
        };
        let filter = self.turned(filter);
        Ok(Found { filter, others })
    }

    fn has_column(&self, name: &str) -> Result<Filter, String> {
        let column = column_of(name).ok_or_else(|| format!("{} is no field", self.name))?;
        Ok(Filter::Not(Box::new(Filter::Column(
            column,
            Test::Eq(None),
        ))))
    }

    /// A column by the name that the API gives it, or a field of the metadata.
    fn by_api_name(&self) -> Result<Found, String> {
        match field::field(&api_name(self.name))? {
            Field::Column(column) => self.typed(column).map(Found::from),
            Field::Json(json) => Ok(Found {
                filter: self.json(&json)?,
                others: other(self.name).into_iter().collect(),
            }),
            Field::Tags => self.tags().map(Found::from),
            Field::Node => Err(format!(
                "{} is many fields; write has:path for what is in filestore",
                self.name
            )),
        }
    }

    fn typed(&self, column: Column) -> Result<Filter, String> {
        if self.is_null() {
            self.is_equality()?;
            return Ok(self.column(column, Test::Eq(None)));
        }
        let test = match column.kind {
            Kind::Text => return self.text(column),
            Kind::Time => {
                values::time(self.operator, &self.value.text, self.now).ok_or_else(|| {
                    format!(
                        "{} takes an age or a date, not {:?}; write {}:<30d (within 30 days), \
                     {}:>2026-01-31 or {}:2026-01",
                        self.name, self.value.text, self.name, self.name, self.name
                    )
                })?
            }
            Kind::Integer => {
                let number = if matches!(column.name, "sizeBytes" | "allocatedBytes") {
                    values::bytes(&self.value.text).ok_or_else(|| {
                        format!(
                            "{} takes a number of bytes or of K, M, G, T, not {:?}; write {}:>1G",
                            self.name, self.value.text, self.name
                        )
                    })?
                } else {
                    self.value.text.parse().map_err(|_| {
                        format!(
                            "{} takes a whole number, not {:?}; write {}:1",
                            self.name, self.value.text, self.name
                        )
                    })?
                };
                self.ordered(Sql::Integer(number))
            }
        };
        Ok(self.column(column, test))
    }

    /// A field of the metadata. Unquoted, `2024` is the number and the text, `true` the word and the
    /// text; a list is asked whether it has it.
    fn json(&self, json: &JsonField) -> Result<Filter, String> {
        let text = Value::String(self.value.text.clone());
        let is = |test: Test<Scalar>| Filter::Json(json.clone(), JsonTest::Is(test));
        if self.is_glob() {
            return Ok(self.turned(is(self.glob(&self.value.text)?)));
        }
        if self.is_null() {
            self.is_equality()?;
            return Ok(self.turned(is(Test::Eq(None))));
        }
        let mut meant = vec![text];
        if !self.value.is_quoted {
            meant.extend(plain(&self.value.text));
        }
        let mut tests = Vec::new();
        for value in &meant {
            match parse::scalar(value) {
                Some(Scalar::Bool(_)) if self.is_equality().is_err() => {}
                // Only a number is more than another one, if it is a number that was typed.
                Some(Scalar::Text(_)) if meant.len() > 1 && self.is_equality().is_err() => {}
                Some(scalar) => tests.push(is(self.ordered(scalar))),
                None => {}
            }
        }
        if self.is_equality().is_ok() {
            tests.push(Filter::Json(json.clone(), JsonTest::HasAny(meant)));
        }
        let filter = match tests.len() {
            1 => tests.remove(0),
            _ => Filter::Any(tests),
        };
        Ok(self.turned(filter))
    }
}

/// What unquoted text is besides text.
fn plain(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            serde_json::from_str::<Number>(text).ok().map(Value::Number)
        }
        _ => None,
    }
}

/// The column of this name of the API.
fn column_of(name: &str) -> Option<Column> {
    match field::field(name) {
        Ok(Field::Column(column)) => Some(column),
        _ => None,
    }
}

/// The field of the API that a typed name means.
fn api_name(name: &str) -> String {
    if let Some(name) = name_of_field(name) {
        return name.to_owned();
    }
    let is_metadata = name == "metadata" || name.starts_with("metadata.");
    if is_metadata || field::RECORD.iter().any(|column| column.name == name) {
        name.to_owned()
    } else {
        format!("metadata.{name}")
    }
}

/// The name of a field of people's metadata, to be looked up.
fn other(name: &str) -> Option<String> {
    let name = name.strip_prefix("metadata.").unwrap_or(name);
    (name != "metadata" && name != "filestore" && !name.starts_with("filestore."))
        .then(|| name.to_owned())
}
