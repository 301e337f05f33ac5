//! The state file: the part of the daemon's state that is saved and not secret, such as its port, the active profile
//! and the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use ssod_broker::{ProfileChoice, Revert};
use ssod_endpoint::TokenOwner;
use ssod_model::{ProfileName, SessionName, Timestamp};
use ssod_private_files::{FileError, ReadPolicy};
use tokio::runtime::{Handle, RuntimeFlavor};

/// A kind of notice about a session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NoticeKind {
    /// The session ends soon.
    EndsSoon,
    /// The session has ended.
    Ended,
}

impl NoticeKind {
    /// Returns the word in the file. The file is read as text, so that an unknown word of a newer version is not an
    /// error.
    fn as_str(self) -> &'static str {
        match self {
            Self::EndsSoon => "soon",
            Self::Ended => "ended",
        }
    }
}

/// The saved state, which is written at every change.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    state: Mutex<SavedState>,
    /// Held during a change. The state itself can be read meanwhile, because the disk may not answer.
    writing: Mutex<()>,
}

/// The file's content. Unknown fields are ignored, missing ones have defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct SavedState {
    port: Option<u16>,
    /// The active profile.
    active: Option<String>,
    /// When the active profile changes to `then`.
    until: Option<Timestamp>,
    then: Option<String>,
    /// Whether ssod is locked; a restart does not unlock it.
    locked: bool,
    /// How often each profile's endpoint token was revoked. The empty name stands for the token of the active profile.
    #[serde(rename = "revoked")]
    token_generations: BTreeMap<String, u32>,
    /// The owners of endpoint tokens whose files a shell has asked for, by the same names. The files are written at
    /// every start.
    token_files: BTreeSet<String>,
    /// Another program had the daemon's port, so it may know the tokens that open shells sent there.
    port_was_taken: bool,
    /// The last notice that was shown about each session's end.
    #[serde(rename = "told_of")]
    shown_notices: BTreeMap<String, ShownNotice>,
    /// The sessions whose access token the daemon wrote for the AWS CLI. If such a file is missing, the user signed out
    /// with the CLI.
    #[serde(rename = "shared")]
    shared_sessions: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ShownNotice {
    end: Timestamp,
    #[serde(rename = "what")]
    kind: String,
}

impl StateFile {
    /// Loads the state that the last run saved. An unreadable file is an error, because without it the port could
    /// change.
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
            Err(FileError::NotFound) => SavedState::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state), writing: Mutex::default() })
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.state().port
    }

    pub(crate) fn save_port(&self, port: u16) -> Result<()> {
        self.change(|state| state.port = Some(port))
    }

    pub(crate) fn port_was_taken(&self) -> bool {
        self.state().port_was_taken
    }

    pub(crate) fn save_port_was_taken(&self, taken: bool) -> Result<()> {
        self.change(|state| state.port_was_taken = taken)
    }

    pub(crate) fn active(&self) -> ProfileChoice {
        let state = self.state();
        let name = |text: &Option<String>| text.as_deref().and_then(|text| ProfileName::parse(text).ok());
        let revert = state.until.map(|at| Revert { at, to: name(&state.then) });
        ProfileChoice { profile: name(&state.active), revert }
    }

    /// Chooses and saves in one step, so that the later of two concurrent choices is also the saved one.
    pub(crate) fn save_active(&self, choose: impl FnOnce() -> ProfileChoice) -> Result<ProfileChoice> {
        self.change(|state| {
            let active = choose();
            state.active = active.profile.as_ref().map(ToString::to_string);
            state.until = active.revert.as_ref().map(|revert| revert.at);
            state.then =
                active.revert.as_ref().and_then(|revert| revert.to.as_ref().map(ToString::to_string));
            active
        })
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.state().locked
    }

    pub(crate) fn save_locked(&self, locked: bool) -> Result<()> {
        self.change(|state| state.locked = locked)
    }

    /// Returns how often the owner's token was revoked.
    pub(crate) fn generation(&self, owner: &TokenOwner) -> u32 {
        self.state().token_generations.get(token_key(owner)).copied().unwrap_or(0)
    }

    /// Returns whether a shell has asked for the file with that owner's token.
    pub(crate) fn has_token_file(&self, owner: &TokenOwner) -> bool {
        self.state().token_files.contains(token_key(owner))
    }

    /// Records that the files with these tokens are needed from now on.
    pub(crate) fn save_token_files<'a>(
        &self,
        owners: impl IntoIterator<Item = &'a TokenOwner>,
    ) -> Result<()> {
        self.change(|state| {
            state.token_files.extend(owners.into_iter().map(|owner| token_key(owner).to_owned()));
        })
    }

    /// Records that these tokens were revoked once more.
    pub(crate) fn save_revoked(&self, revoked: &[TokenOwner]) -> Result<()> {
        self.change(|state| {
            for owner in revoked {
                *state.token_generations.entry(token_key(owner).to_owned()).or_default() += 1;
            }
        })
    }

    /// Returns whether this notice about this end of the session was the last one shown. Compares whole seconds,
    /// because the vault stores times in milliseconds.
    pub(crate) fn was_shown(&self, session: &SessionName, end: Timestamp, kind: NoticeKind) -> bool {
        let state = self.state();
        let shown = state.shown_notices.get(session.as_str());
        shown.is_some_and(|shown| shown.end.as_second() == end.as_second() && shown.kind == kind.as_str())
    }

    pub(crate) fn save_shown_notice(
        &self,
        session: &SessionName,
        end: Timestamp,
        kind: NoticeKind,
    ) -> Result<()> {
        let shown = ShownNotice { end, kind: kind.as_str().to_owned() };
        self.change(|state| {
            state.shown_notices.insert(session.to_string(), shown);
        })
    }

    /// Returns whether the session's access token was shared with the AWS CLI.
    pub(crate) fn is_shared(&self, session: &SessionName) -> bool {
        self.state().shared_sessions.contains(session.as_str())
    }

    pub(crate) fn save_shared(&self, session: &SessionName, shared: bool) -> Result<()> {
        self.change(|state| {
            if shared {
                state.shared_sessions.insert(session.to_string());
            } else {
                state.shared_sessions.remove(session.as_str());
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, SavedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut SavedState) -> T) -> Result<T> {
        off_the_runtime(|| {
            let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.state().clone();
            let mut state = before.clone();
            let changed = change(&mut state);
            if state != before {
                // The state in memory must equal the file; otherwise a retry of the same change would not be written.
                self.write(&state).with_context(|| format!("cannot write {}", self.path.display()))?;
                *self.state() = state;
            }
            Ok(changed)
        })
    }

    fn write(&self, state: &SavedState) -> Result<()> {
        Ok(ssod_private_files::write(&self.path, &serde_json::to_vec_pretty(state)?)?)
    }
}

/// Does work that blocks on the disk. If this is one of the runtime's threads, another one takes over its tasks.
fn off_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if flavor.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Returns the key of a token in [`SavedState::token_generations`]; the active profile's is empty.
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
        let active = ProfileChoice {
            profile: name("adminUser"),
            revert: Some(Revert { at: Timestamp::from_second(9).unwrap(), to: name("readOnlyUser") }),
        };
        let state_file = StateFile::load(&path).unwrap();
        state_file.save_port(7746).unwrap();
        state_file.save_active(|| active.clone()).unwrap();
        let loaded = StateFile::load(&path).unwrap();
        assert_eq!((loaded.port(), loaded.active()), (Some(7746), active));
    }
}
