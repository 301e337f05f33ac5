//! What the daemon remembers that is not secret: its port, the active profile, whether it is locked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};
use ssod_broker::Active;
use ssod_endpoint::TokenOwner;
use ssod_model::{ProfileName, SessionName, Timestamp};

/// The file's content; unknown fields are ignored, missing ones have defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    port: Option<u16>,
    active: Option<String>,
    until: Option<Timestamp>,
    then: Option<String>,
    /// `ssod lock` holds over a restart.
    locked: bool,
    /// How often each profile's endpoint token was revoked; the empty name is the one that follows `ssod use`.
    revoked: BTreeMap<String, u32>,
    /// Somebody else had our port: whatever tokens open shells sent there are theirs, too.
    port_was_taken: bool,
    /// What somebody was told last about each session's end.
    told_of: BTreeMap<String, ToldOf>,
    /// The sessions whose access token was put where the AWS CLI looks for it: where it is gone, somebody signed out there.
    shared: BTreeSet<String>,
}

/// A notice that was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToldOf {
    end: Timestamp,
    what: String,
}

/// Remembers in a file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    remembered: Mutex<Remembered>,
}

impl StateFile {
    /// What the last run left. A file that cannot be read is an error: without it, the port could move.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        let remembered = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{shown} is damaged; it holds the port and the active profile. Remove it and start again"
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Remembered::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        Ok(Self { path: path.to_owned(), remembered: Mutex::new(remembered) })
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).port
    }

    pub(crate) fn active(&self) -> Active {
        let kept = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = |text: Option<String>| text.and_then(|text| ProfileName::parse(&text).ok());
        Active { profile: name(kept.active), revert: kept.until.map(|until| (until, name(kept.then))) }
    }

    pub(crate) fn keep_port(&self, port: u16) -> Result<()> {
        self.change(|remembered| remembered.port = Some(port))
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).locked
    }

    pub(crate) fn keep_locked(&self, locked: bool) -> Result<()> {
        self.change(|remembered| remembered.locked = locked)
    }

    /// Returns how often that owner's token was revoked.
    pub(crate) fn generation(&self, owner: &TokenOwner) -> u32 {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.revoked.get(revocation_key(owner)).copied().unwrap_or(0)
    }

    /// Records that these tokens are revoked once more.
    pub(crate) fn keep_revoked(&self, revoked: &[TokenOwner]) -> Result<()> {
        self.change(|remembered| {
            for owner in revoked {
                *remembered.revoked.entry(revocation_key(owner).to_owned()).or_default() += 1;
            }
        })
    }

    pub(crate) fn port_was_taken(&self) -> bool {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).port_was_taken
    }

    pub(crate) fn keep_port_was_taken(&self, taken: bool) -> Result<()> {
        self.change(|remembered| remembered.port_was_taken = taken)
    }

    /// Whether somebody was told that about that session's end at that time. What the vault keeps is cut to milliseconds.
    pub(crate) fn was_told_of(&self, session: &SessionName, end: Timestamp, what: &str) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let told = remembered.told_of.get(session.as_str());
        told.is_some_and(|told| told.end.as_second() == end.as_second() && told.what == what)
    }

    pub(crate) fn keep_told_of(&self, session: &SessionName, end: Timestamp, what: &str) -> Result<()> {
        let told = ToldOf { end, what: what.to_owned() };
        self.change(|remembered| {
            remembered.told_of.insert(session.to_string(), told);
        })
    }

    /// Whether that session's token was shared with the AWS CLI.
    pub(crate) fn is_shared(&self, session: &SessionName) -> bool {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).shared.contains(session.as_str())
    }

    pub(crate) fn keep_shared(&self, session: &SessionName, shared: bool) -> Result<()> {
        if self.is_shared(session) == shared {
            return Ok(());
        }
        self.change(|remembered| {
            if shared {
                remembered.shared.insert(session.to_string());
            } else {
                remembered.shared.remove(session.as_str());
            }
        })
    }

    /// Chooses and remembers in one step, so that of two choices the later one is remembered too.
    pub(crate) fn keep_active(&self, choose: impl FnOnce() -> Active) -> Result<Active> {
        self.change(|remembered| {
            let active = choose();
            remembered.active = active.profile.as_ref().map(ToString::to_string);
            remembered.until = active.revert.as_ref().map(|(until, _)| *until);
            remembered.then =
                active.revert.as_ref().and_then(|(_, then)| then.as_ref().map(ToString::to_string));
            active
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Remembered) -> T) -> Result<T> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let before = remembered.clone();
        let changed = change(&mut remembered);
        if *remembered == before {
            return Ok(changed);
        }
        let write = || -> Result<()> {
            let mut file = AtomicWriteFile::open(&self.path)?;
            file.write_all(&serde_json::to_vec_pretty(&*remembered)?)?;
            file.commit().map_err(Into::into)
        };
        if let Err(error) = write() {
            // What is remembered is what is written, so that the next change is not taken for none.
            *remembered = before;
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        Ok(changed)
    }
}

/// The name of a token's owner in the file; the active profile's is empty.
fn revocation_key(owner: &TokenOwner) -> &str {
    owner.profile().map_or("", ProfileName::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_for_a_time_is_remembered_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remembered.json");
        let name = |text| Some(ProfileName::parse(text).unwrap());
        let active = Active {
            profile: name("adminUser"),
            revert: Some((Timestamp::from_second(9).unwrap(), name("readOnlyUser"))),
        };
        let memory = StateFile::load(&path).unwrap();
        memory.keep_port(7746).unwrap();
        memory.keep_active(|| active.clone()).unwrap();
        let again = StateFile::load(&path).unwrap();
        assert_eq!((again.port(), again.active()), (Some(7746), active));
    }
}
