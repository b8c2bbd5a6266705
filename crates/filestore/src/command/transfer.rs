//! Moves and copies that no rename can do: between filesystems, and from, to and within buckets.
//!
//! Onto a disk, the tree is copied under a name of our own, compared with its source, and renamed to
//! its place. Into a bucket, object after object is put at its place, since an object has no other;
//! so a scan, or anybody who looks, may see a part of a tree there. The intent says which:
//!
//! - crashed while objects were sent: those that have a counterpart in the source are taken back,
//!   and the command did not happen. A single file is there or not, and if it is, it did.
//! - crashed after all were there, or after the rename: it is committed.
//! - a move, once committed, leaves the intent to delete the source: only what has a counterpart of
//!   the same size at the target, and what is left of directories then if they are empty. What
//!   somebody put there meanwhile stays, and a scan finds it.
//!
//! Compared are sizes and blake3 hashes, with what is read back on disks; S3 checks what it is sent
//! against the hash in the signature, and its answer is compared by size. A source that changed
//! while it was copied, or whose contents are not what the catalogue has a hash of although size and
//! time are, is refused.

use super::request::{CopyNode, MoveNode};
use super::run::{Run, of_backend, of_bucket, of_disk};
use super::tree::move_of;
use super::{Action, Answer, CommandError, Commands, Intent, Lineage, Step, Transfer};
use crate::backend::{Backend, BackendError, Line, Place};
use crate::disk::{Disk, DiskError};
use crate::hash::Hasher;
use crate::path::NodePath;
use crate::s3::{Bucket, directory_facts};
use crate::store::{Node, node};
use crate::walk::{Facts, Identity};
use journal::NodeKind;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

const NOBODY: Identity = Identity {
    dev: 0,
    ino: 0,
    born_ns: None,
};

/// A reader that hashes what passes.
struct Hashing<R> {
    source: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Commands {
    /// Moves by copying. The source goes after the commit.
    pub(super) fn move_by_copy(
        &self,
        run: &Run<'_>,
        (from, to): (&Place, &Place),
        ask: &MoveNode,
        node: &Node,
    ) -> Result<Answer, CommandError> {
        let target = &ask.target_path;
        let disk = match &to.backend {
            Backend::Disk(disk) => disk,
            Backend::Bucket(bucket) => {
                let action = move_of(ask, node, NOBODY);
                let source = (ask.path.as_str(), node.facts.kind);
                return self.send_tree(
                    run,
                    action,
                    (from, source),
                    (bucket, target),
                    ask.overwrite,
                );
            }
        };
        let (name, facts) = self.stage_copy(from, ask.path.as_str(), disk)?;
        if let Backend::Disk(source) = &from.backend
            && let Err(error) = self.compare(from, source, ask.path.as_str(), (disk, &name))
        {
            let _ = disk.remove_trash(&name);
            return Err(error);
        }
        let mut action = move_of(ask, node, facts.identity);
        if let Action::Move { transfer, .. } = &mut action {
            *transfer = Some(Transfer::Staged { name: name.clone() });
        }
        let intended = run.intend(action)?;
        let lineage = intended.attempt(|| {
            let (mut lineage, ()) = disk.in_directories(&target.parent(), || {
                self.step(Step::DirectoriesMade);
                disk.rename(&name, disk, target.as_str(), ask.overwrite)
            })?;
            lineage.extend(disk.tree_facts(target.as_str())?);
            Ok::<_, DiskError>(lineage)
        });
        if lineage.is_err() {
            // The error that stopped it is the one to tell; a sweep removes what remains.
            let _ = disk.remove_trash(&name);
        }
        intended.commit(lineage?)
    }

    /// Copies into a bucket.
    pub(super) fn copy_to_bucket(
        &self,
        run: &Run<'_>,
        (from, to): (&Place, &Place),
        ask: &CopyNode,
        kind: NodeKind,
    ) -> Result<Answer, CommandError> {
        self.check_copy(ask, kind)?;
        let Backend::Bucket(bucket) = &to.backend else {
            return Err(CommandError::Busy(ask.target_path.to_string()));
        };
        let action = Action::Copy {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            target_mount_id: ask.target_mount_id,
            target_path: ask.target_path.clone(),
            staged: String::new(),
            identity: NOBODY,
            transfer: None,
        };
        let source = (ask.path.as_str(), kind);
        self.send_tree(
            run,
            action,
            (from, source),
            (bucket, &ask.target_path),
            ask.overwrite,
        )
    }

    fn send_tree(
        &self,
        run: &Run<'_>,
        mut action: Action,
        (from, (path, kind)): (&Place, (&str, NodeKind)),
        (bucket, target): (&Bucket, &NodePath),
        overwrite: bool,
    ) -> Result<Answer, CommandError> {
        let manifest = from.backend.tree_facts(path).map_err(of_backend)?;
        if manifest.first().is_none_or(|(_, facts)| facts.kind != kind) {
            return Err(CommandError::Drift(path.to_owned()));
        }
        let previous = bucket.facts(target.as_str()).map_err(of_bucket)?;
        let is_tree = kind == NodeKind::Directory;
        if let Some(previous) = previous
            && (is_tree || previous.is_directory() || !overwrite)
        {
            return Err(CommandError::ExistsOnDisk(target.to_string()));
        }
        let token = uuid::Uuid::now_v7().simple().to_string();
        let size = manifest.first().map_or(0, |(_, facts)| facts.size_bytes);
        let is_marked = !is_server_copy(from, bucket, size);
        let sending = Transfer::Sending {
            token: is_marked.then(|| token.clone()),
            previous: previous.map(|facts| facts.identity),
            is_tree,
        };
        if let Action::Move { transfer, .. } | Action::Copy { transfer, .. } = &mut action {
            *transfer = Some(sending);
        }
        let mut intended = run.intend(action)?;
        let sending = Sending {
            commands: self,
            from,
            bucket,
            token: &token,
            overwrite,
        };
        let sent = bucket
            .make_parents(&target.parent())
            .map_err(of_bucket)
            .and_then(|above| {
                let placed = sending.all(&manifest, path, target.as_str())?;
                intended.advance(Transfer::Sent)?;
                Ok(above.into_iter().chain(placed).collect::<Lineage>())
            });
        if sent.is_err() && is_tree {
            take_back(bucket, target.as_str(), path, &manifest);
        }
        let lineage = intended.attempted(sent)?;
        intended.commit(lineage)
    }

    /// Copies a file or a tree under a name of our own on `disk`, and compares.
    pub(super) fn stage_copy(
        &self,
        from: &Place,
        path: &str,
        disk: &Disk,
    ) -> Result<(String, Facts), CommandError> {
        let source = match &from.backend {
            Backend::Disk(source) => return source.copy_to(path, disk).map_err(of_disk),
            Backend::Bucket(source) => source,
        };
        let manifest = source.tree_facts(path).map_err(of_bucket)?;
        let name = disk.part_name();
        let staged = manifest
            .iter()
            .try_for_each(|(at, facts)| {
                let below = at.strip_prefix(path).unwrap_or_default();
                let copy = format!("{name}{below}");
                if facts.is_directory() {
                    return disk.create_directory(&copy).map_err(of_disk);
                }
                self.fetch(from, source, (at, *facts), (disk, &copy))
            })
            .and_then(|()| {
                disk.sync_root().map_err(of_disk)?;
                disk.facts(&name)
                    .map_err(of_disk)?
                    .ok_or_else(|| CommandError::Drift(path.to_owned()))
            });
        match staged {
            Ok(facts) => Ok((name, facts)),
            Err(error) => {
                // The error that stopped it is the one to tell; a sweep removes what remains.
                let _ = disk.remove_trash(&name);
                Err(error)
            }
        }
    }

    /// Reads a staged copy of a tree on a disk, and the tree again.
    fn compare(
        &self,
        from: &Place,
        source: &Disk,
        path: &str,
        (disk, name): (&Disk, &str),
    ) -> Result<(), CommandError> {
        for (at, facts) in source.tree_facts(path).map_err(of_disk)? {
            let copy = format!("{name}{}", at.strip_prefix(path).unwrap_or_default());
            let copied = disk.facts(&copy).map_err(of_disk)?;
            let is_alike = copied.is_some_and(|copied| {
                (
                    copied.kind,
                    copied.is_symlink,
                    copied.size_bytes,
                    copied.modified_ns,
                ) == (
                    facts.kind,
                    facts.is_symlink,
                    facts.size_bytes,
                    facts.modified_ns,
                ) || facts.is_symlink && copied.is_symlink
            });
            if !is_alike {
                return Err(CommandError::Busy(at));
            }
            if facts.is_directory() || facts.is_symlink {
                continue;
            }
            let hash = hash_of(source, &at)?;
            if hash != hash_of(disk, &copy)? {
                return Err(CommandError::Corrupt(at));
            }
            self.check_hash(from, &at, facts, &hash)?;
        }
        Ok(())
    }

    /// Brings one object to a disk.
    fn fetch(
        &self,
        from: &Place,
        source: &Bucket,
        (path, facts): (&str, Facts),
        (disk, copy): (&Disk, &str),
    ) -> Result<(), CommandError> {
        let (object, reader) = source.open(path).map_err(of_bucket)?;
        if object.facts() != facts {
            return Err(CommandError::Busy(path.to_owned()));
        }
        let mut reader = Hashing {
            source: reader,
            hasher: Hasher::new([]),
        };
        let size = disk
            .write_new(copy, &mut reader, facts.modified_ns)
            .map_err(of_disk)?;
        let hash = reader.hasher.finish()?;
        if i64::try_from(size) != Ok(facts.size_bytes) {
            return Err(CommandError::Busy(path.to_owned()));
        }
        self.check_hash(from, path, facts, &hash)?;
        match hash_of(disk, copy)? == hash {
            true => Ok(()),
            false => Err(CommandError::Corrupt(path.to_owned())),
        }
    }

    /// The contents are what the catalogue has a hash of, if it has one and they did not change.
    fn check_hash(
        &self,
        from: &Place,
        path: &str,
        facts: Facts,
        hash: &str,
    ) -> Result<(), CommandError> {
        let mount_id = from.mount.id;
        let known = self
            .store
            .read(|connection| node::at(connection, mount_id, path))?;
        let is_other = known.is_some_and(|known| {
            known.facts == facts && known.content_hash.is_some_and(|known| known != hash)
        });
        match is_other {
            true => Err(CommandError::Corrupt(path.to_owned())),
            false => Ok(()),
        }
    }

    /// What became of a transfer that was cut off; with its lineage, if it happened.
    pub(super) fn happened_transfer(
        &self,
        action: &Action,
        transfer: &Transfer,
    ) -> Result<Option<Lineage>, CommandError> {
        let (Action::Move {
            mount_id,
            path,
            target_mount_id,
            target_path,
            identity,
            ..
        }
        | Action::Copy {
            mount_id,
            path,
            target_mount_id,
            target_path,
            identity,
            ..
        }) = action
        else {
            return Ok(None);
        };
        let to = self.place(*target_mount_id)?;
        let target = target_path.as_str();
        match (transfer, &to.backend) {
            (Transfer::Staged { .. }, _) => {
                return self.tree_stands_at(&to, target_path, *identity);
            }
            (Transfer::Sent, _) => {}
            (
                Transfer::Sending {
                    is_tree: false,
                    token,
                    previous,
                },
                Backend::Bucket(bucket),
            ) => {
                let there = bucket.head(target)?.filter(|there| match token {
                    Some(token) => there.is_put_by(token),
                    None => Some(there.object.facts().identity) != *previous,
                });
                if there.is_none() {
                    return Ok(None);
                }
            }
            (Transfer::Sending { .. }, Backend::Bucket(bucket)) => {
                let from = self.place(*mount_id)?;
                let manifest = from.backend.tree_facts(path.as_str()).map_err(of_backend)?;
                take_back(bucket, target, path.as_str(), &manifest);
                return Ok(None);
            }
            (Transfer::Sending { .. }, Backend::Disk(_)) => return Ok(None),
        }
        let mut lineage = to
            .backend
            .lineage(&target_path.parent())
            .map_err(of_backend)?;
        lineage.extend(to.backend.tree_facts(target).map_err(of_backend)?);
        Ok(Some(lineage))
    }

    /// Deletes the source of a move that is committed. If it cannot be done now, it is when the
    /// store is opened next.
    pub(super) fn clear_up(&self, id: i64, aftermath: &Intent) {
        if let Err(error) = self.discard(id, aftermath) {
            let error = &error as &dyn std::error::Error;
            let command_id = &*aftermath.command_id;
            tracing::warn!(
                error,
                command_id,
                "source of a finished move not removed yet"
            );
        }
    }

    pub(super) fn discard(&self, id: i64, intent: &Intent) -> Result<(), CommandError> {
        let Action::Discard {
            mount_id,
            path,
            target_mount_id,
            target_path,
        } = &intent.action
        else {
            return Ok(());
        };
        let (from, to) = (self.place(*mount_id)?, self.place(*target_mount_id)?);
        let (path, target) = (path.as_str(), target_path.as_str());
        let copied = to.backend.tree_facts(target).map_err(of_backend)?;
        let sizes: HashMap<_, _> = copied
            .iter()
            .filter(|(_, facts)| !facts.is_directory())
            .filter_map(|(at, facts)| Some((at.strip_prefix(target)?, facts.size_bytes)))
            .collect();
        let is_copied = |at: &str, size: i64| {
            at.strip_prefix(path)
                .is_some_and(|below| sizes.get(below) == Some(&size))
        };
        match &from.backend {
            Backend::Disk(disk) => remove_copied(disk, path, &is_copied).map_err(of_disk)?,
            Backend::Bucket(bucket) => {
                bucket.keep_parent(path)?;
                bucket.remove_where(path, |at, object| is_copied(at, object.facts().size_bytes))?;
            }
        }
        Ok(self.drop_intent(id)?)
    }
}

impl Intent {
    /// What remains to be done once it is committed.
    pub(super) fn aftermath(&self) -> Option<Self> {
        let Action::Move {
            mount_id,
            path,
            target_mount_id,
            target_path,
            transfer: Some(_),
            ..
        } = &self.action
        else {
            return None;
        };
        Some(Self {
            action: Action::Discard {
                mount_id: *mount_id,
                path: path.clone(),
                target_mount_id: *target_mount_id,
                target_path: target_path.clone(),
            },
            ..self.clone()
        })
    }
}

/// A tree on its way into a bucket.
struct Sending<'s> {
    commands: &'s Commands,
    from: &'s Place,
    bucket: &'s Bucket,
    token: &'s str,
    overwrite: bool,
}

impl Sending<'_> {
    /// Puts all of them, and gives what they are there.
    fn all(&self, manifest: &Line, path: &str, target: &str) -> Result<Line, CommandError> {
        let parents: HashSet<&str> = manifest
            .iter()
            .filter_map(|(at, _)| at.rsplit_once('/').map(|(parent, _)| parent))
            .collect();
        let mut placed = Line::with_capacity(manifest.len());
        for (at, facts) in manifest {
            let goes = format!("{target}{}", at.strip_prefix(path).unwrap_or_default());
            let facts = if !facts.is_directory() {
                self.one(at, *facts, &goes)?
            } else if parents.contains(at.as_str()) {
                directory_facts()
            } else {
                self.bucket.mark(&goes).map_err(of_bucket)?;
                directory_facts()
            };
            placed.push((goes, facts));
            self.commands.step(Step::Copied);
        }
        let now = self.from.backend.tree_facts(path).map_err(of_backend)?;
        match *manifest == now {
            true => Ok(placed),
            false => Err(CommandError::Busy(path.to_owned())),
        }
    }

    fn one(&self, path: &str, facts: Facts, target: &str) -> Result<Facts, CommandError> {
        if facts.is_symlink {
            return Err(CommandError::Unstorable {
                path: path.to_owned(),
                reason: "it is a symlink, and a bucket has none".to_owned(),
            });
        }
        let size = u64::try_from(facts.size_bytes).unwrap_or(0);
        match &self.from.backend {
            Backend::Bucket(source) if is_server_copy(self.from, self.bucket, facts.size_bytes) => {
                let object = source.copy(path, self.bucket, target).map_err(of_bucket)?;
                match object.size_bytes == size {
                    true => Ok(object.facts()),
                    false => Err(CommandError::Busy(path.to_owned())),
                }
            }
            Backend::Bucket(source) => {
                let (object, reader) = source.open(path).map_err(of_bucket)?;
                if object.facts() != facts {
                    return Err(CommandError::Busy(path.to_owned()));
                }
                self.stream(reader, (path, facts, size), target)
            }
            Backend::Disk(source) => {
                let file = source.open_file(path).map_err(of_disk)?;
                self.stream(file, (path, facts, size), target)
            }
        }
    }

    fn stream(
        &self,
        source: impl Read,
        (path, facts, size): (&str, Facts, u64),
        target: &str,
    ) -> Result<Facts, CommandError> {
        let mut source = Hashing {
            source,
            hasher: Hasher::new([]),
        };
        let incoming = self
            .bucket
            .send(target, self.token, &mut source, size)
            .map_err(of_bucket)?;
        let unchanged = || {
            let hash = source.hasher.finish()?;
            let now = self.from.backend.facts(path).map_err(of_backend)?;
            if now != Some(facts) {
                return Err(CommandError::Busy(path.to_owned()));
            }
            self.commands.check_hash(self.from, path, facts, &hash)
        };
        if let Err(error) = unchanged() {
            self.bucket.forget(incoming);
            return Err(error);
        }
        let object = self
            .bucket
            .settle(target, self.token, incoming, self.overwrite)
            .map_err(of_bucket)?;
        Ok(object.facts())
    }
}

fn hash_of(disk: &Disk, path: &str) -> Result<String, CommandError> {
    let mut hasher = Hasher::new([]);
    let mut file = disk.open_file(path).map_err(of_disk)?;
    hasher.read(&mut file).map_err(|error| {
        of_disk(DiskError {
            what: "compare",
            path: path.to_owned(),
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })
    })?;
    Ok(hasher.finish()?)
}

/// Whether the server copies this object.
fn is_server_copy(from: &Place, bucket: &Bucket, size_bytes: i64) -> bool {
    let size = u64::try_from(size_bytes).unwrap_or(u64::MAX);
    match &from.backend {
        Backend::Bucket(source) => source.is_same_bucket(bucket) && Bucket::copies(size),
        Backend::Disk(_) => false,
    }
}

/// Deletes what was put below `target` and has a counterpart in the source.
fn take_back(bucket: &Bucket, target: &str, path: &str, manifest: &Line) {
    let sizes: HashMap<_, _> = manifest
        .iter()
        .filter_map(|(at, facts)| Some((at.strip_prefix(path)?, facts.size_bytes)))
        .collect();
    let taken = bucket.remove_where(target, |at, object| {
        at.strip_prefix(target)
            .is_some_and(|below| sizes.get(below) == Some(&object.facts().size_bytes))
    });
    if let Err(error) = taken {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            target,
            "objects of a copy that failed remain in the bucket"
        );
    }
}

/// Deletes the files that `is_copied` knows, and the directories that are empty then.
fn remove_copied(
    disk: &Disk,
    path: &str,
    is_copied: &dyn Fn(&str, i64) -> bool,
) -> Result<(), DiskError> {
    if disk.facts(path)?.is_none() {
        return Ok(());
    }
    // Children come after their parents, so they go before them.
    for (at, facts) in disk.tree_facts(path)?.into_iter().rev() {
        if !facts.is_directory() {
            if is_copied(&at, facts.size_bytes) {
                disk.remove(&at, false)?;
            }
            continue;
        }
        match disk.remove(&at, true) {
            Err(DiskError {
                source: Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY,
                ..
            }) => {}
            removed => removed?,
        }
    }
    Ok(())
}

impl From<BackendError> for CommandError {
    fn from(error: BackendError) -> Self {
        of_backend(error)
    }
}
