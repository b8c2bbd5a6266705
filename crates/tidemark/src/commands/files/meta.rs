//! `meta`: what people wrote on a node, in filestore itself.

use super::super::Outcome;
use super::bar::Bar;
use super::{Changing, answer_row, json_command, object as object_of};
use crate::client::Services;
use crate::output::{Column, Format, Row, Rows};
use crate::reading::Reading;
use crate::target;
use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::ffi::OsString;

/// `tidemark meta`
#[derive(Subcommand, Debug)]
pub enum MetaCommand {
    /// Show a node's metadata, or one value of it
    Get(MetaGetArgs),
    /// Set values
    Set(MetaSetArgs),
    /// Remove values
    Unset(MetaUnsetArgs),
}

/// `tidemark meta get`
#[derive(Args, Debug)]
pub struct MetaGetArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// Only this value; exit 1 if there is none
    pub key: Option<String>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark meta set`
#[derive(Args, Debug)]
pub struct MetaSetArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// The values: numbers, true, false, null, lists and objects as JSON; all else is text
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    pub values: Vec<(String, String)>,
    /// Take every value as text
    #[arg(long)]
    pub text: bool,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

/// `tidemark meta unset`
#[derive(Args, Debug)]
pub struct MetaUnsetArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// The keys
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,
    /// On whose behalf, how to print, and where the services are.
    #[command(flatten)]
    pub changing: Changing,
}

impl MetaCommand {
    /// What every command of these takes.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        match self {
            Self::Get(args) => &args.reading,
            Self::Set(args) => &args.changing.reading,
            Self::Unset(args) => &args.changing.reading,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the key is empty; write KEY=VALUE".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("write KEY=VALUE".to_owned()),
    }
}

/// A JSON object, as an option has it.
pub(crate) fn object(text: &str) -> Result<Row, String> {
    match httpkit::json::from_slice(text.as_bytes()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is JSON, and no object: write {\"KEY\": VALUE}".to_owned()),
        Err(fault) if fault.is_malformed => Err(format!("it is not JSON: {fault}")),
        Err(fault) => Err(fault.to_string()),
    }
}

/// What is meant by a value on the command line: JSON if it is some, else text.
fn value(text: &str, is_text: bool) -> anyhow::Result<Value> {
    if is_text {
        return Ok(Value::from(text));
    }
    match httpkit::json::from_slice(text.as_bytes()) {
        Err(fault) if fault.is_malformed => Ok(Value::from(text)),
        Err(fault) => bail!("{fault} (with --text)"),
        Ok(value) => Ok(value),
    }
}

pub(crate) fn run(services: &Services, command: &MetaCommand) -> anyhow::Result<Outcome> {
    let (metadata, reading) = match command {
        MetaCommand::Get(args) => {
            let metadata = read(services, &args.target)?;
            return match &args.key {
                None => print(&metadata, &args.reading),
                Some(key) => print_one(&metadata, key, &args.reading),
            };
        }
        MetaCommand::Set(args) => {
            let values = args.values.iter();
            let set = values
                .map(|(key, text)| Ok((key.clone(), value(text, args.text)?)))
                .collect::<anyhow::Result<Map<_, _>>>()?;
            let body = json!({ "set": set });
            (
                patch(services, &args.target, &args.changing, &body)?,
                &args.changing.reading,
            )
        }
        MetaCommand::Unset(args) => {
            let body = json!({ "unset": args.keys });
            (
                patch(services, &args.target, &args.changing, &body)?,
                &args.changing.reading,
            )
        }
    };
    print(&metadata, reading)
}

fn read(services: &Services, target: &OsString) -> anyhow::Result<Row> {
    let node = target::find_node(services, target)?;
    Ok(metadata_of(object_of(&services.filestore, node)?))
}

fn patch(
    services: &Services,
    target: &OsString,
    changing: &Changing,
    body: &Value,
) -> anyhow::Result<Row> {
    let id = target::node_id(services, target)?;
    let bar = Bar::waiting(&node::name::spelled(target));
    let patch = (&Method::PATCH, &*format!("/v1/nodes/{id}/metadata"));
    let answer = json_command(services, changing, &bar, patch, body);
    bar.end();
    Ok(metadata_of(answer_row(answer?)))
}

fn metadata_of(mut node: Row) -> Row {
    match node.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        _ => Row::new(),
    }
}

/// A key a line for people; one object for programs.
fn print(metadata: &Row, reading: &Reading) -> anyhow::Result<Outcome> {
    if matches!(reading.output, Format::Json | Format::Ndjson) {
        let mut out = Rows::stdout_of(reading.output, &[]);
        out.push(metadata)?;
        out.finish()?;
        return Ok(Outcome::Good);
    }
    let mut out = Rows::stdout(
        reading.output,
        vec![Column::text("key"), Column::text("value")],
    );
    for (key, value) in metadata {
        out.push(&of_pair(key, value))?;
    }
    out.finish()?;
    Ok(Outcome::Good)
}

fn print_one(metadata: &Row, key: &str, reading: &Reading) -> anyhow::Result<Outcome> {
    let Some(value) = metadata.get(key) else {
        let keys: Vec<_> = metadata.keys().map(String::as_str).collect();
        bail!("the node has no metadata {key:?}; it has {keys:?}");
    };
    let mut out = Rows::stdout(
        reading.output,
        vec![Column::text("key"), Column::text("value")],
    );
    out.push(&of_pair(key, value))?;
    out.finish()?;
    Ok(Outcome::Good)
}

fn of_pair(key: &str, value: &Value) -> Row {
    let mut row = Row::new();
    row.insert("key".to_owned(), json!(key));
    row.insert("value".to_owned(), value.clone());
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_where_it_can_be_and_text_otherwise() {
        for (text, expected) in [
            ("1", json!(1)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("[1,\"a\"]", json!([1, "a"])),
            ("\"1\"", json!("1")),
            ("red", json!("red")),
            ("a=b", json!("a=b")),
            ("", json!("")),
        ] {
            assert_eq!(value(text, false).unwrap(), expected, "{text}");
        }
        assert_eq!(value("1", true).unwrap(), json!("1"));
        let fault = value("12345678901234567890", false).unwrap_err();
        assert!(fault.to_string().contains("as a string"), "{fault}");
    }

    #[test]
    fn a_pair_needs_a_key() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err() && pair("=a").is_err());
        let node = json!({"metadata": {"a": 1}}).as_object().cloned().unwrap();
        assert_eq!(metadata_of(node).len(), 1);
    }
}
