//! Reads and writes files that only this user may access.
//!
//! The checks are made on the open file, not on its path, so that another program cannot replace the file between check
//! and use. No function blocks on a FIFO, reads more than its limit, or follows a symlink unless its caller allows
//! that.

mod error;
mod folder;
mod open;
mod ownership;
mod read;
mod write;

pub use error::FileError;
pub use folder::{FolderError, FolderState, check_private_folder, create_folder, private_folder};
pub use open::{open_for_append, open_lock_file};
pub use ownership::{Exposure, Fault, Need, OtherUsersFolder, exposures, other_users_folder};
pub use read::{
    MAX_PRIVATE_BYTES, MAX_USER_BYTES, ReadPolicy, open_to_read, read, read_to_string, read_trusted,
};
pub use write::{check_user_file_writable, write, write_user_file};
