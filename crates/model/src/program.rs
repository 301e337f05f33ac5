//! The program behind a connection.

/// A process, as it was when a request arrived on its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its process id.
    pub pid: u32,
    /// Its executable file.
    pub path: String,
    /// Its name for the user: the name of the file, or of the script if an interpreter runs one.
    pub name: String,
}
