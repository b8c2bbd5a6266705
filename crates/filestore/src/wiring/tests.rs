//! The parts stand back for each other.

use super::*;
use crate::hashing::{HashingState, HashingStatus};

const LONG: Duration = Duration::from_secs(60);

struct Bench {
    filestore: Arc<Filestore>,
    hashing: Hashing,
    mounts: [i64; 2],
    _dirs: tempfile::TempDir,
}

impl Bench {
    /// Two mounts with a file each, and nothing to be hashed yet.
    fn new() -> Self {
        let dirs = tempfile::tempdir().unwrap();
        let filestore = Filestore::open(Options::new(dirs.path().join("data"))).unwrap();
        let mounts = ["a", "b"].map(|name| {
            let root = dirs.path().join(name);
            std::fs::create_dir(&root).unwrap();
            std::fs::write(root.join("file"), "file").unwrap();
            let mount = filestore.ensure_local_mount(&root).unwrap();
            filestore.scan(mount.id, &ScanOptions::default()).unwrap();
            mount.id
        });
        let hashing = Hashing::start(Arc::clone(&filestore)).unwrap();
        Self {
            filestore,
            hashing,
            mounts,
            _dirs: dirs,
        }
    }

    fn hash_all(&self) {
        for mount in self.mounts {
            let serde_json::Value::Object(config) = serde_json::json!({ "hashing": true }) else {
                unreachable!()
            };
            let patch = crate::mount::MountPatch {
                config: Some(config),
                ..Default::default()
            };
            self.filestore.mounts.update(mount, patch).unwrap();
        }
    }

    fn status(&self, mount: i64) -> HashingStatus {
        let mount = self.filestore.mount(mount).unwrap().unwrap();
        self.filestore.hasher.status(&mount).unwrap()
    }

    fn wait_for(&self, mount: i64, state: HashingState) -> HashingStatus {
        testkit::wait_for("the state", LONG, || {
            let status = self.status(mount);
            if status.state == state {
                Ok(status)
            } else {
                Err(status)
            }
        })
    }

    fn close(self) {
        drop(self.hashing);
        self.filestore.close();
    }
}

#[test]
fn nothing_is_read_of_a_mount_while_it_is_scanned() {
    let bench = Bench::new();
    let [busy, idle] = bench.mounts;
    let turn = bench.filestore.scanner.hold(busy);
    bench.hash_all();
    assert_eq!(bench.wait_for(idle, HashingState::Idle).hashed_files, 1);
    let waiting = bench.wait_for(busy, HashingState::Hashing);
    assert_eq!((waiting.read_bytes, waiting.hashed_files), (0, 0));
    drop(turn);
    assert_eq!(bench.wait_for(busy, HashingState::Idle).hashed_files, 1);
    bench.close();
}

#[test]
fn commands_that_never_cease_do_not_keep_it_from_its_work() {
    let bench = Bench::new();
    let running = bench.filestore.commands.running();
    running.count(|| {
        assert!(running.is_any());
        bench.hash_all();
        for mount in bench.mounts {
            assert_eq!(bench.wait_for(mount, HashingState::Idle).hashed_files, 1);
        }
    });
    assert!(!running.is_any());
    bench.close();
}
