//! The names of users and groups, from whoever knows them.

use node::Facts;
use std::sync::Arc;

/// Tells the names of users and groups. Asked in the writer's thread: it answers soon, or not at all.
pub trait Names: std::fmt::Debug + Send + Sync {
    /// The user's name; `None`, if nobody has this id or it is not known yet.
    fn user(&self, id: u32) -> Option<Arc<str>>;
    /// The group's name; as above.
    fn group(&self, id: u32) -> Option<Arc<str>>;
}

/// Whose a file or an object is, by name.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// The user.
    pub user: Option<Arc<str>>,
    /// The group.
    pub group: Option<Arc<str>>,
}

impl Owner {
    /// Whose the file of these facts is.
    #[must_use]
    pub fn of(names: Option<&dyn Names>, facts: &Facts) -> Self {
        match (names, facts.inode) {
            (Some(names), Some(inode)) => Self {
                user: names.user(inode.uid),
                group: names.group(inode.gid),
            },
            (_, None) => Self {
                user: facts.object.owner.map(|owner| owner.as_str().into()),
                group: None,
            },
            (None, Some(_)) => Self::default(),
        }
    }
}
