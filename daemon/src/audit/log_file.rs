//! A log's file: appended to, begun anew when it is large, made anew when somebody removed it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ssod_control::Paths;

/// With the one file before it, the log takes twice this.
const SIZE: u64 = 4 * 1024 * 1024;

/// The file, and the one before it.
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    file: File,
    inode: u64,
    size: u64,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let (inode, mut size) = (file.metadata()?.ino(), file.metadata()?.len());
        // A line that a crash cut off must not swallow the next one.
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

    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // Somebody may have removed it, or put another file in its place.
        if !std::fs::metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            *self = Self::open(&self.path)?;
        }
        if self.size > 0 && self.size + lines.len() as u64 > SIZE {
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
    fn the_file_is_rotated_by_size_and_a_cut_off_line_swallows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{\"cut").unwrap();
        drop(file);
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"cut\n{}\n");
        file.size = SIZE;
        file.append(b"{\"new\":1}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"new\":1}\n");
        assert!(folder.path().join("audit.jsonl.1").is_file());
        std::fs::remove_file(&path).unwrap();
        file.append(b"{\"again\":1}\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"again\":1}\n",
            "one that was removed is made anew"
        );
    }
}
