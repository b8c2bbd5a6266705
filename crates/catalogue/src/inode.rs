//! The columns of what a disk says of a file beside its contents: `mode, uid, gid, links,
//! allocated_bytes, attributes`, in this order.

use journal::FileType;
use node::{InodeFacts, StorageClass};
use rusqlite::Row;

/// The file's type in the numbers of `st_mode` (inode(7)).
const TYPES: [(FileType, i64); 7] = [
    (FileType::Fifo, 0o010_000),
    (FileType::Character, 0o020_000),
    (FileType::Directory, 0o040_000),
    (FileType::Block, 0o060_000),
    (FileType::Regular, 0o100_000),
    (FileType::Symlink, 0o120_000),
    (FileType::Socket, 0o140_000),
];
const TYPE_MASK: i64 = 0o170_000;

/// The six columns.
pub(crate) fn columns(inode: Option<InodeFacts>) -> [Option<i64>; 6] {
    let Some(inode) = inode else { return [None; 6] };
    let of_type = |(file_type, _): &&(FileType, i64)| *file_type == inode.file_type;
    let bits = TYPES.iter().find(of_type).map_or(0, |(_, bits)| *bits);
    [
        Some(bits | i64::from(inode.mode)),
        Some(inode.uid.into()),
        Some(inode.gid.into()),
        inode.links.map(i64::from),
        inode.allocated_bytes,
        inode.attributes,
    ]
}

/// What is in the six columns from `first` on; `None` if nobody has asked yet.
pub(crate) fn inode(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<InodeFacts>> {
    let Some(mode) = row.get::<_, Option<i64>>(first)? else {
        return Ok(None);
    };
    let of_type = |(_, bits): &&(FileType, i64)| *bits == mode & TYPE_MASK;
    let file_type = TYPES.iter().find(of_type).map(|(file_type, _)| *file_type);
    let unknown = || {
        let reason = format!("the mode {mode:o} has no file type that is known");
        super::column::conversion(first, reason.into())
    };
    Ok(Some(InodeFacts {
        file_type: file_type.ok_or_else(unknown)?,
        uid: row.get(first + 1)?,
        gid: row.get(first + 2)?,
        mode: u16::try_from(mode & !TYPE_MASK).map_err(|_| unknown())?,
        links: row.get(first + 3)?,
        allocated_bytes: row.get(first + 4)?,
        attributes: row.get(first + 5)?,
    }))
}

/// The storage class in a column.
pub(crate) fn storage_class(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<StorageClass>> {
    let name = row.get_ref(index)?.as_str_or_null()?;
    Ok(name.and_then(StorageClass::named))
}
