//! Which sessions need a sign-in, and which profiles have no credentials.

use std::collections::BTreeMap;

use ssod_control::{Check, ProfileState, ProfileStatus, SessionState, SessionStatus, Trouble};

/// More profiles with the same fault are only counted.
const MAX_SHOWN: usize = 5;

/// Checks the sessions.
pub(super) fn sessions(sessions: &[SessionStatus]) -> Vec<Check> {
    let mut checks: Vec<Check> = sessions.iter().filter_map(session).collect();
    let active: Vec<&str> = sessions
        .iter()
        .filter(|session| session.state == SessionState::Active && session.trouble.is_none())
        .map(|session| session.name.as_str())
        .collect();
    if !active.is_empty() {
        checks.insert(0, Check::ok("sign-in", format!("You are signed in to {}.", list(&active))));
    }
    checks
}

fn session(session: &SessionStatus) -> Option<Check> {
    let name = &session.name;
    let sign_in = format!("Sign in: ssod login {name}");
    match (session.state, &session.trouble) {
        (SessionState::SignedOut, _) => {
            Some(Check::warning("sign-in", format!("Session {name} is signed out."), sign_in))
        }
        (SessionState::Expired, _) => {
            let reason = session.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Some(Check::warning(
                "sign-in",
                format!("The sign-in of session {name} has ended{reason}."),
                sign_in,
            ))
        }
        (SessionState::Active, Some(Trouble::SignInNeeded)) => {
            Some(Check::warning("sign-in", format!("Session {name} needs a sign-in."), sign_in))
        }
        (SessionState::Active, Some(Trouble::Retrying { reason, retry_in })) => Some(Check::warning(
            "sign-in",
            format!("Session {name} cannot be renewed now: {reason}."),
            format!("ssod tries again in {retry_in} s; if this goes on, see whether AWS answers (below)"),
        )),
        (SessionState::Active | SessionState::SigningIn | SessionState::Locked, _) => None,
    }
}

/// What is wrong with a profile; profiles with the same fault are one check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The role is not assigned, so there are no credentials.
    NoAccess { session: String },
    /// There are no credentials for this reason.
    Blocked { reason: String },
    /// There are still credentials, but they cannot be renewed for this reason.
    NotRenewed { reason: String },
}

/// Checks the profiles. What follows from a session or from the vault is not repeated for each profile.
pub(super) fn profiles(profiles: &[ProfileStatus]) -> Vec<Check> {
    let mut faults: BTreeMap<Fault, Vec<&str>> = BTreeMap::new();
    for profile in profiles {
        if let Some(fault) = fault(profile) {
            faults.entry(fault).or_default().push(&profile.name);
        }
    }
    let mut checks: Vec<Check> = faults.iter().map(|(fault, names)| check(fault, &list(names))).collect();
    let in_aws_form: Vec<&str> =
        profiles.iter().filter(|profile| profile.aws_form).map(|profile| profile.name.as_str()).collect();
    checks.extend(aws_form(&in_aws_form));
    checks
}

fn fault(profile: &ProfileStatus) -> Option<Fault> {
    match (profile.trouble.as_ref()?, profile.state) {
        (Trouble::NoAccess, ProfileState::Ready) => {
            Some(Fault::NotRenewed { reason: "the role is no longer assigned to you".to_owned() })
        }
        (Trouble::NoAccess, _) => Some(Fault::NoAccess { session: profile.session.clone() }),
        (Trouble::Retrying { reason, .. }, ProfileState::Ready) => {
            Some(Fault::NotRenewed { reason: reason.clone() })
        }
        (Trouble::Retrying { reason, .. }, _) => Some(Fault::Blocked { reason: reason.clone() }),
        (Trouble::SignInNeeded | Trouble::Locked, _) => None,
    }
}

fn check(fault: &Fault, names: &str) -> Check {
    match fault {
        Fault::NoAccess { session } => Check::failed(
            "profile",
            format!(
                "{names} cannot be used: the role is not assigned to the user who is signed in to session {session}."
            ),
            format!(
                "To see what is assigned: ssod list {session}; if another user should be signed in: ssod login {session}"
            ),
        ),
        Fault::Blocked { reason } => Check::failed(
            "profile",
            format!("{names} cannot be used now: {reason}."),
            "ssod tries again by itself; if this goes on, see whether AWS answers (below)",
        ),
        Fault::NotRenewed { reason } => Check::warning(
            "profile",
            format!("The credentials of {names} are still valid, but cannot be renewed: {reason}."),
            "To see until when they are valid: ssod status",
        ),
    }
}

fn aws_form(names: &[&str]) -> Option<Check> {
    let (message, fix) = match names {
        [] => return None,
        [name] => (
            format!("Profile \"{name}\" is in AWS's own form, so --profile {name} bypasses ssod."),
            format!("Convert it: ssod configure --convert {name}"),
        ),
        several => (
            format!("{} are in AWS's own form, so --profile bypasses ssod for them.", list(several)),
            "Convert them: ssod configure --convert --all".to_owned(),
        ),
    };
    Some(Check::warning("profile", message, fix))
}

fn list(names: &[&str]) -> String {
    let mut shown = names.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_SHOWN {
        shown.push_str(&format!(" and {} more", names.len() - MAX_SHOWN));
    }
    shown
}

#[cfg(test)]
mod tests {
    use ssod_control::CheckState;

    use super::*;

    fn session_in(state: SessionState, reason: Option<&str>, trouble: Option<Trouble>) -> SessionStatus {
        SessionStatus {
            overrides: Vec::new(),
            name: "s".to_owned(),
            state,
            reason: reason.map(str::to_owned),
            start_url: String::new(),
            region: String::new(),
            expires_at: None,
            remaining: None,
            ends_in: None,
            renews_in: None,
            trouble,
        }
    }

    fn retrying(reason: &str) -> Trouble {
        Trouble::Retrying { reason: reason.to_owned(), retry_in: 7 }
    }

    #[test]
    fn a_session_that_needs_a_sign_in_is_a_warning_with_what_to_type() {
        let cases = [
            (session_in(SessionState::SignedOut, None, None), "Session s is signed out."),
            (
                session_in(SessionState::Expired, Some("AWS ended it"), None),
                "The sign-in of session s has ended: AWS ended it.",
            ),
            (
                session_in(SessionState::Active, None, Some(Trouble::SignInNeeded)),
                "Session s needs a sign-in.",
            ),
        ];
        for (session, message) in cases {
            assert_eq!(sessions(&[session]), [Check::warning("sign-in", message, "Sign in: ssod login s")]);
        }
        let retried = sessions(&[session_in(SessionState::Active, None, Some(retrying("x")))]);
        assert_eq!((retried.len(), retried[0].state), (1, CheckState::Warning));
        let active = sessions(&[session_in(SessionState::Active, None, None)]);
        assert_eq!(active, [Check::ok("sign-in", "You are signed in to s.")]);
        for state in [SessionState::SigningIn, SessionState::Locked] {
            assert_eq!(sessions(&[session_in(state, None, None)]), []);
        }
    }

    fn profile(name: &str, state: ProfileState, trouble: Option<Trouble>) -> ProfileStatus {
        ProfileStatus {
            name: name.to_owned(),
            session: "s".to_owned(),
            account_id: String::new(),
            role_name: String::new(),
            region: None,
            state,
            expires_at: None,
            remaining: None,
            renews_in: None,
            trouble,
            used_ago: None,
            used_by: None,
            aws_form: false,
        }
    }

    #[test]
    fn blocked_profiles_are_one_check_for_each_reason() {
        let blocked = |name: &str, trouble| profile(name, ProfileState::Blocked, Some(trouble));
        let mut all: Vec<_> =
            (0..10_000).map(|number| blocked(&format!("p{number}"), Trouble::NoAccess)).collect();
        all.push(blocked("slow", retrying("AWS did not answer")));
        all.push(profile("held", ProfileState::Ready, Some(retrying("AWS did not answer"))));
        all.push(blocked("signed-out", Trouble::SignInNeeded));
        all.push(blocked("locked", Trouble::Locked));
        all.push(profile("good", ProfileState::Ready, None));
        let checks: Vec<_> = profiles(&all).into_iter().map(|check| (check.state, check.message)).collect();
        let expected = [
            (
                CheckState::Failed,
                "p0, p1, p2, p3, p4 and 9995 more cannot be used: the role is not assigned to the user who is signed in to session s.",
            ),
            (CheckState::Failed, "slow cannot be used now: AWS did not answer."),
            (
                CheckState::Warning,
                "The credentials of held are still valid, but cannot be renewed: AWS did not answer.",
            ),
        ];
        assert_eq!(checks, expected.map(|(state, message)| (state, message.to_owned())));
    }

    #[test]
    fn profiles_in_awss_form_are_one_check() {
        let in_aws_form = |count: usize| {
            let one = |number| ProfileStatus {
                aws_form: true,
                ..profile(&format!("p{number}"), ProfileState::OnDemand, None)
            };
            profiles(&(0..count).map(one).collect::<Vec<_>>())
        };
        assert_eq!(in_aws_form(0), []);
        assert_eq!(in_aws_form(1)[0].hint.as_deref(), Some("Convert it: ssod configure --convert p0"));
        let many = in_aws_form(3_000);
        assert!(
            many.len() == 1 && many[0].message.starts_with("p0, p1, p2, p3, p4 and 2995 more are in"),
            "{many:?}"
        );
    }
}
