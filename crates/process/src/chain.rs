//! An error with its causes.

use std::error::Error;
use std::fmt;

/// Prints an error and what caused it in one line: `the journal cannot be read: connection
/// refused`. A cause that the text before it already holds is not repeated.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot commit")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot commit: {0}")]
    struct Repeats(#[source] io::Error);

    #[test]
    fn causes_follow_in_one_line_and_none_is_told_twice() {
        let full = || io::Error::other("the disk is full");
        let table: [(&dyn Error, &str); 3] = [
            (&full(), "the disk is full"),
            (&Outer(full()), "cannot commit: the disk is full"),
            (&Repeats(full()), "cannot commit: the disk is full"),
        ];
        for (error, line) in table {
            assert_eq!(Chain(error).to_string(), line);
        }
    }
}
