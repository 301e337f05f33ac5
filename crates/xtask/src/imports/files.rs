//! Finds the source files of every crate in the workspace, from cargo's metadata and from the `mod` declarations.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cycles::SourceFile;
use super::scan::{ModulePath, scan};
use crate::workspace::{cargo, root};

/// A crate as the compiler sees it: a library, a program, or a test with its modules.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) files: Vec<SourceFile>,
}

/// Reads all crates of the workspace.
pub(crate) fn crates() -> Result<Vec<Crate>> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]);
    let output = metadata.current_dir(root()).output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut crates = Vec::new();
    for package in list(&metadata, "packages")? {
        for target in list(package, "targets")? {
            let kind = target["kind"][0].as_str().context("a target without a kind")?;
            let path = target["src_path"].as_str().context("a target without a path")?;
            let name = target["name"].as_str().context("a target without a name")?;
            crates.push(read_crate(format!("{name} ({kind})"), Path::new(path))?);
        }
    }
    Ok(crates)
}

fn list<'v>(value: &'v Value, key: &str) -> Result<&'v Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no {key}"))
}

/// Reads a crate's files, starting with its root.
fn read_crate(name: String, root_file: &Path) -> Result<Crate> {
    let root_folder = root_file.parent().context("a crate's root without a folder")?;
    let mut files = Vec::new();
    let mut pending: Vec<(ModulePath, PathBuf)> = vec![(Vec::new(), root_file.to_owned())];
    while let Some((module, path)) = pending.pop() {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for child in scan(&module, &text)?.child_files {
            let file = file_of(root_folder, &child)?;
            pending.push((child, file));
        }
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        files.push(SourceFile { name: shown, module, text });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Crate { name, files })
}

/// Returns the file of a module. The file of `a::b` is `a/b.rs` or `a/b/mod.rs` below the root's folder.
fn file_of(root_folder: &Path, module: &ModulePath) -> Result<PathBuf> {
    let folder = root_folder.join(module.iter().collect::<PathBuf>());
    let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
    match candidates.into_iter().find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => bail!("no file for the module {} below {}", module.join("::"), root_folder.display()),
    }
}
