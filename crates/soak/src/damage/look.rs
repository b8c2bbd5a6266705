//! Looking at a service that was started on damaged files.

use crate::damaged::{Damage, Noticed};
use crate::deployment::SERVICES;
use crate::rig::Rig;
use serde_json::Value;

const METASTORE: usize = 1;

/// Listening where nobody finds it; healed by a backup.
pub(super) fn heal_filestore(rig: &mut Rig, damage: &Damage) -> Noticed {
    let name = SERVICES[damage.service];
    let port = rig.deployment.ports[0];
    rig.deployment.ports[0] = testkit::free_port();
    let noticed = match rig.deployment.try_start(name) {
        Err(said) => {
            names_the_file(rig, damage, &said);
            "start refused; a backup"
        }
        Ok(()) => match rig.deployment.get(0, "/v1/integrity") {
            Ok(found) if found["data"]["ok"] == true => {
                rig.deployment.stop(name);
                "harmless: everything agrees"
            }
            Ok(found) => {
                assert_ne!(
                    found["data"]["findings"][0]["detail"],
                    Value::Null,
                    "{found}"
                );
                rig.deployment.kill(name);
                "found by its check; a backup"
            }
            // What it cannot read it cannot check.
            Err(said) => {
                assert!(said.starts_with("500"), "{said}");
                rig.deployment.kill(name);
                "found by its check; a backup"
            }
        },
    };
    rig.deployment.ports[0] = port;
    if !noticed.starts_with("harmless") {
        damage.restore();
    }
    rig.start_again(damage.service);
    noticed
}

pub(super) fn heal_book(rig: &mut Rig, damage: &Damage) -> Noticed {
    let name = SERVICES[damage.service];
    if let Err(said) = rig.try_start_again(damage.service) {
        names_the_file(rig, damage, &said);
        return if restore_or_set_aside(rig, damage) {
            "start refused; a backup"
        } else {
            "start refused; moved aside"
        };
    }
    let Err(found) = verified(rig) else {
        return "harmless: everything agrees";
    };
    assert!(found.contains(name), "{name} is not named:\n{found}");
    // What people wrote, a rebuild does not heal; and what cannot be read at all, it cannot either.
    let rebuilt = rig.deployment.run(&["rebuild", name]);
    if rebuilt.status.success() && verified(rig).is_ok() {
        return "named by verify; rebuilt";
    }
    rig.kill(damage.service);
    if restore_or_set_aside(rig, damage) {
        "named by verify; a backup"
    } else {
        "named by verify; moved aside"
    }
}

/// Whether it was a backup.
fn restore_or_set_aside(rig: &mut Rig, damage: &Damage) -> bool {
    let by_backup = damage.dice.is_multiple_of(2);
    if by_backup {
        damage.restore();
    } else {
        damage.set_aside();
        if damage.service == METASTORE {
            rig.people.forget();
        }
    }
    rig.start_again(damage.service);
    by_backup
}

/// What `tidemark verify` says, if it is not that all agree.
fn verified(rig: &Rig) -> Result<(), String> {
    let output = rig.deployment.run(&["verify", "--wait", "10s"]);
    let (out, err) = (&output.stdout, &output.stderr);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    );
    if output.status.success() {
        return Ok(());
    }
    Err(said)
}

/// A service that does not start says which of its files it is.
fn names_the_file(rig: &Rig, damage: &Damage, said: &str) {
    let store = rig.store(damage.service);
    let file = store
        .file_name()
        .expect("a store has a name")
        .to_string_lossy();
    let last = said.lines().rev().find(|line| !line.is_empty());
    let is_named = last.is_some_and(|line| line.contains("error:") && line.contains(&*file));
    assert!(
        is_named,
        "{} ended without naming {file}:\n{said}",
        SERVICES[damage.service]
    );
}
