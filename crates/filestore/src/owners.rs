//! The names of users and groups, as this machine knows them.
//!
//! They come from the name service of the system (NSS: `/etc/passwd`, LDAP, …), which may take its
//! time or not answer at all. So one thread of its own asks it, answers are kept for a while, and
//! whoever needs a name waits for a moment only: an id whose name is not there by then is told
//! without a name. Nothing is asked before the first id is seen.

use catalogue::Names;
use nix::unistd::{Gid, Group, Uid, User};
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(600);

/// How long a name is waited for.
const PATIENCE: Duration = Duration::from_millis(250);

/// Whose name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    User(u32),
    Group(u32),
}

/// What is known of an id.
#[derive(Clone, Debug)]
enum Known {
    Asked,
    /// `None`, if nobody has this id.
    Named(Option<Arc<str>>, Instant),
}

/// Asks the system for names, and keeps them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    shared: Arc<Shared>,
    ask: Mutex<Option<Sender<Id>>>,
}

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<HashMap<Id, Known>>,
    answered: Condvar,
}

impl Names for Owners {
    fn user(&self, id: u32) -> Option<Arc<str>> {
        self.name(Id::User(id))
    }

    fn group(&self, id: u32) -> Option<Arc<str>> {
        self.name(Id::Group(id))
    }
}

impl Owners {
    fn name(&self, id: Id) -> Option<Arc<str>> {
        let mut names = self.shared.names.lock();
        match names.get(&id) {
            Some(Known::Named(name, at)) if at.elapsed() < KEPT => return name.clone(),
            // It has been waited for once.
            Some(Known::Asked) => return None,
            Some(Known::Named(..)) | None => {}
        }
        names.insert(id, Known::Asked);
        if !self.send(id) {
            names.remove(&id);
            return None;
        }
        let until = Instant::now() + PATIENCE;
        while let Some(Known::Asked) = names.get(&id) {
            if self
                .shared
                .answered
                .wait_until(&mut names, until)
                .timed_out()
            {
                break;
            }
        }
        match names.get(&id) {
            Some(Known::Named(name, _)) => name.clone(),
            _ => None,
        }
    }

    /// Hands the question to the thread, which is started with the first one. It ends when this
    /// does; it is not waited for, since the system may keep it for long.
    fn send(&self, id: Id) -> bool {
        let mut ask = self.ask.lock();
        if ask.is_none() {
            let (sender, questions) = channel();
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name("tidemark-names".to_owned())
                .spawn(move || answer(&shared, &questions));
            if let Err(error) = started {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "names of users and groups cannot be asked for");
                return false;
            }
            *ask = Some(sender);
        }
        ask.as_ref().is_some_and(|ask| ask.send(id).is_ok())
    }
}

fn answer(shared: &Shared, questions: &Receiver<Id>) {
    for id in questions {
        let name = match id {
            Id::User(id) => {
                User::from_uid(Uid::from_raw(id)).map(|user| user.map(|user| user.name))
            }
            Id::Group(id) => {
                Group::from_gid(Gid::from_raw(id)).map(|group| group.map(|group| group.name))
            }
        };
        let name = name.unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, ?id, "the system does not tell this name");
            None
        });
        // A name that is no text, or none at all, is better told as its number.
        let name = name.filter(|name| !name.is_empty()).map(Arc::from);
        let known = Known::Named(name, Instant::now());
        shared.names.lock().insert(id, known);
        shared.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_names_and_says_so_of_ids_that_have_none() {
        let owners = Owners::default();
        let (root, staff) = (owners.user(0), owners.group(0));
        assert_eq!(root.as_deref(), Some("root"));
        assert_eq!(staff.as_deref(), Some("root"));
        assert_eq!(owners.user(3_999_999_999), None);
        assert_eq!(owners.user(0), root, "kept");
    }

    #[test]
    fn an_id_that_is_being_asked_for_holds_nobody_up() {
        let owners = Owners::default();
        let asked = Id::User(7);
        owners.shared.names.lock().insert(asked, Known::Asked);
        let began = Instant::now();
        assert_eq!(owners.name(asked), None);
        assert!(began.elapsed() < PATIENCE);
    }
}
