//! Why a file is not used.

use std::io;

use thiserror::Error;

use crate::ownership::Exposure;

/// Why a file is not read or written. The text continues "cannot read PATH: ".
#[derive(Debug, Error)]
pub enum FileError {
    /// There is no such file.
    #[error("it does not exist")]
    NotFound,
    /// It is a symlink, which is not followed for this file.
    #[error("it is a symlink; a regular file must be there")]
    Symlink,
    /// It is a folder, a FIFO, a socket or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// It belongs to another user.
    #[error("it belongs to user {uid}, not to you")]
    OtherOwner {
        /// The owner.
        uid: u32,
    },
    /// Other users have permissions on it that the policy does not allow.
    #[error("other users have access to it (mode {mode:04o})")]
    TooOpen {
        /// Its mode, without the file type.
        mode: u32,
    },
    /// Other users can change it, directly or through a folder on the way to it.
    #[error("{0}")]
    Exposed(Exposure),
    /// It is larger than the limit.
    #[error("it is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It is not UTF-8, but text is required.
    #[error("line {line} has bytes that are not UTF-8; save the file as UTF-8 text")]
    NotText {
        /// The first such line, counted from 1.
        line: usize,
    },
    /// The operating system reports an error.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound,
            // What O_NOFOLLOW returns for a symlink.
            Some(Errno::LOOP) => Self::Symlink,
            // A socket, a FIFO that is opened for writing and has no reader, or a folder that is opened for writing.
            Some(Errno::NXIO | Errno::OPNOTSUPP | Errno::ISDIR) => Self::NotRegular,
            _ => Self::Io(error),
        }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        let kind = match error {
            FileError::Io(error) => return error,
            FileError::NotFound => io::ErrorKind::NotFound,
            FileError::Symlink | FileError::NotRegular => io::ErrorKind::InvalidInput,
            FileError::OtherOwner { .. } | FileError::TooOpen { .. } | FileError::Exposed(_) => {
                io::ErrorKind::PermissionDenied
            }
            FileError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            FileError::NotText { .. } => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
