//! The configuration file: TOML that replaces the defaults of arguments.
//!
//! A key is an argument's id, with tables for the part before the dot. Every key is checked
//! against the argument it stands for, also where a flag or the environment then overrides it, so
//! that a mistake in the file shows at once and not on the day when the flag goes.

use super::{Error, all_options};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const NAMESPACE_RULES: &str = "metastore.namespace_rules";
const SEARCH_PRESETS: &str = "metastore.search_presets";

/// A checked configuration file; the default is an empty one.
#[derive(Clone, Debug, Default)]
pub struct File {
    values: BTreeMap<String, String>,
    namespace_rules: Vec<toml::Value>,
}

impl File {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`Error`], naming the file, the key and the fix.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`File::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let table = text
            .parse::<toml::Table>()
            .map_err(|source| Error::Syntax {
                path: path.to_owned(),
                source: Box::new(source),
            })?;
        let mut checker = Checker {
            path: path.to_owned(),
            options: all_options(),
            file: Self::default(),
        };
        checker.table("", &table)?;
        Ok(checker.file)
    }

    /// The `[[metastore.namespace_rules]]`, in their order.
    #[must_use]
    pub fn namespace_rules(&self) -> &[toml::Value] {
        &self.namespace_rules
    }

    /// The command with the defaults of this file, in its subcommands too.
    #[must_use]
    pub fn replace_defaults(&self, command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| match self.values.get(arg.get_id().as_str()) {
                Some(value) => arg.default_value(value.clone()),
                None => arg,
            })
            .mut_subcommands(|subcommand| self.replace_defaults(subcommand))
    }
}

struct Checker {
    path: PathBuf,
    options: clap::Command,
    file: File,
}

impl Checker {
    fn table(&mut self, prefix: &str, table: &toml::Table) -> Result<(), Error> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Array(rules) if key == NAMESPACE_RULES => {
                    self.file.namespace_rules.clone_from(rules);
                }
                toml::Value::Array(presets) if key == SEARCH_PRESETS => {
                    // Tables of text and numbers: they all have JSON.
                    let presets = serde_json::to_string(presets).unwrap_or_default();
                    self.value(&key, &toml::Value::String(presets))?;
                }
                toml::Value::Table(table) if prefix.is_empty() && self.is_section(name) => {
                    self.table(&format!("{key}."), table)?;
                }
                value => self.value(&key, value)?,
            }
        }
        Ok(())
    }

    fn value(&mut self, key: &str, value: &toml::Value) -> Result<(), Error> {
        if key == NAMESPACE_RULES {
            return self.fail(format!(
                "`{key}` must be tables; write [[{key}]] before each rule"
            ));
        }
        let arg = self.known().find(|arg| arg.get_id() == key).cloned();
        let Some(arg) = arg else {
            return self.fail(self.unknown(key));
        };
        let text = match spelled(&arg, value) {
            Ok(text) => text,
            Err(wanted) => {
                let kind = value.type_str();
                return self.fail(format!("`{key}` must be {wanted}, not {value} ({kind})"));
            }
        };
        if let Err(reason) = self.check(&arg, &text) {
            return self.fail(format!("`{key}` cannot be {value}: {reason}"));
        }
        self.file.values.insert(key.to_owned(), text);
        Ok(())
    }

    /// What the argument's own parser says of the value.
    fn check(&self, arg: &clap::Arg, text: &str) -> Result<(), String> {
        // The environment plays no part in whether the file is right.
        let command = self.options.clone().mut_args(|arg| arg.env(None::<&str>));
        let flag = format!("--{}={text}", arg.get_long().unwrap_or_default());
        match command.try_get_matches_from(["tidemark", &flag]) {
            Ok(_) => Ok(()),
            Err(error) => Err(match std::error::Error::source(&error) {
                Some(reason) => reason.to_string(),
                None => {
                    let values: Vec<_> = arg.get_possible_values();
                    let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
                    format!("write one of {}", names.join(", "))
                }
            }),
        }
    }

    fn known(&self) -> impl Iterator<Item = &clap::Arg> {
        let known = self
            .options
            .get_arguments()
            .filter(|arg| !arg.is_hide_set());
        known.filter(|arg| arg.get_id() != "config")
    }

    fn is_section(&self, name: &str) -> bool {
        self.known().any(|arg| {
            let section = arg.get_id().as_str().split_once('.');
            section.is_some_and(|(section, _)| section == name)
        })
    }

    fn unknown(&self, key: &str) -> String {
        let section = key.split_once('.').map_or("", |(section, _)| section);
        let mut names: Vec<_> = self
            .known()
            .map(|arg| {
                arg.get_id()
                    .as_str()
                    .split_once('.')
                    .unwrap_or(("", arg.get_id().as_str()))
            })
            .filter(|(of, _)| *of == section)
            .map(|(_, name)| name.to_owned())
            .collect();
        if section == "metastore" {
            names.push("namespace_rules".to_owned());
        }
        let place = match section {
            "" => {
                let mut sections: Vec<_> = self
                    .known()
                    .filter_map(|arg| arg.get_id().as_str().split_once('.'))
                    .collect();
                sections.dedup_by_key(|(section, _)| *section);
                names.extend(sections.iter().map(|(section, _)| format!("[{section}]")));
                "at the top".to_owned()
            }
            section => format!("under [{section}]"),
        };
        format!(
            "there is no key `{key}`; {place} stand {}",
            names.join(", ")
        )
    }

    fn fail(&self, message: String) -> Result<(), Error> {
        let path = self.path.clone();
        Err(Error::Key { path, message })
    }
}

/// The value as the argument's flag would have it, or what the file should hold instead.
fn spelled(arg: &clap::Arg, value: &toml::Value) -> Result<String, &'static str> {
    let wants = arg.get_value_parser().type_id();
    let is = |ids: &[TypeId]| ids.iter().any(|id| wants == *id);
    if is(&[
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
    ]) {
        return match value {
            toml::Value::Integer(number) => Ok(number.to_string()),
            _ => Err("a whole number"),
        };
    }
    if is(&[TypeId::of::<bool>()]) {
        return match value {
            toml::Value::Boolean(flag) => Ok(flag.to_string()),
            _ => Err("true or false"),
        };
    }
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        _ => Err("a string"),
    }
}
