//! `search`, `tag` and `owner`: what people say about nodes.
//!
//! The record of a node has the node's id as its key. The namespace rules decide its namespace. So
//! without `--namespace` a command searches all namespaces that the caller may see.

use super::{Outcome, rows_in};
use crate::client::{Error, Services};
use crate::output::{Column, Row, Rows, say};
use crate::reading::Reading;
use crate::target::{self, Mount, Target};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::ops::Range;

/// Records asked for at once.
const PAGE: u64 = 100;

/// `tidemark search`
#[derive(Args, Debug)]
pub struct SearchArgs {
    /// Words of the path, and terms such as ext:pdf, size:>1G, modified:<30d, tag:raw, owner:ada;
    /// all must hold; OR, -TERM, parentheses and "quoted words" work
    #[arg(value_name = "QUERY", required = true)]
    pub query: Vec<String>,
    /// The namespace; `*` is all of them
    #[arg(long, default_value = "*")]
    pub namespace: String,
    /// At most this many records
    #[arg(long, value_name = "RECORDS", default_value_t = 100)]
    pub limit: u64,
    /// Say how the records are found
    #[arg(long)]
    pub explain: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark tag`
#[derive(Subcommand, Debug)]
pub enum TagCommand {
    /// Add tags
    Add(TagArgs),
    /// Remove tags
    Remove(TagArgs),
}

/// `tidemark tag add` and `remove`
#[derive(Args, Debug)]
pub struct TagArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// The tags
    #[arg(value_name = "TAG", required = true)]
    pub tags: Vec<String>,
    /// The record's namespace, if it is known
    #[arg(long)]
    pub namespace: Option<String>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark owner`
#[derive(Subcommand, Debug)]
pub enum OwnerCommand {
    /// Set the owner
    Set(OwnerArgs),
}

/// `tidemark owner set`
#[derive(Args, Debug)]
pub struct OwnerArgs {
    /// A node id, MOUNT:PATH, or a path on this machine
    #[arg(value_name = "NODE|PATH")]
    pub target: OsString,
    /// The owner; an empty one removes it
    pub owner: String,
    /// The record's namespace, if it is known
    #[arg(long)]
    pub namespace: Option<String>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

impl OwnerCommand {
    /// What it takes.
    #[must_use]
    pub fn args(&self) -> &OwnerArgs {
        let Self::Set(args) = self;
        args
    }
}

impl TagCommand {
    /// What both take.
    #[must_use]
    pub fn args(&self) -> &TagArgs {
        match self {
            Self::Add(args) | Self::Remove(args) => args,
        }
    }
}

pub(crate) fn search(services: &Services, args: &SearchArgs) -> anyhow::Result<Outcome> {
    let metastore = &services.metastore;
    let query = with_paths_in_mounts(services, &args.query)?;
    let q = with_mount_ids(services, &joined(&query))?;
    let mut out = Rows::stdout(args.reading.output, columns());
    let (mut shown, mut total, mut cursor) = (0, None, None);
    while shown < args.limit {
        let limit = PAGE.min(args.limit - shown);
        let body = json!({"namespace": args.namespace, "q": q, "limit": limit, "cursor": cursor,
                          "explain": args.explain});
        let request = metastore.request(Method::POST, "/records/search");
        let answer = metastore
            .json(request.json(&body))
            .map_err(|error| at_its_place(error, &q))?;
        let pagination = answer.get("pagination").cloned().unwrap_or_default();
        if cursor.is_none() {
            total = total_of(&pagination);
            hints(&answer);
        }
        cursor = pagination.get("nextCursor").cloned();
        for record in rows_in(answer, &["records"]) {
            shown += 1;
            out.push(&flat(record))?;
        }
        if cursor.is_none() {
            break;
        }
    }
    out.finish()?;
    if shown == 0 && args.limit > 0 {
        say("no record matches");
    }
    if let Some((total, mark)) = total.filter(|(total, _)| cursor.is_some() || *total > shown) {
        say(format_args!(
            "{shown} of {total}{mark} records; more with --limit"
        ));
    }
    Ok(Outcome::Good)
}

/// The query with paths on this machine as paths in their mounts: `/srv/data/raw` finds what
/// `mount:data /raw` finds.
fn with_paths_in_mounts(services: &Services, query: &[String]) -> anyhow::Result<Vec<String>> {
    if !query.iter().any(|argument| argument.starts_with('/')) {
        return Ok(query.to_owned());
    }
    let mounts = target::mounts(&services.filestore)?;
    let arguments = query.iter().map(|argument| in_its_mount(argument, &mounts));
    Ok(arguments.collect())
}

fn in_its_mount(argument: &str, mounts: &[Mount]) -> String {
    let place = argument
        .starts_with('/')
        .then(|| target::resolve(argument.as_ref(), mounts, "/".as_ref()).ok())
        .flatten();
    let Some(Target::Path { mount_id, path }) = place else {
        return argument.to_owned();
    };
    let quote = ['"', '\''].into_iter().find(|quote| !path.contains(*quote));
    match quote {
        _ if path.is_empty() => format!("mount:{mount_id}"),
        Some(quote) => format!("mount:{mount_id} {quote}/{path}{quote}"),
        None => argument.to_owned(),
    }
}

/// The query with the ids of the mounts that it names by key or by a path in them: the metastore
/// knows ids only.
fn with_mount_ids(services: &Services, q: &str) -> anyhow::Result<String> {
    let names = mounts_named(q);
    if names.is_empty() {
        return Ok(q.to_owned());
    }
    let mounts = target::mounts(&services.filestore)?;
    let (mut with_ids, mut end) = (String::new(), 0);
    for place in names {
        let name = q.get(place.clone()).unwrap_or_default().trim_matches('"');
        let mount = target::mount(&mounts, name.as_ref())?;
        with_ids.push_str(q.get(end..place.start).unwrap_or_default());
        with_ids.push_str(&mount.id.to_string());
        end = place.end;
    }
    with_ids.push_str(q.get(end..).unwrap_or_default());
    Ok(with_ids)
}

/// Where the values of `mount:` stand that are no ids. In quotes there are no terms.
fn mounts_named(q: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let (mut is_quoted, mut before, mut at) = (false, ' ', 0);
    while let Some(rest) = q.get(at..)
        && let Some(c) = rest.chars().next()
    {
        let is_start = !is_quoted && (before.is_whitespace() || matches!(before, '(' | '-'));
        let value = ["mount:", "mount="]
            .iter()
            .find_map(|start| rest.strip_prefix(start))
            .filter(|_| is_start);
        if let Some(value) = value {
            let start = q.len() - value.len();
            let length = match value.strip_prefix('"') {
                Some(quoted) => quoted.find('"').map(|end| end + 2),
                None => value.find(|c: char| c.is_whitespace() || c == ')'),
            };
            let end = start + length.unwrap_or(value.len());
            let name = q.get(start..end).unwrap_or_default();
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                places.push(start..end);
            }
            (before, at) = ('"', end);
            continue;
        }
        is_quoted ^= c == '"';
        (before, at) = (c, at + c.len_utf8());
    }
    places
}

/// What is wrong with a query, with a mark under the place.
fn at_its_place(error: Error, q: &str) -> anyhow::Error {
    const PLACE: &str = "/q: at character ";
    let told = error.to_string();
    let told = told
        .split_once(PLACE)
        .and_then(|(_, told)| told.split_once(": "));
    let place = told.and_then(|(place, _)| place.parse::<usize>().ok());
    match (place, told) {
        (Some(place), Some((_, what))) if !q.contains('\n') => {
            let mark = " ".repeat(place.saturating_sub(1));
            let what = what.trim_end().trim_end_matches(" (invalid_request)");
            anyhow::anyhow!("{what}\n  {q}\n  {mark}^")
        }
        _ => error.into(),
    }
}

/// The arguments as one query. What the shell kept together with its quotes is one value again:
/// `"annual report"` arrives without them.
fn joined(arguments: &[String]) -> String {
    match arguments {
        [only] => only.clone(),
        several => several
            .iter()
            .map(|argument| requoted(argument))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A bare word or a value with spaces, in quotes; what is a query by itself stays as it is.
fn requoted(argument: &str) -> String {
    let is_query = argument.contains(['"', '\'', '(', ')', ':', '=', '<', '>'])
        || argument
            .split_whitespace()
            .any(|word| matches!(word, "OR" | "AND" | "NOT"))
        || argument.starts_with('-');
    if argument.contains(char::is_whitespace) && !is_query {
        format!("\"{argument}\"")
    } else {
        argument.to_owned()
    }
}

/// How many records there are, and `+` where not all were counted.
fn total_of(pagination: &Value) -> Option<(u64, &'static str)> {
    let total = pagination.get("total").and_then(Value::as_u64)?;
    let is_exact = pagination.get("isTotalExact").and_then(Value::as_bool);
    Some((total, if is_exact == Some(false) { "+" } else { "" }))
}

/// Tells what may have been meant otherwise, and how the search went if that was asked for.
fn hints(answer: &Value) {
    for warning in answer
        .get("warnings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        say(format_args!("{}", warning.as_str().unwrap_or_default()));
    }
    let Some(explain) = answer.get("explain") else {
        return;
    };
    say(format_args!(
        "begins with: {}",
        explain
            .get("beginsWith")
            .and_then(Value::as_str)
            .unwrap_or_default()
    ));
    for step in explain
        .get("plan")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        say(format_args!("  {}", step.as_str().unwrap_or_default()));
    }
}

pub(crate) fn tag(services: &Services, command: &TagCommand) -> anyhow::Result<Outcome> {
    let args = command.args();
    let change = match command {
        TagCommand::Add(_) => json!({"add": args.tags}),
        TagCommand::Remove(_) => json!({"remove": args.tags}),
    };
    let node_id = target::node_id(services, &args.target)?;
    let record = patch(
        services,
        node_id,
        args.namespace.as_deref(),
        &json!({ "tags": change }),
    )?;
    print_one(record, &args.reading)
}

pub(crate) fn owner(services: &Services, command: &OwnerCommand) -> anyhow::Result<Outcome> {
    let args = command.args();
    let owner = Some(args.owner.as_str()).filter(|owner| !owner.is_empty());
    let node_id = target::node_id(services, &args.target)?;
    let record = patch(
        services,
        node_id,
        args.namespace.as_deref(),
        &json!({ "owner": owner }),
    )?;
    print_one(record, &args.reading)
}

/// Patches the node's record, wherever it lives.
fn patch(
    services: &Services,
    node_id: i64,
    namespace: Option<&str>,
    body: &Value,
) -> anyhow::Result<Row> {
    let namespace = match namespace {
        Some(namespace) => namespace.to_owned(),
        None => match namespace_of(services, node_id)? {
            Some(namespace) => namespace,
            None => {
                // A node that has only just come to be may not have its record yet.
                wait_for_head(services)?;
                let found = namespace_of(services, node_id)?;
                found.with_context(|| {
                    format!(
                        "the metastore has no record of node {node_id}; `tidemark status` shows \
                         whether it follows the journal"
                    )
                })?
            }
        },
    };
    let metastore = &services.metastore;
    let path = format!("/records/{}/{node_id}", escaped(&namespace));
    let answer = metastore.json(metastore.request(Method::PATCH, &path).json(body))?;
    match answer {
        Value::Object(mut answer) => match answer.remove("record") {
            Some(Value::Object(record)) => Ok(record),
            _ => Err(metastore.garbled("it has no record").into()),
        },
        _ => Err(metastore.garbled("it is not an object").into()),
    }
}

/// Where the node's record lives. A person's record may have the same key; the node's has the
/// sync's part.
fn namespace_of(services: &Services, node_id: i64) -> Result<Option<String>, Error> {
    let metastore = &services.metastore;
    let filter = json!({"type": "group", "operator": "and", "filters": [
        {"field": "key", "operator": "eq", "value": node_id.to_string()},
        {"field": "metadata.filestore", "operator": "exists"},
    ]});
    let body = json!({"namespace": "*", "filter": filter, "limit": 1});
    let answer = metastore.json(
        metastore
            .request(Method::POST, "/records/search")
            .json(&body),
    )?;
    let records = rows_in(answer, &["records"]);
    Ok(records
        .first()
        .map(|record| super::text(record, "namespace").to_owned()))
}

/// A namespace as a part of a path.
fn escaped(namespace: &str) -> String {
    percent_encoding::utf8_percent_encode(namespace, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits, for as long as the service does by itself, until the metastore has seen every entry
/// there is now.
fn wait_for_head(services: &Services) -> Result<(), Error> {
    let filestore = &services.filestore;
    let request = filestore
        .get("/v1/journal")
        .query(&[("after", 0), ("limit", 0)]);
    let response = filestore.send(request)?;
    let head: u64 = filestore.header(response.headers(), "tidemark-head")?;
    let metastore = &services.metastore;
    let request = metastore
        .get("/filestore/nodes")
        .query(&[("after", i64::MAX), ("limit", 1)]);
    match metastore.send(request.header("Tidemark-Min-Journal-Id", head)) {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(StatusCode::GATEWAY_TIMEOUT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::text("path"),
        Column::bytes("sizeBytes").titled("SIZE"),
        Column::text("owner"),
        Column::text("tags"),
        Column::text("namespace"),
        Column::text("key"),
    ]
}

/// The record with the two fields of its node that a table shows.
fn flat(mut record: Row) -> Row {
    let node = record
        .get("metadata")
        .and_then(|metadata| metadata.get("filestore"))
        .cloned();
    for key in ["path", "sizeBytes"] {
        if let Some(value) = node.as_ref().and_then(|node| node.get(key)) {
            record.insert(key.to_owned(), value.clone());
        }
    }
    record
}

fn print_one(record: Row, reading: &Reading) -> anyhow::Result<Outcome> {
    let mut out = Rows::stdout(reading.output, columns());
    out.push(&flat(record))?;
    out.finish()?;
    Ok(Outcome::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_on_this_machine_is_looked_for_in_its_mount() {
        let mounts = [Mount {
            id: 3,
            mount_key: "data".to_owned(),
            root_path: Some("/srv/data".to_owned()),
        }];
        for (typed, looked_for) in [
            ("/srv/data/raw", "mount:3 \"/raw\""),
            ("/srv/data/a \"b\"", "mount:3 '/a \"b\"'"),
            ("/srv/data", "mount:3"),
            ("/srv/other", "/srv/other"),
            ("raw/take", "raw/take"),
        ] {
            assert_eq!(in_its_mount(typed, &mounts), looked_for);
        }
    }
}
