//! The command line as people see it.

use std::fmt::Write as _;

fn help(page: &mut String, name: &str, command: &clap::Command) {
    let mut shown = command.clone().term_width(100).bin_name(name);
    write!(page, "$ {name} --help\n{}\n", shown.render_long_help()).unwrap();
    for subcommand in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        help(
            page,
            &format!("{name} {}", subcommand.get_name()),
            subcommand,
        );
    }
}

#[test]
fn help_of_every_command() {
    let mut page = String::new();
    help(&mut page, "tidemark", &tidemark::command());
    let page: String = page
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    insta::assert_snapshot!(page);
}

#[test]
fn the_grammar_is_sound() {
    tidemark::command().debug_assert();
}

#[test]
fn completions_know_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = crate::fake::run(crate::fake::tidemark(dir.path(), &["completions", shell]));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.out.contains("verify") && ran.out.contains("filestore-url"),
            "{shell}"
        );
    }
}

#[test]
fn help_and_version_end_well_on_stdout_and_no_command_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    for word in ["--help", "--version"] {
        let ran = crate::fake::run(crate::fake::tidemark(dir.path(), &[word]));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{word}");
        assert!(
            ran.out.contains("tidemark") || ran.out.contains("Three books"),
            "{}",
            ran.out
        );
    }
    let ran = crate::fake::run(crate::fake::tidemark(dir.path(), &[]));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let ran = crate::fake::run(crate::fake::tidemark(dir.path(), &["no-such"]));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}
