//! Random changes between scans, against what the disk and its inodes say.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A change by ordinary means. Numbers pick among what is there.
#[derive(Clone, Debug)]
enum Action {
    Create {
        directory: usize,
        name: usize,
    },
    Write {
        file: usize,
    },
    Replace {
        file: usize,
    },
    Link {
        file: usize,
        directory: usize,
        name: usize,
    },
    MakeDirectory {
        directory: usize,
        name: usize,
    },
    Rename {
        from: usize,
        directory: usize,
        name: usize,
    },
    Swap {
        one: usize,
        other: usize,
    },
    Remove {
        path: usize,
    },
    /// Some names in a directory are compared, as watching does, or a whole directory.
    Look {
        directory: usize,
        names: u8,
    },
    Scan,
}

fn action() -> impl Strategy<Value = Action> {
    let n = 0..1_000_usize;
    let name = 0..6_usize;
    prop_oneof![
        4 => (n.clone(), name.clone()).prop_map(|(directory, name)| Action::Create { directory, name }),
        2 => n.clone().prop_map(|file| Action::Write { file }),
        2 => n.clone().prop_map(|file| Action::Replace { file }),
        1 => (n.clone(), n.clone(), name.clone())
            .prop_map(|(file, directory, name)| Action::Link { file, directory, name }),
        3 => (n.clone(), name.clone())
            .prop_map(|(directory, name)| Action::MakeDirectory { directory, name }),
        5 => (n.clone(), n.clone(), name)
            .prop_map(|(from, directory, name)| Action::Rename { from, directory, name }),
        2 => (n.clone(), n.clone()).prop_map(|(one, other)| Action::Swap { one, other }),
        2 => n.clone().prop_map(|path| Action::Remove { path }),
        3 => Just(Action::Scan),
        6 => (n, 0..64_u8).prop_map(|(directory, names)| Action::Look { directory, names }),
    ]
}

struct Model {
    bench: Bench,
    writes: usize,
    /// The node of each file that had one name only when it was last scanned, by its inode and
    /// birth time.
    known: BTreeMap<(u64, Option<::node::Moment>), i64>,
    /// Files that got a second name since then.
    linked: BTreeSet<(u64, Option<::node::Moment>)>,
}

impl Model {
    fn paths(&self, wanted: impl Fn(&Line) -> bool) -> Vec<String> {
        let mut lines = BTreeMap::new();
        on_disk(self.bench.tree.path(), "", &mut lines);
        lines
            .into_iter()
            .filter(|(_, line)| wanted(line))
            .map(|(path, _)| path)
            .collect()
    }

    fn directory(&self, number: usize) -> String {
        let directories = self.paths(|line| line.is_directory);
        directories[number % directories.len()].clone()
    }

    fn file(&self, number: usize) -> Option<String> {
        let files = self.paths(|line| !line.is_directory);
        files.get(number.checked_rem(files.len())?).cloned()
    }

    fn any(&self, number: usize) -> Option<String> {
        let paths = self.paths(|_| true);
        paths.get(1 + number.checked_rem(paths.len() - 1)?).cloned()
    }

    fn text(&mut self) -> String {
        self.writes += 1;
        "x".repeat(self.writes)
    }

    fn apply(&mut self, action: &Action) {
        let at = |directory: &str, name: usize| ::node::join(directory, &format!("n{name}"));
        match *action {
            Action::Create { directory, name } => {
                let path = self.bench.path(&at(&self.directory(directory), name));
                let text = self.text();
                let _ = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(path)
                    .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            }
            Action::Write { file } => {
                let Some(path) = self.file(file) else { return };
                let text = self.text();
                std::fs::write(self.bench.path(&path), text).unwrap();
            }
            Action::Replace { file } => {
                let Some(path) = self.file(file) else { return };
                let text = self.text();
                let fresh = self.bench.data.path().join("fresh");
                std::fs::write(&fresh, text).unwrap();
                std::fs::rename(fresh, self.bench.path(&path)).unwrap();
            }
            Action::Link {
                file,
                directory,
                name,
            } => {
                let Some(path) = self.file(file) else { return };
                let to = self.bench.path(&at(&self.directory(directory), name));
                let path = self.bench.path(&path);
                if std::fs::hard_link(&path, to).is_ok() {
                    let metadata = path.symlink_metadata().unwrap();
                    let born = metadata.created().unwrap();
                    let born = born.duration_since(std::time::UNIX_EPOCH).unwrap();
                    let born = i64::try_from(born.as_nanos()).unwrap();
                    let born = Some(::node::Moment::from_nanos(born));
                    self.linked.insert((metadata.ino(), born));
                }
            }
            Action::MakeDirectory { directory, name } => {
                let _ = std::fs::create_dir(self.bench.path(&at(&self.directory(directory), name)));
            }
            Action::Rename {
                from,
                directory,
                name,
            } => {
                let Some(from) = self.any(from) else { return };
                let to = at(&self.directory(directory), name);
                // Over another, into itself, onto a directory: the system refuses what it must.
                let _ = std::fs::rename(self.bench.path(&from), self.bench.path(&to));
            }
            Action::Swap { one, other } => {
                let (Some(one), Some(other)) = (self.any(one), self.any(other)) else {
                    return;
                };
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let root = rustix::fs::CWD;
                let (one, other) = (self.bench.path(&one), self.bench.path(&other));
                let _ = rustix::fs::renameat_with(root, one, root, other, flags);
            }
            Action::Remove { path } => {
                let Some(path) = self.any(path) else { return };
                self.bench.remove(&path);
            }
            Action::Look { directory, names } => self.look(directory, names),
            Action::Scan => self.scan(),
        }
    }

    fn look(&self, directory: usize, names: u8) {
        let nodes: Vec<_> = self.bench.live().into_values().collect();
        let directories: Vec<_> = nodes.iter().filter(|node| node.is_directory()).collect();
        // Before the first scan nobody watches.
        if nodes.len() < 2 {
            return;
        }
        let directory = directories[directory % directories.len()];
        let names: Vec<_> = (0..6)
            .filter(|name| names & (1 << name) != 0)
            .map(|name| format!("n{name}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.bench.look(directory.id, &names);
    }

    fn scan(&mut self) {
        self.bench.scan();
        let (mut now, mut many) = (BTreeMap::new(), BTreeSet::new());
        for node in self
            .bench
            .live()
            .values()
            .filter(|node| !node.path.is_empty())
        {
            let metadata = self.bench.path(&node.path).symlink_metadata().unwrap();
            let identity = (metadata.ino(), node.facts.identity.born_ns);
            if now.insert(identity, node.id).is_some() {
                many.insert(identity);
            }
        }
        now.retain(|identity, _| !many.contains(identity));
        for (identity, id) in &now {
            if self.linked.contains(identity) {
                continue;
            }
            if let Some(before) = self.known.get(identity) {
                assert_eq!(id, before, "the file {identity:?} is the node that it was");
            }
        }
        self.linked.clear();
        // A file that had several names is any of its nodes once it has one again.
        self.known = now;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nodes_equal_the_disk_and_ids_survive_whatever_happens(
        actions in proptest::collection::vec(action(), 1..70)
    ) {
        let mut model = Model { bench: Bench::new(), writes: 0, known: BTreeMap::new(), linked: BTreeSet::new() };
        for action in &actions {
            model.apply(action);
        }
        model.scan();
    }
}
