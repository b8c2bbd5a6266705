//! What disks do to files: a bit flips, a tail is gone, writes that were never synced are gone.
//!
//! Every fault is made from a seed and tells what it did, so that a failing test can be played
//! again. The files are those of a store that nobody has open. A store is its file and what its
//! engine puts beside it: `NAME-wal` (SQLite) or `NAME.wal` (DuckDB).
//!
//! ```no_run
//! # let store = std::path::Path::new("filestore.db");
//! let fault = testkit::file_fault::flip_bit(store, 7);
//! println!("{fault}"); // seed 7: flipped bit 3 of byte 8231 of filestore.db
//! ```

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A disk writes this many bytes at once, or none of them.
const SECTOR_BYTES: u64 = 4096;

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The seed that it was made from.
    pub seed: u64,
    /// The file.
    pub path: PathBuf,
    /// What.
    pub kind: Kind,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One bit is not what was written.
    BitFlipped {
        /// The byte's place in the file.
        at: u64,
        /// The bit, 0 to 7.
        bit: u8,
    },
    /// The file ends early.
    TailCut {
        /// Its length before.
        from: u64,
        /// Its length now.
        to: u64,
    },
    /// Sectors are what they were at an earlier moment, as after a power cut on a disk that said
    /// it had written them.
    WritesDropped {
        /// How many sectors of the file had been written since.
        written: u64,
        /// How many of them are gone.
        dropped: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        write!(f, "seed {}: ", self.seed)?;
        match self.kind {
            Kind::BitFlipped { at, bit } => write!(f, "flipped bit {bit} of byte {at} of {name}"),
            Kind::TailCut { from, to } => write!(f, "cut {name} from {from} to {to} bytes"),
            Kind::WritesDropped { written, dropped } => {
                write!(
                    f,
                    "dropped {dropped} of {written} written sectors of {name}"
                )
            }
        }
    }
}

/// Flips one bit somewhere in the file, which must not be empty.
///
/// # Panics
/// The file cannot be read and written.
pub fn flip_bit(path: &Path, seed: u64) -> Fault {
    let length = length(path);
    flip_bit_within(path, 0..length, seed)
}

/// Flips one bit somewhere within these bytes of the file.
///
/// # Panics
/// The range is empty or lies outside the file, or the file cannot be read and written.
pub fn flip_bit_within(path: &Path, bytes: std::ops::Range<u64>, seed: u64) -> Fault {
    let mut dice = Dice::new(seed);
    let at = bytes.start + dice.below(bytes.end.saturating_sub(bytes.start));
    let bit = u8::try_from(dice.below(8)).unwrap_or_default();
    let file = open(path);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the byte is read");
    byte = byte.map(|byte| byte ^ (1 << bit));
    file.write_all_at(&byte, at).expect("the byte is written");
    Fault {
        seed,
        path: path.to_owned(),
        kind: Kind::BitFlipped { at, bit },
    }
}

/// Cuts off between one byte and the whole of the file.
///
/// # Panics
/// The file is empty, or cannot be written.
pub fn cut_tail(path: &Path, seed: u64) -> Fault {
    let from = length(path);
    let to = Dice::new(seed).below(from);
    open(path).set_len(to).expect("the file is cut");
    Fault {
        seed,
        path: path.to_owned(),
        kind: Kind::TailCut { from, to },
    }
}

/// Takes back some of what was written to the file since `earlier` was copied from it: each sector
/// that differs is put back as it was or left as it is, and so is the file's length. At least one
/// sector is put back, if any differs.
///
/// # Panics
/// A file cannot be read or written.
pub fn drop_writes(path: &Path, earlier: &Path, seed: u64) -> Fault {
    let mut dice = Dice::new(seed);
    let now = std::fs::read(path).expect("the file is read");
    let before = std::fs::read(earlier).expect("the earlier file is read");
    let sector = usize::try_from(SECTOR_BYTES).unwrap_or(usize::MAX);
    let piece = |bytes: &[u8], at: usize| {
        let end = bytes.len().min(at + sector);
        bytes.get(at..end).unwrap_or_default().to_vec()
    };
    let written: Vec<usize> = (0..now.len().max(before.len()))
        .step_by(sector)
        .filter(|at| piece(&now, *at) != piece(&before, *at))
        .collect();
    let sure = dice.below(written.len() as u64);
    let mut result = now.clone();
    let mut dropped = 0;
    // From the end, since a file that had not grown yet is shorter.
    for (index, at) in written.iter().enumerate().rev() {
        if index as u64 != sure && dice.below(2) == 0 {
            continue;
        }
        dropped += 1;
        let old = piece(&before, *at);
        if *at + sector >= result.len() {
            result.truncate(*at);
            result.extend_from_slice(&old);
        } else if let Some(target) = result.get_mut(*at..*at + sector) {
            // Inside the file, a sector that was never written reads as zeroes.
            target.fill(0);
            for (to, from) in target.iter_mut().zip(&old) {
                *to = *from;
            }
        }
    }
    let mut file = File::create(path).expect("the file is opened");
    file.write_all(&result).expect("the file is written");
    Fault {
        seed,
        path: path.to_owned(),
        kind: Kind::WritesDropped {
            written: written.len() as u64,
            dropped,
        },
    }
}

/// The files of a store that are there and not empty: its file, and its write-ahead log.
#[must_use]
pub fn files_of(store: &Path) -> Vec<PathBuf> {
    let beside = |suffix: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    [store.to_owned(), beside("-wal"), beside(".wal")]
        .into_iter()
        .filter(|path| path.metadata().is_ok_and(|about| about.len() > 0))
        .collect()
}

/// Copies a store as it is now, its log included, into another folder, and gives the copy's path.
/// Copies of the files that the store no longer has are removed there.
///
/// # Panics
/// A file cannot be copied.
pub fn copy_store(store: &Path, into: &Path) -> PathBuf {
    std::fs::create_dir_all(into).expect("the folder is made");
    let name = store.file_name().expect("the store has a name");
    let copy = into.join(name);
    for suffix in ["", "-wal", "-shm", ".wal", ".mark"] {
        let with = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let (from, to) = (with(store), with(&copy));
        match std::fs::copy(&from, &to) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::remove_file(&to).ok();
            }
            Err(error) => panic!("{} cannot be copied: {error}", from.display()),
        }
    }
    copy
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{} cannot be opened: {error}", path.display()))
}

fn length(path: &Path) -> u64 {
    let about = std::fs::metadata(path);
    about
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
        .len()
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 if that is 0.
    const fn below(&mut self, bound: u64) -> u64 {
        let next = self.next();
        if bound == 0 { 0 } else { next % bound }
    }
}
