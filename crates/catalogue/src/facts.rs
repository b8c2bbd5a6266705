//! The columns of all that a disk or a bucket says of a name, as scans read them.

use crate::inode::{COLUMNS, inode, object};
use crate::moment::moment;
use journal::NodeKind;
use node::{Facts, Identity};
use rusqlite::Row;

/// The facts in the columns of a row from `first` on.
pub(crate) fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<Facts> {
    let is_directory = row.get(first)?;
    Ok(Facts {
        kind: if is_directory {
            NodeKind::Directory
        } else {
            NodeKind::File
        },
        is_symlink: row.get(first + 1)?,
        size_bytes: row.get(first + 2)?,
        modified_ns: moment(row, first + 3)?,
        changed_ns: moment(row, first + 7)?,
        identity: Identity {
            dev: row.get(first + 4)?,
            ino: row.get(first + 5)?,
            born_ns: moment(row, first + 6)?,
        },
        inode: inode(row, first + 8)?,
        object: object(row, first + 8 + COLUMNS)?,
    })
}
