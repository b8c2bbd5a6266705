//! The reference page of all options, generated from the structs.

use super::all_options;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Configuration

After this page you can set every option of Tidemark, as a flag, in the environment or in a file.

<!-- Generated from the structs in crates/tidemark/src/config/components.rs; do not edit.
     To write it anew: target/debug/tidemark config-reference > docs/configuration.md -->

If an option is given in several places, the flag wins, then the environment, then the file, then the
default. The file is the one that `--config` names. Without `--config` it is `tidemark.toml` in the
current folder, if there is one.

All three spellings say the same words. `filestore.port` is the flag `--filestore-port`, the variable
`FILESTORE_PORT`, and `port` in the table `[filestore]` of the file:

```toml
data_dir = \"/var/lib/tidemark\"

[filestore]
port = 4200
redis_url = \"redis://127.0.0.1:6379\"

[feed]
poll_interval = \"500ms\"
```

Durations are numbers with a unit: `500ms`, `5s`, `1m30s`. `{data_dir}` stands for the folder of the
data.

`tidemark dev` and `tidemark serve` take the flags of the sections *Common options* to *feed*. The
commands that talk to running services take the flags of the section *Services*. They read hosts, ports
and names from the environment and the file, as the services do.
";

const NAMESPACE_RULES: &str = "
### Namespace rules

`[[metastore.namespace_rules]]` can be given in the file only. The first rule that matches a node
decides the namespace of its record. A node that no rule matches goes to
`metastore.filestore_namespace`.

```toml
[[metastore.namespace_rules]]
match = { mount = 1, pathGlob = \"raw/**\", kind = \"file\" }
namespace = \"raw-footage\"
defaultTags = [\"unreviewed\"]
defaultOwner = \"ingest\"
require = [\"checksum\"]
action = \"sync\"            # or \"skip\", or \"quarantine\"
```

Every part of `match` may be left out. `mount` is the id of a mount. A node that lacks a field of
`require` goes to `metastore.quarantine_namespace`, and so does a node that a rule with `quarantine`
matches. `skip` keeps no record.
";

const SEARCH_PRESETS: &str = "
### Search presets

A preset is a search with a name. `POST /records/search` takes the name as `preset`. In the file:

```toml
[[metastore.search_presets]]
name = \"big-and-old\"
q = \"size:>1G modified:>1y\"
requiredScopes = [\"metastore:read\"]   # may be left out; a caller needs one of them
```

`filter` takes a search filter in place of `q`, or beside it.
";

/// The reference page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let options = all_options();
    let mut headings = Vec::new();
    for arg in options.get_arguments() {
        let heading = arg.get_help_heading().unwrap_or_default();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        // Writing to a String does not fail.
        let _ = write!(
            page,
            "\n## {heading}\n\n| TOML key | flag | environment | default | meaning |\n|---|---|---|---|---|\n"
        );
        for arg in options.get_arguments() {
            if arg.get_help_heading() == Some(heading) && !arg.is_hide_set() {
                page.push_str(&row(arg));
            }
        }
        if heading == "metastore" {
            page.push_str(NAMESPACE_RULES);
            page.push_str(SEARCH_PRESETS);
        }
    }
    page
}

fn row(arg: &clap::Arg) -> String {
    let id = arg.get_id().as_str();
    let key = if id == "config" {
        "–".to_owned()
    } else {
        format!("`{id}`")
    };
    let values: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = if values.is_empty() {
        "–".to_owned()
    } else {
        format!("`{}`", values.join(" "))
    };
    let placeholders: Vec<_> = arg.get_value_names().unwrap_or_default().to_vec();
    let env = arg
        .get_env()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!(
        "| {key} | `--{} {}` | `{env}` | {default} | {} |\n",
        arg.get_long().unwrap_or_default(),
        placeholders.join(" ").replace('|', "\\|"),
        help.replace('|', "\\|"),
    )
}
