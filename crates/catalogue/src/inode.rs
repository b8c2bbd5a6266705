//! The columns of what a disk or a bucket says of a file beside its contents, in this order: `mode, uid,
//! gid, links, allocated_bytes, attributes, link_target, accessed_ms`, and of an object `storage_class,
//! object_owner, object_tags`.

use journal::FileType;
use node::{InodeFacts, ObjectFacts, ObjectOwner, StorageClass};
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

/// How many columns a disk's facts take.
pub(crate) const COLUMNS: usize = 8;

/// The columns of a disk's facts.
pub(crate) fn columns(inode: Option<InodeFacts>) -> [Option<i64>; COLUMNS] {
    let Some(inode) = inode else {
        return [None; COLUMNS];
    };
    let of_type = |(file_type, _): &&(FileType, i64)| *file_type == inode.file_type;
    let bits = TYPES.iter().find(of_type).map_or(0, |(_, bits)| *bits);
    [
        Some(bits | i64::from(inode.mode)),
        Some(inode.uid.into()),
        Some(inode.gid.into()),
        inode.links.map(i64::from),
        inode.allocated_bytes,
        inode.attributes,
        inode.link_target,
        inode.accessed_ms,
    ]
}

/// What is in these columns from `first` on; `None` if nobody has asked yet.
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
        link_target: row.get(first + 6)?,
        accessed_ms: row.get(first + 7)?,
    }))
}

/// The words in the columns of an object's facts.
pub(crate) fn words(object: ObjectFacts) -> [Option<&'static str>; 2] {
    let class = object.storage_class.map(StorageClass::as_str);
    [class, object.owner.map(ObjectOwner::as_str)]
}

/// What is in the columns of an object's facts, from `first` on.
pub(crate) fn object(row: &Row<'_>, first: usize) -> rusqlite::Result<ObjectFacts> {
    let word = |index| {
        row.get_ref(index)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)
    };
    Ok(ObjectFacts {
        storage_class: word(first)?.and_then(StorageClass::named),
        owner: word(first + 1)?.and_then(ObjectOwner::named),
        tags: row.get(first + 2)?,
    })
}
