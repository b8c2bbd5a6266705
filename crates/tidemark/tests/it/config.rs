//! Flag, then environment, then file, then default; and what is said when a value does not fit.

use crate::fake::{run, tidemark};
use feed::bus::BusUrl;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidemark::args::Command;
use tidemark::config::Config;

fn write(dir: &Path, text: &str) -> String {
    let path = dir.join("given.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn dev(words: &[&str]) -> Result<Config, String> {
    let words = [&["tidemark", "dev"], words].concat();
    match tidemark::parse(words) {
        Ok(invocation) => match invocation.cli.command {
            Command::Dev(args) => Ok(args.config),
            other => panic!("{other:?}"),
        },
        Err(error) => Err(format!("{:#}", anyhow::Error::new(error))),
    }
}

/// The configuration that a file gives.
fn of_file(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    dev(&["--config", &write(dir.path(), text)])
}

#[test]
fn without_anything_said_the_defaults_of_the_contract_hold() {
    let config = dev(&["--data-dir", "/d"]).unwrap();
    assert_eq!(
        (config.filestore.host.as_str(), config.filestore.port),
        ("127.0.0.1", 4200)
    );
    assert_eq!((config.metastore.port, config.timestore.port), (4100, 4300));
    assert_eq!(config.filestore.redis_url, BusUrl::Inline);
    assert_eq!(config.filestore.events_channel, "apphub:filestore");
    assert_eq!(config.filestore.database, PathBuf::from("/d/filestore.db"));
    assert_eq!(config.metastore.database, PathBuf::from("/d/metastore.db"));
    assert_eq!(
        config.timestore.database,
        PathBuf::from("/d/timestore.duckdb")
    );
    assert!(config.metastore.filestore_sync_enabled && config.timestore.filestore_sync_enabled);
    assert_eq!(config.metastore.filestore_namespace, "filestore");
    assert_eq!(config.metastore.filestore_stall_threshold_seconds, 60);
    assert_eq!(config.timestore.filestore_table_name, "filestore_activity");
}

#[test]
fn a_file_gives_every_kind_of_value_and_the_rules() {
    let config = of_file(
        r#"
        data_dir = "/var/t"
        [filestore]
        port = 5200
        database_url = "sqlite:/x/f.db"
        redis_url = "redis://r:6379"
        rescan_interval = "2m"
        [metastore]
        filestore_sync_enabled = false
        [[metastore.namespace_rules]]
        namespace = "first"
        [[metastore.namespace_rules]]
        namespace = "second"
        [feed]
        poll_interval = "500ms"
        "#,
    )
    .unwrap();
    assert_eq!(config.filestore.port, 5200);
    assert_eq!(config.filestore.database, PathBuf::from("/x/f.db"));
    assert_eq!(
        config.filestore.redis_url,
        "redis://r:6379".parse::<BusUrl>().unwrap()
    );
    assert_eq!(config.filestore.rescan_interval, Duration::from_secs(120));
    assert_eq!(
        config.metastore.database,
        PathBuf::from("/var/t/metastore.db")
    );
    assert!(!config.metastore.filestore_sync_enabled);
    assert_eq!(config.feed.poll_interval, Duration::from_millis(500));
    let rules: Vec<_> = config.metastore.namespace_rules.iter().collect();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        rules[0].get("namespace").and_then(|name| name.as_str()),
        Some("first")
    );
}

#[test]
fn a_flag_is_above_the_environment_above_the_file_above_the_default() {
    let dir = tempfile::tempdir().unwrap();
    // `status` shows the addresses that it asks, whether anybody answers or not.
    let url = |toml: &str, env: &[(&str, &str)], flags: &[&str]| {
        std::fs::write(dir.path().join("tidemark.toml"), toml).unwrap();
        let mut command = tidemark(dir.path(), &[&["status", "-o", "json"], flags].concat());
        command.envs(env.iter().copied());
        let ran = run(command);
        ran.json()[0]["url"].as_str().unwrap().to_owned()
    };
    let file = "[client]\nfilestore_url = \"http://127.0.0.1:3\"\n";
    let env = [("FILESTORE_URL", "http://127.0.0.1:2")];
    let flag = ["--filestore-url", "http://127.0.0.1:1"];
    assert_eq!(url(file, &env, &flag), "http://127.0.0.1:1");
    assert_eq!(url(file, &env, &[]), "http://127.0.0.1:2");
    assert_eq!(url(file, &[], &[]), "http://127.0.0.1:3");
    assert_eq!(url("", &[], &[]), "http://127.0.0.1:4200");
    // Where nobody named an address, it is the one that the service is configured to listen on.
    let port = "[filestore]\nhost = \"0.0.0.0\"\nport = 5\n";
    assert_eq!(url(port, &[], &[]), "http://127.0.0.1:5");
    assert_eq!(
        url(port, &[("FILESTORE_PORT", "6")], &[]),
        "http://127.0.0.1:6"
    );
    assert_eq!(
        url("", &[("FILESTORE_HOST", "::")], &[]),
        "http://[::1]:4200"
    );
}

#[test]
fn a_flag_of_dev_is_above_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "[filestore]\nport = 7\nhost = \"10.0.0.1\"\n");
    let config = dev(&["--config", &path, "--filestore-port", "8"]).unwrap();
    assert_eq!(
        (config.filestore.port, config.filestore.host.as_str()),
        (8, "10.0.0.1")
    );
}

#[test]
fn the_data_folder_follows_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    // In the test's own environment; the executable's is tested end to end.
    let config = dev(&["--xdg-data-home", path]).unwrap();
    assert_eq!(config.common.data_dir, dir.path().join("tidemark"));
    let config = dev(&["--data-dir", "~/t"]).unwrap();
    assert_eq!(
        config.common.data_dir,
        std::env::home_dir().unwrap().join("t")
    );
}

#[test]
fn what_is_wrong_in_a_file_is_named_by_its_key_with_the_fix() {
    for (text, says) in [
        (
            "[filestore]\nprot = 1",
            "there is no key `filestore.prot`; under [filestore] stand host, port, ",
        ),
        (
            "[filstore]\nport = 1",
            "there is no key `filstore`; at the top stand ",
        ),
        ("datadir = \"/x\"", "[filestore]"),
        ("[metastore]\nnamespace_rule = 1", "namespace_rules"),
        ("config = \"x\"", "there is no key `config`"),
        (
            "[filestore]\nport = \"4200\"",
            "`filestore.port` must be a whole number, not \"4200\" (string)",
        ),
        ("[filestore]\nport = 4200.5", "must be a whole number"),
        (
            "[filestore]\nport = 70000",
            "`filestore.port` cannot be 70000: 70000 is not in 0..=65535",
        ),
        ("[filestore]\nport = -1", "-1 is not in 0..=65535"),
        (
            "[filestore]\nhost = 4",
            "`filestore.host` must be a string, not 4 (integer)",
        ),
        (
            "[metastore]\nfilestore_sync_enabled = \"yes\"",
            "must be true or false",
        ),
        (
            "[metastore]\nnamespace_rules = 3",
            "write [[metastore.namespace_rules]] before each rule",
        ),
        (
            "[filestore]\ndatabase_url = \"postgres://db/x\"",
            "`filestore.database_url` cannot be \"postgres://db/x\": postgres: is not in this version; write sqlite:PATH",
        ),
        (
            "[timestore]\ndatabase_url = \"ducklake:x\"",
            "ducklake: is not in this version; write duckdb:PATH",
        ),
        (
            "[timestore]\ndatabase_url = \"sqlite:x\"",
            "write duckdb:PATH",
        ),
        (
            "[filestore]\nredis_url = \"http://r\"",
            "write `inline`, or the URL of a Redis server",
        ),
        (
            "[filestore]\njournal_url = \"ftp://x\"",
            "ftp: is no scheme of a service",
        ),
        (
            "[feed]\npoll_interval = \"5\"",
            "`feed.poll_interval` cannot be \"5\": write a duration such as 500ms, 5s or 2m",
        ),
        (
            "[feed]\npoll_interval = 5",
            "must be a string, not 5 (integer)",
        ),
        ("[feed]\npoll_interval = \"0s\"", "must be longer than 0"),
        ("[feed]\nbatch_max_entries = 0", "0 is not in 1..=100000"),
        (
            "[timestore]\nfilestore_table_name = \"a; DROP\"",
            "lower-case letters, digits and `_`",
        ),
        (
            "log_format = \"xml\"",
            "`log_format` cannot be \"xml\": write one of text, json",
        ),
        ("[filestore\n", "is not TOML"),
        ("a = 1\na = 2", "duplicate key"),
    ] {
        let error = of_file(text).unwrap_err();
        assert!(
            error.contains(says),
            "{text}\nshould say {says}\nbut says {error}"
        );
        assert!(
            error.contains("given.toml"),
            "{text}: names the file: {error}"
        );
    }
}

#[test]
fn a_mistake_in_the_file_shows_also_where_a_flag_overrides_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "[filestore]\nport = 70000");
    let error = dev(&["--config", &path, "--filestore-port", "8"]).unwrap_err();
    assert!(error.contains("filestore.port"), "{error}");
}

#[test]
fn what_is_wrong_in_a_flag_is_named_by_the_flag() {
    for (words, says) in [
        (&["--filestore-port", "70000"][..], "--filestore-port"),
        (
            &["--filestore-database-url", "postgres://x"],
            "not in this version",
        ),
        (&["--feed-poll-interval", "soon"], "500ms, 5s or 2m"),
        (&["--no-such-flag"], "--no-such-flag"),
        (
            &["--config", "/nowhere/t.toml"],
            "cannot read the configuration file /nowhere/t.toml",
        ),
    ] {
        let error = dev(words).unwrap_err();
        assert!(error.contains(says), "{words:?}: {error}");
    }
}

#[test]
fn usage_errors_exit_with_2_and_name_the_variable_a_value_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tidemark(dir.path(), &["dev"]);
    command.env("FILESTORE_PORT", "many");
    let ran = run(command);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("environment variable FILESTORE_PORT"),
        "{}",
        ran.err
    );

    let mut command = tidemark(dir.path(), &["status"]);
    command.env("TIMESTORE_DATABASE_URL", "ducklake:x");
    let ran = run(command);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .contains("environment variable TIMESTORE_DATABASE_URL"),
        "{}",
        ran.err
    );

    std::fs::write(dir.path().join("tidemark.toml"), "x = 1").unwrap();
    let ran = run(tidemark(dir.path(), &["status"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .starts_with("error: tidemark.toml: there is no key `x`"),
        "{}",
        ran.err
    );
}

/// The one rule of naming: flag, environment and key say the same words.
#[test]
fn every_option_has_all_three_spellings_by_one_rule() {
    let command = tidemark::command();
    for name in ["dev", "serve", "status"] {
        let subcommand = command.find_subcommand(name).unwrap();
        let options = subcommand.get_arguments().chain(command.get_arguments());
        let options = options.filter(|arg| arg.get_help_heading().is_some() && !arg.is_hide_set());
        let mut count = 0;
        for arg in options {
            count += 1;
            let id = arg.get_id().as_str();
            let env = arg
                .get_env()
                .unwrap_or_else(|| panic!("{id} has no variable"));
            let flag = arg.get_long().unwrap_or_else(|| panic!("{id} has no flag"));
            let env = env.to_str().unwrap().to_ascii_lowercase();
            let key = id.strip_prefix("client.").unwrap_or(id).replace('.', "_");
            assert_eq!(flag.replace('-', "_"), key, "{id}");
            assert_eq!(env.strip_prefix("tidemark_").unwrap_or(&env), key, "{id}");
            assert!(arg.get_help().is_some(), "{id} has a meaning");
        }
        assert!(count > 5, "{name} has options");
    }
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        written == tidemark::config::reference(),
        "docs/configuration.md is not what the structs say; write it anew with \
         `cargo run -p tidemark -- config-reference > docs/configuration.md`"
    );
}

#[test]
fn the_example_of_the_reference_page_is_a_good_file() {
    let page = tidemark::config::reference();
    let examples: Vec<_> = page.split("```toml\n").skip(1).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let text = example.split("```").next().unwrap();
        of_file(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn tokens_do_not_show_in_help_nor_in_debug_output() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tidemark(dir.path(), &["status", "--help"]);
    command.env("TIDEMARK_TOKEN", "hunter2");
    let ran = run(command);
    assert_eq!(ran.code, 0);
    assert!(
        !ran.out.contains("hunter2") && ran.out.contains("TIDEMARK_TOKEN"),
        "{}",
        ran.out
    );
    let config = dev(&["--token", "hunter2"]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(
        json!(config.common.token.unwrap().expose()),
        json!("hunter2")
    );
}
