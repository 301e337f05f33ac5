//! `cargo xtask imports`: checks that no file of a crate imports a file that imports it back, directly or through other
//! files.
//!
//! No file of a cycle can be read, tested or moved without the other files. [`files`] reads the crates, [`scan`] finds
//! the names that a file uses, [`resolve`] finds the file that defines each name, and [`cycles`] finds the cycles.

mod cycles;
mod files;
mod resolve;
mod scan;

use anyhow::{Result, ensure};

/// Fails and lists every import cycle in every crate of the workspace.
pub(crate) fn run() -> Result<()> {
    let mut found = String::new();
    let mut count = 0;
    for krate in files::crates()? {
        for cycle in cycles::cycles(&krate.files)? {
            found.push_str(&format!("\n\n{}: {cycle}", krate.name));
            count += 1;
        }
    }
    ensure!(
        count == 0,
        "{count} import cycles. Move what both sides need into a file of its own, or pass it as an argument.{found}"
    );
    println!("no import cycles");
    Ok(())
}
