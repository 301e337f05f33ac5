//! After a sign-in: what the signed-in user can use, in words. At a start URL that several users share, the browser may
//! have been signed in as another user than the one that the profile is for.

use ssod_control::{
    Access, AccessRequest, AssignedRole, Checked, CheckedRole, ClientError, ControlClient,
    CredentialsRequest, RoleAccess,
};

use crate::error::{CommandError, CommandResult};
use crate::terminal;

/// The code of the daemon's refusal for a role that is not assigned to the user.
const NO_ACCESS: &str = "NoAccess";
/// How many profiles a message names.
const NAMED_PROFILES: usize = 20;

/// What a check of a profile found, if the user has access.
#[derive(Debug)]
pub(crate) enum Verdict {
    Works,
    /// AWS could not be asked.
    NotChecked(ClientError),
}

/// Checks that the signed-in user can use the profile, by its credentials. Fails if not, with what the user can use.
pub(crate) fn check_profile(client: &ControlClient, profile: &str) -> CommandResult<Verdict> {
    let request = CredentialsRequest { profile: profile.to_owned() };
    match client.post::<Checked>("/v1/check", &request) {
        Ok(_) => Ok(Verdict::Works),
        Err(ClientError::Refused(error)) if error.code == NO_ACCESS => {
            Err(explain_no_access(client, profile)?)
        }
        Err(error) => Ok(Verdict::NotChecked(error)),
    }
}

/// Returns what the signed-in user can use; by default it checks the roles of the session's profiles.
pub(crate) fn of_session(
    client: &ControlClient,
    name: &str,
    role: Option<CheckedRole>,
) -> Result<Access, ClientError> {
    client.post("/v1/access", &AccessRequest { name: name.to_owned(), role })
}

fn explain_no_access(client: &ControlClient, profile: &str) -> CommandResult<CommandError> {
    let access = of_session(client, profile, None)?;
    let role = access.roles.iter().find(|role| role.profile.as_deref() == Some(profile));
    let what = role
        .map_or_else(|| "that role".to_owned(), |role| format!("{} in {}", role.role_name, role.account_id));
    terminal::eprintln(&what_is_assigned(&access));
    Ok(CommandError::new(format!(
        "You are signed in to {}, but this user does not have {what}, which profile {profile} needs.",
        access.session
    ))
    .hint(other_user(profile)))
}

/// Returns the error for a role that the user chose and does not have. Without an account or role, any would do.
pub(crate) fn not_assigned(access: &Access, account: Option<&str>, role: Option<&str>) -> CommandError {
    let what = match (account, role) {
        (Some(account), Some(role)) => format!("{role} in {account}"),
        (Some(account), None) => format!("account {account}"),
        (None, Some(role)) => role.to_owned(),
        (None, None) => "any account".to_owned(),
    };
    terminal::eprintln(&what_is_assigned(access));
    let session = &access.session;
    CommandError::new(format!("The user who is signed in to {session} does not have {what}."))
        .hint(other_user(session))
}

/// Returns the sentence that says what the user has.
pub(crate) fn what_is_assigned(access: &Access) -> String {
    let examples: Vec<String> = access.examples.iter().map(assigned_role).collect();
    match (access.account_count, examples.as_slice()) {
        (0, _) => "No account is assigned to this user.".to_owned(),
        (1, []) => "This user has one account.".to_owned(),
        (1, _) => format!("This user has one account: {}.", examples.join(", ")),
        (count, []) => format!("This user has {count} accounts."),
        (count, _) => format!("This user has {count} accounts, for example: {}.", examples.join(", ")),
    }
}

fn assigned_role(role: &AssignedRole) -> String {
    let AssignedRole { account_id, account_name, role_name } = role;
    if account_name.is_empty() {
        format!("{role_name} in {account_id}")
    } else {
        format!("{role_name} in {account_name} ({account_id})")
    }
}

/// Returns the hint for a sign-in as the wrong user.
pub(crate) fn other_user(name: &str) -> String {
    format!(
        "If the browser was signed in as another user: run ssod login {name} --no-browser, and open the address in a private \
         window (or sign out at the access portal first). Otherwise ask your Identity Center administrator for the role"
    )
}

/// Which of a session's profiles work, in words.
pub(crate) struct ProfileReport {
    /// What works; empty if there is nothing to say.
    pub(crate) works: String,
    /// What does not work or is not known, one line each.
    pub(crate) problems: Vec<String>,
    /// Whether profiles were checked, and none works.
    pub(crate) nothing_works: bool,
}

impl ProfileReport {
    /// Summarizes the roles of a session's profiles.
    pub(crate) fn of(access: &Access) -> Self {
        let with = |state: RoleAccess| {
            access.roles.iter().filter(move |role| role.access == state).collect::<Vec<_>>()
        };
        let (assigned, denied, unknown) =
            (with(RoleAccess::Assigned), with(RoleAccess::NotAssigned), with(RoleAccess::Unknown));
        let mut problems = Vec::new();
        if !denied.is_empty() {
            let label =
                |role: &CheckedRole| format!("{} ({} in {})", name_of(role), role.role_name, role.account_id);
            problems.push(format!("Not assigned to this user: {}.", listed(&denied, label)));
            problems.push(what_is_assigned(access));
        }
        if !unknown.is_empty() {
            problems.push(format!("Not checked, because AWS did not answer: {}.", listed(&unknown, name_of)));
        }
        let works = if assigned.is_empty() {
            String::new()
        } else {
            format!("Profiles that work: {}.", listed(&assigned, name_of))
        };
        Self {
            works,
            problems,
            nothing_works: assigned.is_empty() && unknown.is_empty() && !denied.is_empty(),
        }
    }
}

fn name_of(role: &CheckedRole) -> String {
    role.profile.clone().unwrap_or_default()
}

fn listed(roles: &[&CheckedRole], label: impl Fn(&CheckedRole) -> String) -> String {
    let names: Vec<String> = roles.iter().take(NAMED_PROFILES).map(|role| label(role)).collect();
    let more = roles.len().saturating_sub(NAMED_PROFILES);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(account_count: usize, examples: usize, roles: &[(&str, RoleAccess)]) -> Access {
        let role = |(profile, access): &(&str, RoleAccess)| CheckedRole {
            profile: Some((*profile).to_owned()),
            account_id: "123456789012".into(),
            role_name: "R".into(),
            access: *access,
        };
        let example = AssignedRole {
            account_id: "123456789012".into(),
            account_name: "Production".into(),
            role_name: "ReadOnlyRole".into(),
        };
        Access {
            session: "s".into(),
            roles: roles.iter().map(role).collect(),
            account_count,
            examples: vec![example; examples],
        }
    }

    #[test]
    fn says_what_the_user_has() {
        for (count, examples, expected) in [
            (0, 0, "No account is assigned to this user."),
            (1, 1, "This user has one account: ReadOnlyRole in Production (123456789012)."),
            (1, 0, "This user has one account."),
            (
                300,
                2,
                "This user has 300 accounts, for example: ReadOnlyRole in Production (123456789012), ReadOnlyRole in \
                 Production (123456789012).",
            ),
        ] {
            assert_eq!(what_is_assigned(&access(count, examples, &[])), expected);
        }
    }

    #[test]
    fn a_session_fails_only_if_no_profile_works() {
        use RoleAccess::{Assigned, NotAssigned, Unknown};
        for (roles, works, problems, nothing_works) in [
            ([].as_slice(), "", 0, false),
            (&[("a", Assigned), ("b", Assigned)], "Profiles that work: a, b.", 0, false),
            (&[("a", Assigned), ("b", NotAssigned)], "Profiles that work: a.", 2, false),
            (&[("a", NotAssigned)], "", 2, true),
            (&[("a", NotAssigned), ("b", Unknown)], "", 3, false),
        ] {
            let report = ProfileReport::of(&access(1, 1, roles));
            assert_eq!(
                (report.works.as_str(), report.problems.len(), report.nothing_works),
                (works, problems, nothing_works)
            );
        }
        let many: Vec<(&str, RoleAccess)> = vec![("a", Assigned); 25];
        assert!(ProfileReport::of(&access(1, 1, &many)).works.ends_with("a, and 5 more."));
    }
}
