//! The access control lists and extended attributes of a file (acl(5), xattr(7)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use node::LongText;
use rustix::io::Errno;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd as _};

/// More attributes of one file are not told.
const MOST: usize = 64;
/// Of a longer value its length and hash are told.
const LONGEST: usize = 1_024;
/// What a call is given room for at first, in bytes; the kernel knows no more than 64 KiB.
const ROOM: usize = 1_024;
const MOST_ROOM: usize = 64 * 1024;

/// The two lists as the kernel names them.
const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    acl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_acl: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, Value>,
}

/// What `name` in an open directory has. A symlink is asked itself.
///
/// # Errors
/// It is gone, or may not be asked.
pub(super) fn of(directory: impl AsFd, name: &[u8]) -> Result<LongText, Errno> {
    // There are no calls that take a directory and a name (before Linux 6.13): the open directory
    // is gone through by its own link.
    let mut path = format!("/proc/self/fd/{}/", directory.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let names = match grown(|room| rustix::fs::llistxattr(path.as_slice(), room)) {
        // The filesystem has none.
        Err(Errno::NOTSUP) => return Ok(LongText::default()),
        names => names?,
    };
    let mut told = Told::default();
    let mut sorted: Vec<&[u8]> = names.split(|byte| *byte == 0).collect();
    sorted.retain(|name| !name.is_empty());
    sorted.sort_unstable();
    for name in sorted.into_iter().take(MOST) {
        let value = match grown(|room| rustix::fs::lgetxattr(path.as_slice(), name, room)) {
            // Removed since.
            Err(Errno::NODATA) => continue,
            value => value?,
        };
        match (name, acl(&value)) {
            (ACCESS, Some(acl)) => told.acl = Some(acl),
            (DEFAULT, Some(acl)) => told.default_acl = Some(acl),
            _ => {
                let name = String::from_utf8_lossy(name).into_owned();
                told.xattrs.insert(name, shown(&value));
            }
        }
    }
    let is_none = told.acl.is_none() && told.default_acl.is_none() && told.xattrs.is_empty();
    Ok(match is_none {
        true => LongText::default(),
        false => LongText::of(json!(told).to_string()),
    })
}

/// The bytes that a call fills in, given room enough.
fn grown(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; ROOM];
    loop {
        match call(&mut bytes) {
            Err(Errno::RANGE) if bytes.len() < MOST_ROOM => bytes = vec![0; bytes.len() * 8],
            length => {
                bytes.truncate(length?);
                return Ok(bytes);
            }
        }
    }
}

/// A value: text as it is, anything else in the base64 of getfattr(1), and of a long one what stands
/// for it.
fn shown(value: &[u8]) -> Value {
    if value.len() > LONGEST {
        return json!({"bytes": value.len(), "blake3": blake3::hash(value).to_hex().as_str()});
    }
    match str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        _ => format!("0s{}", STANDARD.encode(value)).into(),
    }
}

/// A list in the short text form of acl(5), with numbers for users and groups. `None`, if it is none:
/// four bytes of version 2, then eight an entry (`linux/posix_acl_xattr.h`).
fn acl(value: &[u8]) -> Option<String> {
    const VERSION: [u8; 4] = 2_u32.to_le_bytes();
    let (entries, rest) = value.strip_prefix(&VERSION)?.as_chunks::<8>();
    let mut text = String::new();
    for [tag, tag_high, permissions, _, id @ ..] in entries {
        let id = u32::from_le_bytes(*id);
        let who = match u16::from_le_bytes([*tag, *tag_high]) {
            0x01 => "user:".to_owned(),
            0x02 => format!("user:{id}"),
            0x04 => "group:".to_owned(),
            0x08 => format!("group:{id}"),
            0x10 => "mask:".to_owned(),
            0x20 => "other:".to_owned(),
            _ => return None,
        };
        let may = |bit: u8, letter| if permissions & bit != 0 { letter } else { '-' };
        let comma = if text.is_empty() { "" } else { "," };
        write!(
            text,
            "{comma}{who}:{}{}{}",
            may(4, 'r'),
            may(2, 'w'),
            may(1, 'x')
        )
        .ok()?;
    }
    (rest.is_empty() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_as_getfacl_tells_it() {
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in [
            (0x01_u16, 6_u16, u32::MAX),
            (0x02, 4, 1000),
            (0x04, 5, u32::MAX),
            (0x08, 7, 27),
            (0x10, 7, u32::MAX),
            (0x20, 0, u32::MAX),
        ] {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        assert_eq!(
            acl(&list).as_deref(),
            Some("user::rw-,user:1000:r--,group::r-x,group:27:rwx,mask::rwx,other::---")
        );
        assert_eq!(acl(&list[..11]), None, "cut");
        assert_eq!(acl(b"\x01\0\0\0"), None, "another version");
        assert_eq!(acl(b""), None);
    }

    #[test]
    fn values_are_text_or_base64_or_a_hash() {
        assert_eq!(shown(b"plain"), json!("plain"));
        assert_eq!(shown(b"\xff\0"), json!("0s/wA="));
        assert_eq!(shown(b"a\nb"), json!("0sYQpi"));
        assert_eq!(shown(&[b'x'; 2_000])["bytes"], json!(2_000));
    }

    #[test]
    fn what_was_set_is_told_and_a_symlink_is_asked_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "x").unwrap();
        std::os::unix::fs::symlink("a", directory.path().join("link")).unwrap();
        let handle = std::fs::File::open(directory.path()).unwrap();
        assert_eq!(of(&handle, b"a").unwrap(), LongText::default());
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::setxattr(&path, "user.project", b"apollo", flags) {
            // This filesystem has none.
            Err(Errno::NOTSUP) => return,
            set => set.unwrap(),
        }
        let told = of(&handle, b"a").unwrap();
        assert_eq!(told.text, r#"{"xattrs":{"user.project":"apollo"}}"#);
        assert_ne!(told.number, 0);
        assert_eq!(of(&handle, b"link").unwrap(), LongText::default());
        assert_eq!(of(&handle, b"gone").unwrap_err(), Errno::NOENT);
    }
}
