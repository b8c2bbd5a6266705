//! Steps 2 and 3 of each command.

use super::request::{Actor, CreateDirectory, PatchMetadata, Received, Upload, UploadedContent};
use super::{
    Action, Answer, CommandError, Commands, Intent, Put, Step, Transfer, apply, refuse_own,
};
use crate::metric;
use ::node::{Facts, NodePath};
use backend::disk::Staged;
use backend::{Backend as _, Bucket, Disk, Kind, Operation, PathFacts};
use catalogue::idempotency::{self, Fingerprint};
use catalogue::{Node, intents, nodes};
use journal::{NodeKind, NodeState};
use serde::Serialize;
use std::io::{Read, Seek};
use std::time::Instant;
use uuid::Uuid;

/// A command that is being done.
pub(super) struct Run<'c> {
    commands: &'c Commands,
    command: &'static str,
    actor: Actor,
    fingerprint: Fingerprint,
    accepted_at_ms: i64,
}

/// A command whose intent is written.
pub(super) struct Intended<'c> {
    commands: &'c Commands,
    id: i64,
    intent: Intent,
}

impl Commands {
    /// Makes a directory, and those above it that are missing.
    pub(crate) fn create_directory(
        &self,
        actor: Actor,
        ask: &CreateDirectory,
    ) -> Result<Answer, CommandError> {
        self.run("createDirectory", actor, ask, None, |run| {
            let place = self.writable(ask.mount_id)?;
            refuse_own(&place, &ask.path)?;
            self.locks.on_paths(&[(ask.mount_id, &ask.path)], || {
                if let Some(node) = self.node_at(ask.mount_id, &ask.path)? {
                    return Err(exists(&ask.path, &node));
                }
                let intended = run.intend(Action::CreateDirectory {
                    mount_id: ask.mount_id,
                    path: ask.path.clone(),
                    metadata: ask.metadata.clone(),
                })?;
                let lineage = intended.attempt(|| place.backend.make_directory(&ask.path))?;
                intended.commit(lineage)
            })
        })
    }

    /// Puts contents that have come in at a path.
    pub(crate) fn upload(
        &self,
        actor: Actor,
        ask: &Upload,
        content: UploadedContent,
    ) -> Result<Answer, CommandError> {
        let asked = (ask, content.content_hash.clone());
        self.run(
            "uploadFile",
            actor,
            &asked,
            Some((ask.mount_id, &ask.path)),
            |run| {
                let place = self.writable(ask.mount_id)?;
                refuse_own(&place, &ask.path)?;
                let disk = match place.backend.kind() {
                    Kind::Disk(disk) => disk,
                    Kind::Bucket(bucket) => {
                        return self.upload_object(&run, bucket, ask, content);
                    }
                };
                let mut staged = match content.received {
                    Received::Staged(staged, mount_id) if mount_id == Some(ask.mount_id) => staged,
                    Received::Staged(mut elsewhere, _) => {
                        elsewhere.file.rewind().map_err(of_staged)?;
                        stage(disk, &mut elsewhere.file)?
                    }
                    Received::Held(bytes) => stage(disk, &mut &*bytes)?,
                };
                self.locks.on_paths(&[(ask.mount_id, &ask.path)], || {
                    self.check_upload(ask)?;
                    let (name, facts) = disk.name_staged(&mut staged)?;
                    let put = self.put(
                        &run,
                        disk,
                        ask,
                        (&name, &staged, facts),
                        content.content_hash,
                    );
                    if put.is_err() {
                        // The error that stopped it is the one to tell; a sweep removes what remains.
                        let _ = disk.remove(&name, false);
                    }
                    put
                })
            },
        )
    }

    /// Sends the contents while nothing is locked, and makes an object of them.
    fn upload_object(
        &self,
        run: &Run<'_>,
        bucket: &Bucket,
        ask: &Upload,
        content: UploadedContent,
    ) -> Result<Answer, CommandError> {
        self.check_upload(ask)?;
        let path = ask.path.as_str();
        let token = Uuid::now_v7().simple().to_string();
        let incoming = match &content.received {
            Received::Held(bytes) => {
                bucket.send(path, &token, &mut &**bytes, bytes.len() as u64)?
            }
            Received::Staged(staged, _) => {
                let mut file = &staged.file;
                let metadata = file.rewind().and_then(|()| file.metadata());
                let size = metadata.map_err(of_staged)?.len();
                bucket.send(path, &token, &mut file, size)?
            }
        };
        let mut incoming = Some(incoming);
        let put = self.locks.on_paths(&[(ask.mount_id, &ask.path)], || {
            self.check_upload(ask)?;
            let intended = run.intend(Action::Upload(Put {
                mount_id: ask.mount_id,
                path: ask.path.clone(),
                staged: token.clone(),
                facts: None,
                checksum: ask.checksum.clone(),
                content_hash: content.content_hash,
                metadata: ask.metadata.clone(),
            }))?;
            let lineage = intended.attempt(|| {
                let mut lineage = bucket.make_parents(&ask.path.parent())?;
                if let Some(incoming) = incoming.take() {
                    let object = bucket.settle(path, &token, incoming, ask.overwrite)?;
                    lineage.push((ask.path.to_string(), object.facts_when_put()));
                }
                Ok::<_, backend::Error>(lineage)
            })?;
            intended.commit(lineage)
        });
        if let Some(incoming) = incoming {
            bucket.forget(incoming);
        }
        put
    }

    fn check_upload(&self, ask: &Upload) -> Result<(), CommandError> {
        let node = self.node_at(ask.mount_id, &ask.path)?;
        expect_version(node.as_ref(), ask.expected_version, &ask.path)?;
        match node {
            Some(node) if node.is_directory() => {
                Err(wrong_kind(&ask.path, NodeKind::Directory, NodeKind::File))
            }
            Some(node) if !ask.overwrite => Err(exists(&ask.path, &node)),
            _ => Ok(()),
        }
    }

    fn put(
        &self,
        run: &Run<'_>,
        disk: &Disk,
        ask: &Upload,
        (name, staged, facts): (&str, &Staged, Facts),
        content_hash: String,
    ) -> Result<Answer, CommandError> {
        let action = Action::Upload(Put {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            staged: name.to_owned(),
            facts: Some(facts),
            checksum: ask.checksum.clone(),
            content_hash,
            metadata: ask.metadata.clone(),
        });
        // Two syncs at once: nothing is to be seen of either before both are done.
        let intended = run.intend_while(action, || staged.sync())?;
        let (mut lineage, ()) = intended.attempt(|| {
            disk.in_directories(&ask.path.parent(), || {
                self.step(Step::DirectoriesMade);
                disk.rename(name, disk, ask.path.as_str(), ask.overwrite)
            })
        })?;
        lineage.extend(renamed(disk, &ask.path));
        intended.commit(lineage)
    }

    /// Changes what people wrote on a node. No file is touched, so read-only mounts take it too.
    pub(crate) fn patch_metadata(
        &self,
        actor: Actor,
        ask: &PatchMetadata,
    ) -> Result<Answer, CommandError> {
        self.run("updateNodeMetadata", actor, ask, None, |run| {
            let node = self
                .catalogue
                .read(|connection| nodes::by_id(connection, ask.node_id))?;
            let node = node
                .filter(|node| node.state != NodeState::Deleted)
                .ok_or(CommandError::NoNode(ask.node_id))?;
            if ask.mount_id.is_some_and(|mount| mount != node.mount_id) {
                return Err(CommandError::OtherMount {
                    node: node.id,
                    mount: node.mount_id,
                });
            }
            let intent = run.intent(Action::PatchMetadata {
                node_id: ask.node_id,
                set: ask.set.clone(),
                unset: ask.unset.clone(),
            });
            let expected = ask.expected_version;
            let node_id = ask.node_id;
            let answer = self.catalogue.write(move |tx| {
                let node = nodes::by_id(tx, node_id)?;
                check_version(node.as_ref(), expected)?;
                apply::finish(tx, None, &intent, &PathFacts::new())
            });
            self.step(Step::Committed);
            answer
        })
    }

    /// Runs a command, unless its key was answered before. `about` is the file that it works on: if
    /// it turns out to be gone, that is a drift.
    pub(super) fn run(
        &self,
        command: &'static str,
        actor: Actor,
        asked: &impl Serialize,
        about: Option<(i64, &NodePath)>,
        work: impl FnOnce(Run<'_>) -> Result<Answer, CommandError>,
    ) -> Result<Answer, CommandError> {
        let asked = serde_json::to_vec(&(command, asked))?;
        let fingerprint = *blake3::hash(&asked).as_bytes();
        let key = actor.idempotency_key.clone();
        let started = Instant::now();
        let once = || {
            if let Some(key) = &key
                && let Some(kept) = self
                    .catalogue
                    .read(|connection| idempotency::find(connection, key))?
            {
                if kept.fingerprint != fingerprint {
                    return Err(CommandError::KeyReused(key.clone()));
                }
                let answer: Answer = serde_json::from_str(&kept.response)?;
                return Ok(Answer {
                    idempotent: true,
                    ..answer
                });
            }
            let accepted_at_ms = self.catalogue.clock().now().as_millis();
            work(Run {
                commands: self,
                command,
                actor,
                fingerprint,
                accepted_at_ms,
            })
        };
        let once = || once().map_err(|error| error.about(about));
        let ended = self.running.count(|| {
            self.telling(command, || match &key {
                None => once(),
                Some(key) => self
                    .locks
                    .with_key(key, once)
                    .unwrap_or_else(|| Err(CommandError::StillRuns(key.clone()))),
            })
        });
        let outcome = match &ended {
            Ok(answer) if answer.idempotent => "repeated",
            Ok(_) => "done",
            Err(CommandError::Backend(_) | CommandError::Catalogue(_)) => "failed",
            Err(_) => "refused",
        };
        metrics::counter!(metric::COMMANDS_TOTAL, "command" => command, "outcome" => outcome)
            .increment(1);
        metrics::histogram!(metric::COMMAND_SECONDS, "command" => command)
            .record(started.elapsed().as_secs_f64());
        ended
    }
}

impl<'c> Run<'c> {
    fn intent(&self, action: Action) -> Intent {
        Intent {
            command: self.command.to_owned(),
            command_id: Uuid::now_v7().to_string(),
            actor: self.actor.clone(),
            fingerprint: self.fingerprint,
            accepted_at_ms: self.accepted_at_ms,
            action,
        }
    }

    pub(super) fn intend(&self, action: Action) -> Result<Intended<'c>, CommandError> {
        self.intend_while(action, || Ok(()))
    }

    /// Writes the intent down, and does meanwhile what leaves no trace if it is all that is done.
    /// If that fails, the intent is taken back.
    fn intend_while(
        &self,
        action: Action,
        work: impl FnOnce() -> Result<(), backend::Error>,
    ) -> Result<Intended<'c>, CommandError> {
        let intent = self.intent(action);
        let text = serde_json::to_string(&intent)?;
        let catalogue = &self.commands.catalogue;
        let action = intent.action.clone();
        let writing = catalogue.submit(move |tx| intents::insert(tx, &text, &action.places()))?;
        let worked = work();
        let id = writing.wait()?;
        if let Err(error) = worked {
            self.commands
                .catalogue
                .write(move |tx| intents::remove(tx, id))?;
            return Err(error.into());
        }
        self.commands.step(Step::Intended);
        Ok(Intended {
            commands: self.commands,
            id,
            intent,
        })
    }
}

impl Intended<'_> {
    /// Does the file operation; takes the intent back if it fails.
    pub(super) fn attempt<T>(
        &self,
        work: impl FnOnce() -> Result<T, backend::Error>,
    ) -> Result<T, CommandError> {
        self.attempted(work().map_err(CommandError::from))
    }

    pub(super) fn attempted<T>(&self, done: Result<T, CommandError>) -> Result<T, CommandError> {
        match done {
            Ok(done) => {
                self.commands.step(Step::FilesChanged);
                Ok(done)
            }
            Err(error) => {
                let id = self.id;
                self.commands
                    .catalogue
                    .write(move |tx| intents::remove(tx, id))?;
                Err(error)
            }
        }
    }

    /// Writes down how far it is.
    pub(super) fn advance(&mut self, transfer: Transfer) -> Result<(), CommandError> {
        match &mut self.intent.action {
            Action::Move { transfer: at, .. } | Action::Copy { transfer: at, .. } => {
                *at = Some(transfer);
            }
            _ => {}
        }
        let (id, text) = (self.id, serde_json::to_string(&self.intent)?);
        let action = self.intent.action.clone();
        self.commands
            .catalogue
            .write(move |tx| intents::replace(tx, id, &text, &action.places()))?;
        Ok(())
    }

    /// Commits; what a transfer leaves to be done has the intent's id.
    pub(super) fn commit(self, lineage: PathFacts) -> Result<Answer, CommandError> {
        let Self {
            commands,
            id,
            intent,
        } = self;
        let aftermath = intent.aftermath();
        let answer = commands
            .catalogue
            .write(move |tx| apply::finish(tx, Some(id), &intent, &lineage))?;
        commands.step(Step::Committed);
        if let Some(aftermath) = aftermath {
            commands.clear_up(id, &aftermath);
        }
        Ok(answer)
    }
}

/// What stands at a path now that something was renamed to it: the rename set its change time.
pub(super) fn renamed(disk: &Disk, path: &NodePath) -> Option<(String, Facts)> {
    let facts = disk.facts(path.as_str()).ok().flatten()?;
    Some((path.to_string(), facts))
}

/// Brings contents to the mount's filesystem.
fn stage(disk: &Disk, contents: &mut impl Read) -> Result<Staged, CommandError> {
    let mut staged = disk.stage()?;
    std::io::copy(contents, &mut staged.file).map_err(of_staged)?;
    Ok(staged)
}

fn of_staged(error: std::io::Error) -> CommandError {
    backend::Error::of_disk(Operation::Stage, "")(error).into()
}

pub(super) fn exists(path: &NodePath, node: &Node) -> CommandError {
    CommandError::Exists {
        path: path.to_string(),
        kind: node.facts.kind,
    }
}

fn wrong_kind(path: &NodePath, found: NodeKind, needed: NodeKind) -> CommandError {
    CommandError::WrongKind {
        path: path.to_string(),
        found,
        needed,
    }
}

pub(super) fn expect_version(
    node: Option<&Node>,
    expected: Option<i64>,
    path: &NodePath,
) -> Result<(), CommandError> {
    match (node, expected) {
        (None, Some(_)) => Err(CommandError::NoNodeAt(path.to_string())),
        _ => check_version(node, expected),
    }
}

fn check_version(node: Option<&Node>, expected: Option<i64>) -> Result<(), CommandError> {
    match (node, expected) {
        (Some(node), Some(expected)) if node.version != expected => Err(CommandError::Version {
            node: node.id,
            expected,
            found: node.version,
        }),
        _ => Ok(()),
    }
}
