//! The program behind a connection.

/// A process as it was when its connection asked for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its process id.
    pub pid: u32,
    /// Its executable file.
    pub path: String,
    /// What a person calls it: the file's name, or the script's where an interpreter runs one.
    pub name: String,
}
