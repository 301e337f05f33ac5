//! The audit log's file: it is rotated by size, and created again if it was removed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ssod_control::Paths;

/// The maximum size of the file. The rotated file is as large, so the log takes at most twice this.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// The open file.
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    file: File,
    inode: u64,
    size: u64,
}

impl LogFile {
    /// Opens or creates the file, and completes a truncated last line with a newline.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = ssod_private_files::open_for_append(path)?;
        let (inode, mut size) = (file.metadata()?.ino(), file.metadata()?.len());
        // A crash may have truncated the last line. Without a newline, the next line would be unreadable, too.
        if size > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok(Self { path: path.to_owned(), file, inode, size })
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // The file may have been removed or replaced meanwhile.
        if !std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            *self = Self::open(&self.path)?;
        }
        if self.size > 0 && self.size + lines.len() as u64 > MAX_SIZE {
            std::fs::rename(&self.path, Paths::before(&self.path))?;
            *self = Self::open(&self.path)?;
        }
        self.file.write_all(lines)?;
        self.size += lines.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_rotated_by_size_and_a_truncated_line_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{\"cut").unwrap();
        drop(file);
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"cut\n{}\n");
        file.size = MAX_SIZE;
        file.append(b"{\"new\":1}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"new\":1}\n");
        assert!(folder.path().join("audit.jsonl.1").is_file());
        std::fs::remove_file(&path).unwrap();
        file.append(b"{\"again\":1}\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"again\":1}\n",
            "a removed file is created again"
        );
    }
}
