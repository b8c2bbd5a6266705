//! Thousands of random changes with ordinary tools, while Tidemark watches and while it is stopped.
//!
//! `make chaos CHANGES=100000 SEED=7` runs it longer. A failure prints the seed, and the changes of
//! the round lie in `changes.sh`, whose path is printed too.
#![expect(
    clippy::print_stdout,
    reason = "the seed and what was survived are told to whoever runs it by hand"
)]

use crate::deployment::{Deployment, LONG};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use testkit::wait_for;

/// A reproducible stream of numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).unwrap()
    }

    fn directory(&mut self) -> String {
        let depth = 1 + self.roll(3);
        let names: Vec<_> = (0..depth).map(|_| format!("d{}", self.roll(5))).collect();
        names.join("/")
    }

    fn path(&mut self) -> String {
        format!("{}/f{}", self.directory(), self.roll(8))
    }
}

/// One change, as a line of shell. What does not apply (nothing there, a directory in the way) is
/// refused by the tool, and is no change.
fn change(dice: &mut Dice, at: usize) -> String {
    let (one, other) = (dice.path(), dice.path());
    let (from, to) = (dice.directory(), dice.directory());
    let size = dice.roll(5_000);
    match dice.roll(24) {
        0..=3 => format!(
            "mkdir -p {from}; head -c {size} /dev/zero > {from}/f{}",
            dice.roll(8)
        ),
        4 => format!("mkdir -p {from}/d{}", dice.roll(5)),
        5..=6 => format!("mv {one} {other}"),
        7 => format!("mv -T {from} {to}"),
        8 => format!("mv {from} {to}"),
        9 => format!("small {from} && cp -r {from} {to}/"),
        10 => format!("cp -a {one} {other}"),
        11 => format!("rm -f {one}"),
        12 => format!("rm -rf {from}"),
        13 => format!("truncate -s {size} {one}"),
        14 => format!("echo {at} >> {one}"),
        15 => format!("sed -i s/a/bb/ {one}; touch {one}.seen"),
        16 => format!("touch -d @{} {one}", 1_600_000_000 + at),
        17 => format!("ln {one} {other} && stat -c %i {one} >> ../linked"),
        18 => format!("ln -s ../{other} {one}.link"),
        19 => format!("small {from} && rsync -a --delete {from}/ {to}/"),
        20 => format!(
            "small {from} && tar -cf ../t.tar {from} && mkdir -p u{} && tar -xf ../t.tar -C u{0}",
            at % 3
        ),
        21 => format!("git -C repo checkout -q {}", ["main", "topic"][at % 2]),
        22 => format!("mv {one} swap && mv {other} {one} && mv swap {other}; mv swap {one}"),
        _ => format!("mv {one} {one}.1 && echo fresh > {one}"),
    }
}

/// Copies of copies would fill the disk before the changes are through.
const SMALL: &str = "set +e
small() { [ \"$(find \"$1\" 2>/dev/null | head -n 60 | wc -l)\" -lt 60 ]; }
";

/// Runs `count` changes in the tree, in one shell.
fn run(tree: &Path, dice: &mut Dice, count: usize) {
    let output = shell(tree, dice, count).output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// The shell that makes `count` changes in the tree.
fn shell(tree: &Path, dice: &mut Dice, count: usize) -> Command {
    let mut script = SMALL.to_owned();
    for at in 0..count {
        let change = change(dice, at);
        writeln!(script, "{{ {change}; }} 2>/dev/null").unwrap();
    }
    script.push_str("true\n");
    let file = tree.parent().unwrap().join("changes.sh");
    std::fs::write(&file, script).unwrap();
    let mut shell = Command::new("sh");
    shell.arg(&file).current_dir(tree);
    shell
}

fn git(tree: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree.join("repo"));
    git.args(["-c", "user.name=chaos", "-c", "user.email=chaos@localhost"]);
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

fn plant(tree: &Path) {
    let repo = tree.join("repo");
    std::fs::create_dir_all(repo.join("src")).unwrap();
    git(tree, &["init", "-q", "-b", "main"]);
    for branch in ["main", "topic"] {
        if branch == "topic" {
            git(tree, &["checkout", "-q", "-b", "topic"]);
            std::fs::remove_file(repo.join("src/f3")).unwrap();
            std::fs::create_dir(repo.join("new")).unwrap();
            std::fs::write(repo.join("new/file"), "only here").unwrap();
        }
        for file in (0..30).filter(|file| branch == "main" || *file != 3) {
            std::fs::write(repo.join(format!("src/f{file}")), branch.repeat(file)).unwrap();
        }
        git(tree, &["add", "-A"]);
        git(tree, &["commit", "-q", "-m", branch]);
    }
}

/// What both sides are compared by: kind, size, modification time in milliseconds.
type Line = (String, i64, Option<i64>);

/// What is on disk, and the inode of each name: its number, its birth, how many names it has.
struct Disk {
    lines: BTreeMap<String, Line>,
    inodes: BTreeMap<String, (u64, i64, u64)>,
}

fn on_disk(root: &Path) -> Disk {
    let mut disk = Disk {
        lines: BTreeMap::new(),
        inodes: BTreeMap::new(),
    };
    let mut waiting = vec![String::new()];
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = root.join(&path).symlink_metadata() else {
            continue;
        };
        let is_directory = metadata.is_dir();
        let size = if metadata.is_file() {
            metadata.len().cast_signed()
        } else {
            0
        };
        let modified = metadata.mtime() * 1_000 + metadata.mtime_nsec() / 1_000_000;
        let kind = if is_directory { "directory" } else { "file" };
        let line = (kind.to_owned(), size, (!is_directory).then_some(modified));
        let born = metadata.created().map_or(0, |born| {
            let born = born.duration_since(std::time::UNIX_EPOCH).unwrap();
            i64::try_from(born.as_nanos()).unwrap()
        });
        disk.lines.insert(path.clone(), line);
        let names = if is_directory { 1 } else { metadata.nlink() };
        disk.inodes
            .insert(path.clone(), (metadata.ino(), born, names));
        if !is_directory {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(root.join(&path)) else {
            continue;
        };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            waiting.push(if path.is_empty() {
                name
            } else {
                format!("{path}/{name}")
            });
        }
    }
    disk
}

/// The live nodes as the catalogue tells them: path to id and line.
fn nodes(deployment: &Deployment) -> BTreeMap<String, (i64, Line)> {
    let text = deployment.text(0, "/v1/snapshot").unwrap();
    let mut nodes = BTreeMap::new();
    for line in text.lines() {
        let node: Value = serde_json::from_str(line).unwrap();
        if node["state"] != "active" {
            continue;
        }
        let modified = node["lastModifiedAt"].as_str().map(|text| {
            let at: jiff::Timestamp = text.parse().unwrap();
            at.as_millisecond()
        });
        let kind = node["kind"].as_str().unwrap().to_owned();
        let line = (kind, node["sizeBytes"].as_i64().unwrap(), modified);
        let path = node["path"].as_str().unwrap().to_owned();
        nodes.insert(path, (node["nodeId"].as_i64().unwrap(), line));
    }
    nodes
}

/// The first few paths at which two maps differ.
fn differences(nodes: &BTreeMap<String, (i64, Line)>, disk: &Disk) -> Vec<String> {
    let paths: BTreeSet<_> = nodes.keys().chain(disk.lines.keys()).collect();
    let told = paths.into_iter().filter_map(|path| {
        let (node, line) = (nodes.get(path).map(|(_, line)| line), disk.lines.get(path));
        (node != line).then(|| format!("{path:?}: node {node:?}, disk {line:?}"))
    });
    told.take(10).collect()
}

/// Changes after which nodes and disk are compared.
const ROUND: usize = 60;

struct Chaos {
    deployment: Deployment,
    dice: Dice,
    /// The node of each file or directory with one name, by its inode, when all was last equal.
    known: BTreeMap<(u64, i64), (i64, String)>,
    /// Names given so far.
    renamed: usize,
    /// Files and directories found under another name, and still themselves.
    survived: usize,
}

impl Chaos {
    fn new(settings: &'static [(&'static str, &'static str)]) -> Self {
        let seed = setting("TIDEMARK_CHAOS_SEED").unwrap_or(1);
        let deployment = Deployment::with_settings("inline", settings);
        let tree = deployment.files();
        std::fs::create_dir_all(&tree).unwrap();
        println!(
            "seed {seed}, the changes lie in {}",
            tree.parent().unwrap().display()
        );
        plant(&tree);
        let mut chaos = Self {
            deployment,
            dice: Dice(seed as u64),
            known: BTreeMap::new(),
            renamed: 0,
            survived: 0,
        };
        run(&tree, &mut chaos.dice, 300);
        chaos
    }

    fn change(&mut self, count: usize) {
        run(&self.deployment.files(), &mut self.dice, count);
    }

    /// Changes and settles in turn, so often that much of what was known is still there, elsewhere.
    fn rounds(&mut self, count: usize) {
        for done in (0..count).step_by(ROUND) {
            self.change(ROUND.min(count - done));
            self.settle();
        }
    }

    /// Renames files and directories to names that were never used before.
    fn rename(&mut self, count: usize) {
        let root = self.deployment.files();
        let lines = on_disk(&root).lines;
        let outside = |path: &&String| !path.is_empty() && !path.starts_with("repo");
        let paths: Vec<_> = lines.keys().filter(outside).collect();
        let is_directory = |path: &&&String| lines[**path].0 == "directory";
        let directories: Vec<_> = paths.iter().filter(is_directory).collect();
        let mut script = "set +e\n".to_owned();
        for _ in 0..count {
            self.renamed += 1;
            let from = paths[self.dice.roll(paths.len())];
            let to = directories[self.dice.roll(directories.len())];
            writeln!(script, "mv {from} {to}/m{} 2>/dev/null", self.renamed).unwrap();
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(&root);
        assert!(shell.output().unwrap().stdout.is_empty());
    }

    /// The inode numbers of files that got a second name since this was asked last. Each name has
    /// a node of its own, so which of them is the file's when it has one name again, nobody can say.
    fn linked(&self) -> BTreeSet<u64> {
        let file = self.deployment.files().with_file_name("linked");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(&file);
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Waits until nodes and disk are equal, and checks what is to hold then: every file and
    /// directory that was renamed is the node that it was.
    fn settle(&mut self) {
        let root = self.deployment.files();
        let (nodes, disk) = wait_for("the nodes to equal the disk", LONG, || {
            let (nodes, disk) = (nodes(&self.deployment), on_disk(&root));
            let differ = differences(&nodes, &disk);
            if differ.is_empty() {
                Ok((nodes, disk))
            } else {
                Err(differ)
            }
        });
        let mut now = BTreeMap::new();
        for (path, (ino, born, names)) in &disk.inodes {
            if *names == 1 {
                now.insert((*ino, *born), (nodes[path].0, path.clone()));
            }
        }
        let (linked, mut survived) = (self.linked(), 0);
        for (inode, (id, path)) in &now {
            if let Some((before, was_at)) = self.known.get(inode)
                && !linked.contains(&inode.0)
            {
                assert_eq!(id, before, "{was_at} is {path} now, and another node");
                survived += usize::from(path != was_at);
            }
        }
        self.survived += survived;
        println!(
            "{} nodes, {survived} of {} renamed since and still themselves",
            nodes.len(),
            now.len()
        );
        self.known = now;
        self.check_rollups(&nodes, &disk);
        self.deployment.settle();
        self.deployment.verify();
    }

    /// Each directory's rollup is the sum of the regular files below it.
    fn check_rollups(&self, nodes: &BTreeMap<String, (i64, Line)>, disk: &Disk) {
        let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (path, (kind, size, _)) in &disk.lines {
            let mut above = path.as_str();
            while !above.is_empty() {
                above = above.rsplit_once('/').map_or("", |(above, _)| above);
                let sum = sums.entry(above).or_default();
                sum.0 += size;
                sum.1 += i64::from(kind == "file");
            }
        }
        for (path, (id, (kind, ..))) in nodes {
            if kind != "directory" {
                continue;
            }
            let node = self.deployment.get(0, &format!("/v1/nodes/{id}")).unwrap();
            let rollup = &node["data"]["rollup"];
            let kept = (rollup["sizeBytes"].as_i64(), rollup["fileCount"].as_i64());
            let (size, files) = sums.get(path.as_str()).copied().unwrap_or_default();
            assert_eq!(kept, (Some(size), Some(files)), "rollup of {path:?}");
        }
    }
}

fn setting(name: &str) -> Option<usize> {
    std::env::var_os(name)?.into_string().ok()?.parse().ok()
}

fn changes() -> usize {
    setting("TIDEMARK_CHAOS_CHANGES").unwrap_or(3_000)
}

#[test]
fn thousands_of_random_changes_leave_the_nodes_equal_to_the_disk() {
    // Nothing is rescanned: what is seen is seen by watching, or at the start.
    let mut chaos = Chaos::new(&[("FILESTORE_WATCH", "true")]);
    chaos.deployment.start("dev");
    chaos.settle();
    for _ in 0..2 {
        chaos.rounds(changes() / 6);
        chaos.rename(40);
        chaos.settle();
    }
    for _ in 0..6 {
        chaos.deployment.stop("dev");
        chaos.change(changes() / 36);
        chaos.deployment.start("dev");
        chaos.settle();
    }
    assert!(chaos.survived > 0);
}

#[test]
fn random_changes_go_on_while_the_process_is_killed_and_started_again() {
    let mut chaos = Chaos::new(&[("FILESTORE_WATCH", "true")]);
    chaos.deployment.start("dev");
    chaos.settle();
    let root = chaos.deployment.files();
    for _ in 0..changes() / 250 {
        let mut shell = shell(&root, &mut chaos.dice, ROUND).spawn().unwrap();
        // Somewhere in the middle of what it makes of the changes.
        let (head, deployment) = (chaos.deployment.head(), &chaos.deployment);
        wait_for("the journal to go on, or the changes to end", LONG, || {
            let is_over = shell.try_wait().unwrap().is_some();
            match deployment.try_head() {
                Ok(now) if now > head || is_over => Ok(()),
                other => Err(other),
            }
        });
        chaos.deployment.kill("dev");
        chaos.deployment.start("dev");
        assert!(shell.wait().unwrap().success());
        chaos.settle();
    }
    assert!(chaos.survived > 0);
}

#[test]
fn random_changes_are_found_by_rescanning_where_few_directories_may_be_watched() {
    let mut chaos = Chaos::new(&[
        ("FILESTORE_WATCH", "true"),
        ("FILESTORE_WATCH_MAX_DIRECTORIES", "5"),
        ("FILESTORE_RESCAN_INTERVAL", "200ms"),
    ]);
    chaos.deployment.start("dev");
    chaos.settle();
    let mounts = chaos.deployment.get(0, "/v1/backend-mounts").unwrap();
    let watch = &mounts["data"]["mounts"][0]["watch"];
    assert_eq!(
        (&watch["state"], &watch["watchedDirectories"]),
        (&"partial".into(), &5.into())
    );
    for _ in 0..2 {
        chaos.rounds(changes() / 10);
        chaos.rename(40);
        chaos.settle();
    }
    assert!(chaos.survived > 0);
}

#[test]
fn random_changes_past_the_kernels_queue_are_found() {
    let mut chaos = Chaos::new(&[("FILESTORE_WATCH", "true")]);
    chaos.deployment.start("dev");
    chaos.settle();
    // While the process stands still, nobody reads what the kernel tells.
    chaos.deployment.process("dev").pause();
    let tree = chaos.deployment.files();
    for file in 0..6_000 {
        let path = tree.join(format!("repo/src/many{file}"));
        std::fs::write(&path, "x").unwrap();
        std::fs::rename(&path, tree.join(format!("repo/src/moved{file}"))).unwrap();
    }
    chaos.change(changes() / 10);
    chaos.deployment.process("dev").resume();
    chaos.settle();
    let metrics = chaos.deployment.text(0, "/metrics").unwrap();
    let overflows = metrics
        .lines()
        .find_map(|line| line.strip_prefix("filestore_watch_overflows_total "));
    assert!(
        overflows.unwrap().parse::<f64>().unwrap() >= 1.0,
        "{overflows:?}"
    );
    // The names that follow are told of again.
    chaos.rounds(changes() / 15);
    assert!(chaos.survived > 0);
}
