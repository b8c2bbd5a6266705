//! Damage done to the files of a service that does not run, and what must come of it.
//!
//! A disk flips a bit, loses a file's tail, or loses writes that it had said were written: in a
//! service's database or in the log beside it. The service is started on what is left, and then one
//! of three things must be so:
//!
//! * it does not start, and says which file and why;
//! * it starts, and `tidemark verify` (for filestore: its integrity check) names the damage;
//! * it starts, and everything agrees: the damage hit nothing, or heals by following the journal.
//!
//! What was noticed is healed by the documented way out: `tidemark rebuild` of a book; a backup
//! where that does not help; or the damaged file moved aside, where a book does not open. The backup
//! is what was there a moment before the damage. What people had written into the metastore must be
//! there in the end, unless the file that held it was given up.
//!
//! While filestore is looked at it listens where no client finds it: commands that it took on a
//! damaged catalogue would be lost with it. A copy of the damaged files is kept in the schedule's
//! folder, so that a difference can be looked into whatever came after.

mod look;

use crate::Random;
use crate::damaged::Damage;
use crate::deployment::{LONG, SERVICES};
use crate::rig::Rig;
use std::path::{Path, PathBuf};
use testkit::{file_fault, wait_for};

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One bit is not what was written.
    BitFlipped,
    /// A file ends early.
    TailCut,
    /// Some of the last writes are gone.
    WritesDropped,
}

/// Stops a service, by `kill -9` or in good order, and damages its files.
///
/// # Panics
/// It does not run, or its files cannot be copied.
pub fn inject(
    rig: &mut Rig,
    (service, kind, name): (usize, Kind, &'static str),
    random: &mut Random,
) {
    let store = rig.store(service);
    let serial = rig.damaged.len() + 1;
    let folder = rig.deployment.folder().join(format!("damage-{serial}"));
    rig.people.write(&rig.deployment, random);
    let earlier = file_fault::copy_store(&store, &folder.join("earlier"));
    if kind == Kind::WritesDropped {
        std::thread::park_timeout(random.millis(50, 300));
        rig.people.write(&rig.deployment, random);
        wait_for("something to be written", LONG, || {
            changed(&store, &earlier).first().cloned()
        });
    }
    if random.chance(70) {
        rig.kill(service);
    } else {
        rig.deployment.stop(SERVICES[service]);
    }
    let backup = file_fault::copy_store(&store, &folder.join("backup"));
    let seed = random.next();
    let files = match kind {
        Kind::WritesDropped => changed(&store, &earlier),
        Kind::BitFlipped | Kind::TailCut => file_fault::files_of(&store),
    };
    let file = random.pick(&files);
    let fault = match kind {
        Kind::BitFlipped => file_fault::flip_bit(file, seed),
        Kind::TailCut => file_fault::cut_tail(file, seed),
        Kind::WritesDropped => {
            let before = beside(file, &earlier);
            let options = std::fs::File::options()
                .append(true)
                .create(true)
                .open(&before);
            options.expect("a file of one's own can be made");
            file_fault::drop_writes(file, &before, seed)
        }
    };
    file_fault::copy_store(&store, &folder.join("damaged"));
    rig.damaged.push(format!("{}: {fault}", SERVICES[service]));
    rig.damage = Some(Damage {
        service,
        store,
        backup,
        dice: random.next(),
        name,
    });
}

/// The files of a store that are not as they were. One that was not there was empty.
fn changed(store: &Path, earlier: &Path) -> Vec<PathBuf> {
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let mut files = file_fault::files_of(store);
    files.retain(|file| read(&beside(file, earlier)) != read(file));
    files
}

/// The file of this name in the folder of `earlier`.
fn beside(file: &Path, earlier: &Path) -> PathBuf {
    earlier.with_file_name(file.file_name().expect("a store's file has a name"))
}

/// Starts the service on what is left, sees that damage is noticed, and heals it.
///
/// # Panics
/// Damage was not noticed, not named, or not healed.
pub fn heal(rig: &mut Rig) {
    let damage = rig.damage.take().expect("damage was done");
    let noticed = match damage.service {
        0 => look::heal_filestore(rig, &damage),
        _ => look::heal_book(rig, &damage),
    };
    rig.noticed.push((damage.name, noticed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_changed_are_those_that_differ_and_those_that_are_new() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("now")).unwrap();
        std::fs::create_dir(at("earlier")).unwrap();
        let (now, log, earlier) = (at("now/b.db"), at("now/b.db-wal"), at("earlier/b.db"));
        std::fs::write(&now, "new").unwrap();
        std::fs::write(&earlier, "old").unwrap();
        std::fs::write(&log, "only now").unwrap();
        assert_eq!(changed(&now, &earlier), [now.clone(), log.clone()]);
        std::fs::write(&earlier, "new").unwrap();
        assert_eq!(changed(&now, &earlier), [log]);
    }
}
