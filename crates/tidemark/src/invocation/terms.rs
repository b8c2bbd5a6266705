//! The terms of a search among the words of a command line.
//!
//! `-draft` is a term, and clap would read it as flags. So the terms are put last, behind a `--`,
//! before clap sees the words. What begins with `--` is never a term: it is a flag, or one that is
//! mistyped.

use clap::{Arg, Command};
use std::ffi::OsString;

/// What a word is, where a flag may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// No flag.
    Term,
    /// A flag, with its value if it has one.
    Flag,
    /// A flag whose value is the next word.
    FlagBeforeValue,
}

/// The words of a `search` with its terms last; those of another command as they are.
pub(super) fn set_apart(words: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let mut command = command.clone();
    // Only then it has the flags that clap adds, and subcommands have those of all commands.
    command.build();
    let Some(search) = command.find_subcommand("search") else {
        return words;
    };
    let Some(first) = subcommand_at(&words, &command) else {
        return words;
    };
    if words.get(first).is_none_or(|word| word != "search") {
        return words;
    }
    let mut words = words.into_iter();
    let mut kept: Vec<OsString> = words.by_ref().take(first + 1).collect();
    let mut terms = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            terms.extend(words);
            break;
        }
        match of(&word, search) {
            Word::Term => terms.push(word),
            Word::Flag => kept.push(word),
            Word::FlagBeforeValue => {
                kept.push(word);
                kept.extend(words.next());
            }
        }
    }
    if !terms.is_empty() {
        kept.push("--".into());
        kept.extend(terms);
    }
    kept
}

/// Where the name of the subcommand stands: flags of all commands may come before it.
fn subcommand_at(words: &[OsString], command: &Command) -> Option<usize> {
    let mut at = 1;
    loop {
        match of(words.get(at)?, command) {
            Word::Term => return Some(at),
            Word::Flag => at += 1,
            Word::FlagBeforeValue => at += 2,
        }
    }
}

fn of(word: &OsString, command: &Command) -> Word {
    let Some(text) = word.to_str() else {
        return Word::Term;
    };
    if let Some(long) = text.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or(long);
        let takes_next = name == long
            && command
                .get_arguments()
                .any(|arg| arg.get_long() == Some(name) && takes_value(arg));
        return match takes_next {
            true => Word::FlagBeforeValue,
            false => Word::Flag,
        };
    }
    let Some(short) = text.strip_prefix('-') else {
        return Word::Term;
    };
    let mut letters = short.chars();
    let known = |letter| {
        let mut args = command.get_arguments();
        args.find(|arg| arg.get_short() == Some(letter))
    };
    let Some(arg) = letters.next().and_then(known) else {
        return Word::Term;
    };
    let rest = letters.as_str();
    if !takes_value(arg) {
        let are_flags = letters.all(|letter| known(letter).is_some_and(|arg| !takes_value(arg)));
        return if are_flags { Word::Flag } else { Word::Term };
    }
    match rest {
        "" => Word::FlagBeforeValue,
        // `-ojson`, and not `-old`.
        value if value.starts_with('=') || is_possible(arg, value) => Word::Flag,
        _ => Word::Term,
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn is_possible(arg: &Arg, value: &str) -> bool {
    let values = arg.get_possible_values();
    values.iter().any(|possible| possible.matches(value, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_come_last_and_other_commands_stay_as_they_are() {
        let command = crate::invocation::command();
        for (line, expected) in [
            ("search a -draft", "search -- a -draft"),
            ("search -o csv a", "search -o csv -- a"),
            (
                "search a --limit=3 -b -o csv",
                "search --limit=3 -o csv -- a -b",
            ),
            ("search a -- -o csv --limit", "search -- a -o csv --limit"),
            ("search -hx -h - -5", "search -h -- -hx - -5"),
            ("search a --explain b", "search --explain -- a b"),
            ("search a --limti 3", "search --limti -- a 3"),
            ("search a -o", "search -o -- a"),
            ("--config x search a -b", "--config x search -- a -b"),
            ("--config=search ls -a", "--config=search ls -a"),
            ("ls search -l", "ls search -l"),
            ("search", "search"),
            ("", ""),
        ] {
            let words = |line: &str| -> Vec<OsString> {
                let words = ["tidemark"].into_iter().chain(line.split_whitespace());
                words.map(OsString::from).collect()
            };
            assert_eq!(set_apart(words(line), &command), words(expected), "{line}");
        }
    }
}
