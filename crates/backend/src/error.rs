//! What a backend refused, by what the caller can do about it.
//!
//! A disk and a bucket refuse for the same reasons, and are told apart by nobody: what the system or
//! the server said is the source of the error, for people and for the log.

use crate::s3::KeyError;
use rustix::io::Errno;
use std::fmt;

/// What was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The mount's root was to be opened.
    OpenRoot,
    /// A file, or a bucket, was to be opened.
    Open,
    /// Facts were asked for.
    LookAt,
    /// A directory on the way was to be entered.
    Enter,
    /// A directory was to be listed.
    List,
    /// Contents were to be read.
    Read,
    /// Contents were to be compared.
    Compare,
    /// A directory was to be made.
    Create,
    /// A file was to be staged.
    Stage,
    /// A staged file was to get a name.
    Link,
    /// Contents were to be written.
    Write,
    /// Contents were to become an object.
    Upload,
    /// Something was to be copied.
    Copy,
    /// Something was to be renamed.
    Rename,
    /// Something was to be deleted.
    Delete,
    /// A change was to be made durable.
    Sync,
    /// A key was to be made of a path.
    Name,
    /// A URL was to be signed.
    Sign,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenRoot => "open the mount's root",
            Self::Open => "open",
            Self::LookAt => "look at",
            Self::Enter => "enter",
            Self::List => "list",
            Self::Read => "read",
            Self::Compare => "compare",
            Self::Create => "create",
            Self::Stage => "stage a file in",
            Self::Link => "link",
            Self::Write => "write",
            Self::Upload => "upload",
            Self::Copy => "copy",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Sync => "sync",
            Self::Name => "name",
            Self::Sign => "sign a URL of",
        })
    }
}

/// Why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing stands there.
    #[error("nothing is there")]
    NotFound,
    /// Something stands there already.
    #[error("something is there already")]
    Exists,
    /// A file, or a symlink, is on the way.
    #[error("there is a file where a directory is needed")]
    NotADirectory,
    /// A directory stands where a file is needed.
    #[error("there is a directory where a file is needed")]
    IsADirectory,
    /// The directory holds something.
    #[error("there is something in it")]
    NotEmpty,
    /// Somebody else was quicker.
    #[error("it is not what it was when this began")]
    Changed,
    /// It would lead to another filesystem.
    #[error("it lies on another filesystem")]
    OtherFilesystem,
    /// There is no room.
    #[error("no space left")]
    Full,
    /// This user may not.
    #[error("permission denied")]
    Denied,
    /// These credentials may not.
    #[error("the credentials are refused, or do not allow it")]
    Forbidden,
    /// Nobody may.
    #[error("the filesystem is mounted read-only")]
    ReadOnly,
    /// Its name is too long.
    #[error("its name is too long for the filesystem")]
    TooLong,
    /// A pipe, a socket or a device.
    #[error("pipes, sockets and devices have no contents")]
    NoContents,
    /// The system uses it.
    #[error("it is in use by the system")]
    InUse,
    /// It is larger than S3 takes.
    #[error("the object is larger than S3 takes")]
    TooLarge,
    /// The path is no key, or the key no path.
    #[error("it is no S3 key: {0}")]
    OddKey(KeyError),
    /// A key that is no path: nobody can name it.
    #[error("its key is no path: an empty name, dots, or a control character")]
    NoPath,
    /// A directory has the same name.
    #[error("the object is hidden by the directory of the same name")]
    Hidden,
    /// The bucket is not there.
    #[error("there is no such bucket")]
    NoBucket,
    /// Reading or writing the file on this side failed.
    #[error("the file on this side cannot be read or written")]
    Local,
    /// Perhaps it works later.
    #[error("S3 does not answer as it should")]
    Unavailable,
    /// What else the system says.
    #[error("{0}")]
    System(Errno),
}

impl Reason {
    /// Whether it says that nothing stands at the path, rather than that it could not be seen.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::NotFound | Self::NotADirectory)
    }

    /// Whether it says that no file whose contents can be read stands at the path.
    #[must_use]
    pub const fn is_no_file(self) -> bool {
        self.is_absence() || matches!(self, Self::IsADirectory | Self::OtherFilesystem)
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::STALE => Self::NotFound,
            Errno::EXIST => Self::Exists,
            // A symlink on the way is followed by nobody.
            Errno::NOTDIR | Errno::LOOP => Self::NotADirectory,
            Errno::ISDIR => Self::IsADirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::XDEV => Self::OtherFilesystem,
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::ROFS => Self::ReadOnly,
            Errno::NAMETOOLONG => Self::TooLong,
            Errno::OPNOTSUPP => Self::NoContents,
            Errno::BUSY => Self::InUse,
            errno => Self::System(errno),
        }
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

/// What a backend refused.
#[derive(Debug)]
pub struct Error {
    /// What was to be done.
    pub operation: Operation,
    /// Relative to the mount.
    pub path: String,
    /// The bucket, if it is one.
    pub bucket: Option<String>,
    /// Why it was refused.
    pub reason: Reason,
    /// What the server said.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// What a disk refused.
    pub fn of_disk<E: Into<Reason>>(operation: Operation, path: &str) -> impl FnOnce(E) -> Self {
        move |reason| Self {
            operation,
            path: path.to_owned(),
            bucket: None,
            reason: reason.into(),
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {:?}", self.operation, self.path)?;
        match &self.bucket {
            Some(bucket) => write!(f, " in bucket {bucket:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => Some(&self.reason),
        }
    }
}
