//! The state file: what the daemon saves that is not secret, such as its port, the active profile and the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use ssod_broker::Active;
use ssod_endpoint::TokenOwner;
use ssod_model::{ProfileName, SessionName, Timestamp};
use ssod_private_files::{FileError, ReadPolicy};

/// A kind of notice about a session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NoticeKind {
    /// The session ends soon.
    EndsSoon,
    /// The session has ended.
    Ended,
}

impl NoticeKind {
    /// Returns the word in the file. It is read as text, so that a word of a newer version does not damage the file.
    fn as_str(self) -> &'static str {
        match self {
            Self::EndsSoon => "soon",
            Self::Ended => "ended",
        }
    }
}

/// The daemon's state, saved with every change.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    state: Mutex<State>,
}

/// The file's content. Unknown fields are ignored, missing ones have defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    port: Option<u16>,
    /// The active profile.
    active: Option<String>,
    /// When the active profile changes to `then`.
    until: Option<Timestamp>,
    then: Option<String>,
    /// `ssod lock` stays in effect over a restart.
    locked: bool,
    /// How often each profile's endpoint token was revoked. The empty name is the token of the active profile.
    revoked: BTreeMap<String, u32>,
    /// The owners of endpoint tokens whose files a shell has asked for, by the same names. The files are made at every start.
    token_files: BTreeSet<String>,
    /// Another program had the daemon's port, so it may know the tokens that open shells sent there.
    port_was_taken: bool,
    /// The last notice that was shown about each session's end.
    told_of: BTreeMap<String, ShownNotice>,
    /// The sessions whose access token the daemon wrote for the AWS CLI. If such a file is gone, the user signed out with
    /// the CLI.
    shared: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ShownNotice {
    end: Timestamp,
    what: String,
}

impl StateFile {
    /// Loads what the last run saved. A file that cannot be read is an error: without it, the port could change.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        // Earlier versions wrote the file with the umask's mode.
        let policy = ReadPolicy::private().allow_others(0o077);
        let state = match ssod_private_files::read(path, &policy) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{shown} is damaged; it holds the port and the active profile. Remove it and start again"
                )
            })?,
            Err(FileError::NotFound) => State::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.state().port
    }

    pub(crate) fn keep_port(&self, port: u16) -> Result<()> {
        self.change(|state| state.port = Some(port))
    }

    pub(crate) fn port_was_taken(&self) -> bool {
        self.state().port_was_taken
    }

    pub(crate) fn keep_port_was_taken(&self, taken: bool) -> Result<()> {
        self.change(|state| state.port_was_taken = taken)
    }

    pub(crate) fn active(&self) -> Active {
        let state = self.state();
        let name = |text: &Option<String>| text.as_deref().and_then(|text| ProfileName::parse(text).ok());
        Active { profile: name(&state.active), revert: state.until.map(|until| (until, name(&state.then))) }
    }

    /// Chooses and saves in one step, so that of two concurrent choices the later one is also the saved one.
    pub(crate) fn keep_active(&self, choose: impl FnOnce() -> Active) -> Result<Active> {
        self.change(|state| {
            let active = choose();
            state.active = active.profile.as_ref().map(ToString::to_string);
            state.until = active.revert.as_ref().map(|(until, _)| *until);
            state.then = active.revert.as_ref().and_then(|(_, then)| then.as_ref().map(ToString::to_string));
            active
        })
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.state().locked
    }

    pub(crate) fn keep_locked(&self, locked: bool) -> Result<()> {
        self.change(|state| state.locked = locked)
    }

    /// Returns how often the profile's token was revoked; `None` stands for the active profile's token.
    pub(crate) fn generation(&self, owner: &TokenOwner) -> u32 {
        self.state().revoked.get(token_key(owner)).copied().unwrap_or(0)
    }

    /// Returns whether a shell has asked for the file with that owner's token.
    pub(crate) fn has_token_file(&self, owner: &TokenOwner) -> bool {
        self.state().token_files.contains(token_key(owner))
    }

    /// Records that the files with these tokens are needed from now on.
    pub(crate) fn keep_token_files<'a>(
        &self,
        owners: impl IntoIterator<Item = &'a TokenOwner>,
    ) -> Result<()> {
        self.change(|state| state.token_files.extend(owners.into_iter().map(|one| token_key(one).to_owned())))
    }

    /// Revokes these tokens once more.
    pub(crate) fn keep_revoked(&self, revoked: &[TokenOwner]) -> Result<()> {
        self.change(|state| {
            for owner in revoked {
                *state.revoked.entry(token_key(owner).to_owned()).or_default() += 1;
            }
        })
    }

    /// Returns whether this notice about this end of the session was the last one shown. Compares whole seconds, because
    /// the vault stores times in milliseconds.
    pub(crate) fn was_told_of(&self, session: &SessionName, end: Timestamp, kind: NoticeKind) -> bool {
        let state = self.state();
        let shown = state.told_of.get(session.as_str());
        shown.is_some_and(|shown| shown.end.as_second() == end.as_second() && shown.what == kind.as_str())
    }

    pub(crate) fn keep_told_of(&self, session: &SessionName, end: Timestamp, kind: NoticeKind) -> Result<()> {
        let shown = ShownNotice { end, what: kind.as_str().to_owned() };
        self.change(|state| {
            state.told_of.insert(session.to_string(), shown);
        })
    }

    /// Returns whether the session's access token was shared with the AWS CLI.
    pub(crate) fn is_shared(&self, session: &SessionName) -> bool {
        self.state().shared.contains(session.as_str())
    }

    pub(crate) fn keep_shared(&self, session: &SessionName, shared: bool) -> Result<()> {
        self.change(|state| {
            if shared {
                state.shared.insert(session.to_string());
            } else {
                state.shared.remove(session.as_str());
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.state();
        let before = state.clone();
        let changed = change(&mut state);
        if *state == before {
            return Ok(changed);
        }
        if let Err(error) = self.write(&state) {
            // The memory must equal the file; otherwise the same change later would find nothing to write.
            *state = before;
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        Ok(changed)
    }

    fn write(&self, state: &State) -> Result<()> {
        Ok(ssod_private_files::write(&self.path, &serde_json::to_vec_pretty(state)?)?)
    }
}

/// Returns the key of a token in [`State::revoked`]; the active profile's is empty.
fn token_key(owner: &TokenOwner) -> &str {
    owner.profile().map_or("", ProfileName::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_choice_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remembered.json");
        let name = |text| Some(ProfileName::parse(text).unwrap());
        let active = Active {
            profile: name("adminUser"),
            revert: Some((Timestamp::from_second(9).unwrap(), name("readOnlyUser"))),
        };
        let state_file = StateFile::load(&path).unwrap();
        state_file.keep_port(7746).unwrap();
        state_file.keep_active(|| active.clone()).unwrap();
        let loaded = StateFile::load(&path).unwrap();
        assert_eq!((loaded.port(), loaded.active()), (Some(7746), active));
    }
}
