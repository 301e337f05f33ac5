//! Sessions that `ssod configure` is about to write to the AWS config file. A user can sign in to such a session before
//! it is in the file, so that the file is written once, at the end, or not at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ssod_model::SsoSession;
use ssod_profiles::{Section, session_entries, set_keys};

/// The sessions of all clients that are connected. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct DraftSessions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next_id: AtomicU64,
    drafts: Mutex<Vec<(u64, SsoSession)>>,
}

/// Keeps a draft in force until it is removed.
#[derive(Debug)]
pub(crate) struct DraftId(u64);

impl DraftSessions {
    /// Adds a session.
    pub(crate) fn add(&self, session: SsoSession) -> DraftId {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.drafts().push((id, session));
        DraftId(id)
    }

    /// Removes a session.
    pub(crate) fn remove(&self, draft: &DraftId) {
        self.drafts().retain(|(id, _)| *id != draft.0);
    }

    /// Returns the text of the file as it will be with the drafts. A draft that would break the file is left out.
    pub(crate) fn apply(&self, text: String) -> String {
        let drafts = self.drafts();
        drafts.iter().fold(text, |text, (_, session)| {
            let section = Section::SsoSession(session.name.to_string());
            set_keys(&text, &section, &session_entries(session)).unwrap_or(text)
        })
    }

    fn drafts(&self) -> MutexGuard<'_, Vec<(u64, SsoSession)>> {
        self.0.drafts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ssod_model::{Endpoints, Region, SessionName, StartUrl};

    use super::*;

    fn session(name: &str) -> SsoSession {
        SsoSession {
            name: SessionName::parse(name).unwrap(),
            start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            scopes: vec![],
            endpoints: Endpoints::default(),
        }
    }

    #[test]
    fn a_draft_is_part_of_the_file_until_it_is_removed() {
        let drafts = DraftSessions::default();
        let (one, other) = (drafts.add(session("one")), drafts.add(session("other")));
        let text = drafts.apply("[default]\n".to_owned());
        assert!(text.contains("[sso-session one]\nsso_start_url = https://x.awsapps.com/start\n"), "{text}");
        assert!(text.contains("[sso-session other]"), "{text}");
        let text = drafts.apply("nonsense".to_owned());
        assert!(text.starts_with("nonsense\n") && text.contains("[sso-session one]"), "{text}");
        drafts.remove(&one);
        assert!(!drafts.apply(String::new()).contains("[sso-session one]"));
        drafts.remove(&other);
        assert_eq!(drafts.apply("nonsense".to_owned()), "nonsense");
    }
}
