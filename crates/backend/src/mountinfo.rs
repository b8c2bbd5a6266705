//! What is mounted where, as the system tells this process.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where the system tells it; a poll for urgent data ends when it changes.
pub const PATH: &str = "/proc/self/mountinfo";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mounted {
    /// Each mount has another one, also what was mounted at the same place before.
    id: String,
    /// `major:minor`.
    device: String,
    /// The mount point.
    at: Vec<u8>,
    /// What it was mounted from: a device, `server:/path`, or any word.
    source: String,
}

/// All that is mounted.
///
/// # Errors
/// There is no `/proc`.
pub fn all() -> io::Result<Vec<Mounted>> {
    Ok(parse(&std::fs::read(PATH)?))
}

/// What the filesystem with this device number was mounted from.
pub fn source_of(major: u32, minor: u32) -> Option<String> {
    let device = format!("{major}:{minor}");
    let mut all = all().ok()?.into_iter();
    Some(all.find(|mounted| mounted.device == device)?.source)
}

/// Those of `all` that lie at `root`, below it, or above it: they decide what is seen there.
pub fn seen_from<'m>(all: &'m [Mounted], root: &Path) -> Vec<&'m Mounted> {
    let root = root.as_os_str().as_bytes();
    let is_below = |path: &[u8], above: &[u8]| {
        above == b"/"
            || path
                .strip_prefix(above)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let seen = all.iter();
    seen.filter(|mounted| is_below(&mounted.at, root) || is_below(root, &mounted.at))
        .collect()
}

fn parse(text: &[u8]) -> Vec<Mounted> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /at rw,noatime master:1 - ext3 /dev/sda1 rw`
fn parse_line(line: &[u8]) -> Option<Mounted> {
    let mut words = line.split(|byte| *byte == b' ');
    let word = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let id = word(words.next()?);
    let device = word(words.nth(1)?);
    let at = unescape(words.nth(1)?);
    let mut words = words.skip_while(|word| *word != b"-");
    let source = word(&unescape(words.nth(2)?));
    Some(Mounted {
        id,
        device,
        at,
        source,
    })
}

/// Spaces and the like are spelled as `\040`.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, others)) = rest.split_first() {
        let digits = others.first_chunk::<3>().filter(|_| *first == b'\\');
        let value = digits.and_then(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(value.unwrap_or(*first));
        rest = others
            .get(3..)
            .filter(|_| value.is_some())
            .unwrap_or(others);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:38 / /media/a\\040b rw - nfs4 server:/x\\134y rw\n\
        41 40 0:39 /sub /media/a\\040b/c rw master:1 propagate_from:2 - tmpfs tmpfs rw\n\
        42 22 0:40 / /media/a rw - tmpfs tmpfs rw\nno line\n";

    #[test]
    fn lines_are_read_with_their_escapes_and_optional_fields() {
        let all = parse(TEXT);
        let at: Vec<_> = all.iter().map(|mounted| mounted.at.as_slice()).collect();
        assert_eq!(at, [&b"/"[..], b"/media/a b", b"/media/a b/c", b"/media/a"]);
        assert_eq!(all[1].source, "server:/x\\y");
        assert_eq!(
            (all[2].device.as_str(), all[2].source.as_str()),
            ("0:39", "tmpfs")
        );
    }

    #[test]
    fn what_is_seen_from_a_root_lies_above_at_or_below_it() {
        let all = parse(TEXT);
        let seen = |root: &str| -> Vec<String> {
            let seen = seen_from(&all, Path::new(root)).into_iter();
            seen.map(|mounted| mounted.id.clone()).collect()
        };
        assert_eq!(seen("/media/a b"), ["22", "40", "41"]);
        assert_eq!(seen("/media/a b/c/d"), ["22", "40", "41"]);
        assert_eq!(seen("/media/a"), ["22", "42"]);
        assert_eq!(seen("/srv"), ["22"]);
    }

    #[test]
    fn this_process_sees_what_its_root_was_mounted_from() {
        let all = all().unwrap();
        let seen = seen_from(&all, Path::new("/"));
        assert!(seen.iter().any(|mounted| mounted.at == b"/"), "{seen:?}");
    }
}
