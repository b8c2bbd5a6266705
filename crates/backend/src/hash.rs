//! Digests of contents as clients name them: `sha256:<hex>`, also `sha1:`, `md5:` and `blake3:`;
//! bare hex is sha256.

pub mod content;

use sha2::Digest as _;
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// The bytes of one read.
const READ_BYTES: usize = 128 * 1024;

/// Why contents or a checksum were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The algorithm is none of ours.
    #[error("unknown checksum algorithm {0:?}: use sha256, sha1, md5 or blake3")]
    Algorithm(String),
    /// It is not as long as its algorithm makes them.
    #[error("a {0} checksum has {1} hex digits")]
    Length(&'static str, usize),
    /// The contents are other ones than were promised.
    #[error("the contents have the checksum {found}, and {expected} was promised")]
    Mismatch {
        /// What was promised.
        expected: Checksum,
        /// What came.
        found: Checksum,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha1,
    Md5,
    Blake3,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
            Self::Blake3 => "blake3",
        }
    }

    const fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }
}

/// A digest and its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    /// In lower case.
    hex: String,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Checksum {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let (algorithm, hex) = text
            .trim()
            .split_once(':')
            .unwrap_or(("sha256", text.trim()));
        let algorithm = match algorithm.to_ascii_lowercase().as_str() {
            "sha256" | "sha-256" => Algorithm::Sha256,
            "sha1" | "sha-1" => Algorithm::Sha1,
            "md5" => Algorithm::Md5,
            "blake3" => Algorithm::Blake3,
            _ => return Err(HashError::Algorithm(algorithm.to_owned())),
        };
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || hex.len() != algorithm.hex_digits() {
            return Err(HashError::Length(algorithm.name(), algorithm.hex_digits()));
        }
        Ok(Self {
            algorithm,
            hex: hex.to_ascii_lowercase(),
        })
    }
}

enum State {
    Sha256(sha2::Sha256),
    Sha1(sha1::Sha1),
    Md5(md5::Md5),
    Blake3,
}

/// Computes blake3 of contents as they pass, and what else was promised of them.
pub struct Hasher {
    blake3: blake3::Hasher,
    promised: Vec<(Checksum, State)>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    /// Hashes for the content hash, and for what was promised.
    pub fn new(promised: impl IntoIterator<Item = Checksum>) -> Self {
        let state = |checksum: &Checksum| match checksum.algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::Blake3 => State::Blake3,
        };
        let promised = promised.into_iter().map(|checksum| {
            let state = state(&checksum);
            (checksum, state)
        });
        Self {
            blake3: blake3::Hasher::new(),
            promised: promised.collect(),
        }
    }

    /// More of the contents.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        for (_, state) in &mut self.promised {
            match state {
                State::Sha256(hasher) => hasher.update(bytes),
                State::Sha1(hasher) => hasher.update(bytes),
                State::Md5(hasher) => hasher.update(bytes),
                State::Blake3 => {}
            }
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn read(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The content hash, if every promise holds.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn finish(self) -> Result<String, HashError> {
        let blake3 = self.blake3.finalize().to_hex().to_string();
        for (expected, state) in self.promised {
            let hex = match state {
                State::Sha256(hasher) => hex::encode(hasher.finalize()),
                State::Sha1(hasher) => hex::encode(hasher.finalize()),
                State::Md5(hasher) => hex::encode(hasher.finalize()),
                State::Blake3 => blake3.clone(),
            };
            if hex != expected.hex {
                let found = Checksum {
                    algorithm: expected.algorithm,
                    hex,
                };
                return Err(HashError::Mismatch { expected, found });
            }
        }
        Ok(format!("blake3:{blake3}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn checksums_are_read_in_every_spelling() {
        for (text, spelled) in [
            (SHA256.to_owned(), format!("sha256:{SHA256}")),
            (
                format!("SHA-256:{}", SHA256.to_uppercase()),
                format!("sha256:{SHA256}"),
            ),
            (
                format!(" md5:{} ", "0".repeat(32)),
                format!("md5:{}", "0".repeat(32)),
            ),
        ] {
            assert_eq!(text.parse::<Checksum>().unwrap().to_string(), spelled);
        }
        let error = |text: &str| text.parse::<Checksum>().unwrap_err();
        assert_eq!(error("crc32:00"), HashError::Algorithm("crc32".to_owned()));
        assert_eq!(error("sha1:00"), HashError::Length("sha1", 40));
        assert_eq!(error(&"g".repeat(64)), HashError::Length("sha256", 64));
    }

    #[test]
    fn every_promise_is_checked() {
        let promised = [
            format!("sha256:{SHA256}"),
            "sha1:a9993e364706816aba3e25717850c26c9cd0d89d".to_owned(),
            "md5:900150983cd24fb0d6963f7d28e17f72".to_owned(),
            "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85".to_owned(),
        ];
        let mut hasher = Hasher::new(promised.iter().map(|text| text.parse().unwrap()));
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish().unwrap(), promised[3]);
        for broken in &promised {
            let mut hasher = Hasher::new([broken.parse().unwrap()]);
            hasher.update(b"abd");
            assert!(matches!(hasher.finish(), Err(HashError::Mismatch { .. })));
        }
    }
}
