//! What a scan is to do: the whole mount or parts of it, on whose behalf, and how it is told.

use super::renames::Rename;
use ::node::Identity;
use catalogue::DirectoryRef;
use journal::ReconcileReason;

/// What a scan is to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) scope: Scope,
    /// The command's name in the journal, and the reporter of a drift.
    pub(crate) command: &'static str,
    /// Why nodes are compared with the disk.
    pub(crate) reason: ReconcileReason,
    /// A file that was changed in place is told as `reconciled`, and not as `updated`: somebody asked
    /// about it.
    pub(crate) tells_reconciled: bool,
    /// Known directories are gone into. In a scan of parts, new and moved ones always are.
    pub(crate) is_deep: bool,
    /// Directories that were seen to be renamed.
    pub(crate) renames: Vec<Rename>,
    /// Nothing is written where more is to be seen first: a file is found, and the directory that it
    /// was in is neither where it was nor among what is looked at. It may have the file still, if that
    /// has several names.
    pub(crate) waits: bool,
}

/// Which part of a mount is compared with the disk.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Mount,
    Parts(Vec<Part>),
}

/// A directory, or some names in it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) directory: DirectoryRef,
    /// All names, if `None`; in ascending order.
    pub(crate) names: Option<Vec<String>>,
}

/// What a scan of parts leaves to whoever asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// Identities that are no directory of the mount.
    pub(crate) unknown: Vec<Identity>,
    /// Something differs because of commands that are not committed yet.
    pub(crate) is_postponed: bool,
    /// More is to be seen first ([`Task::waits`]).
    pub(crate) is_undecided: bool,
}

impl Task {
    /// The whole mount, asked for by a person.
    pub(crate) const fn asked() -> Self {
        Self::whole(super::COMMAND, ReconcileReason::Manual)
    }

    /// The whole mount.
    pub(crate) const fn whole(command: &'static str, reason: ReconcileReason) -> Self {
        Self {
            scope: Scope::Mount,
            command,
            reason,
            tells_reconciled: false,
            is_deep: true,
            renames: Vec::new(),
            waits: false,
        }
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.scope, Scope::Mount)
    }
}
