//! The ways by which a client gets ssod's credentials.

use anyhow::{Result, bail, ensure};
use ssod_testkit::{Moto, Sandbox, TestUser};

use super::call::{Call, RunningClient};
use super::clients::{Client, Service};

/// Changes of environment variables; `None` unsets a variable.
pub(super) type EnvChanges = Vec<(String, Option<String>)>;

/// The users, each with a profile of its own.
pub(super) const USERS: [TestUser; 2] = [TestUser::ADMIN, TestUser::READ_ONLY];

/// A way to get credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Container credentials with `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    Token,
    /// Container credentials with `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
    TokenFile,
    /// Container credentials with both variables, as `ssod env` sets them.
    Both,
    /// IMDSv2 at the endpoint's own port, which serves the active profile.
    ImdsActive,
    /// IMDSv2 at a port of the profile.
    ImdsPort,
    /// The profile's `credential_process`.
    CredentialProcess,
}

impl Way {
    /// All ways, in the order of the table's columns.
    pub(super) const ALL: [Self; 6] =
        [Self::Token, Self::TokenFile, Self::Both, Self::ImdsActive, Self::ImdsPort, Self::CredentialProcess];

    /// Returns the title of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Token => "TOKEN",
            Self::TokenFile => "TOKEN_FILE",
            Self::Both => "both",
            Self::ImdsActive => "IMDS, active profile",
            Self::ImdsPort => "IMDS, profile's port",
            Self::CredentialProcess => "`credential_process`",
        }
    }

    /// Returns the variables of a shell that uses this way.
    pub(super) fn environment(self, sandbox: &Sandbox, profile: &str) -> EnvChanges {
        let unset = |name: &str| (name.to_owned(), None);
        let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let mut changes = match self {
            Self::Token | Self::TokenFile | Self::Both => sandbox.daemon().env(&[profile]),
            Self::ImdsActive => sandbox.daemon().env(&["--imds"]),
            Self::ImdsPort => sandbox.daemon().env(&[profile, "--imds"]),
            // The first SDK for Go reads the config file only with the second variable.
            Self::CredentialProcess => vec![set("AWS_PROFILE", profile), set("AWS_SDK_LOAD_CONFIG", "1")],
        };
        match self {
            Self::Token => changes.push(unset("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")),
            Self::TokenFile => changes.push(unset("AWS_CONTAINER_AUTHORIZATION_TOKEN")),
            _ => {}
        }
        if self != Self::CredentialProcess {
            // The profile's credential_process would come before the endpoint.
            changes.push(unset("AWS_PROFILE"));
        }
        changes
    }
}

/// Checks that the client acts as each profile's role and as no other, with both profiles in parallel where the way
/// allows that. Returns the error that the client showed otherwise.
pub(super) fn check(client: &Client, way: Way, sandbox: &Sandbox, moto: &Moto) -> Result<()> {
    if way == Way::ImdsActive {
        return USERS.into_iter().try_for_each(|user| {
            sandbox.ssod(&["use", user.profile]).succeeded();
            check_user(client, way, user, sandbox, moto)
        });
    }
    std::thread::scope(|scope| {
        let checks = USERS.map(|user| scope.spawn(move || check_user(client, way, user, sandbox, moto)));
        checks.into_iter().try_for_each(|check| check.join().unwrap_or_else(|_| bail!("the check panicked")))
    })
}

fn check_user(client: &Client, way: Way, user: TestUser, sandbox: &Sandbox, moto: &Moto) -> Result<()> {
    let environment = way.environment(sandbox, user.profile);
    let mut running = client.start(sandbox, &moto.url, environment)?;
    acts_as(client, user, &mut running)?;
    is_limited_to(client, user, &mut running, moto)
}

/// Checks with one call that the client acts as the user's role.
pub(super) fn acts_as(client: &Client, user: TestUser, running: &mut RunningClient<'_>) -> Result<()> {
    let call = match client.service {
        Service::Sts | Service::StsAndEc2 => Call::WhoAmI,
        Service::S3 => Call::Read(user.role),
    };
    let identity = running.call(&call)?.map_err(anyhow::Error::msg)?;
    let role_session = format!("assumed-role/{}/{}", user.role, user.name);
    let is_role =
        if client.service == Service::S3 { identity == user.role } else { identity.contains(&role_session) };
    ensure!(is_role, "acts as {identity:?}");
    Ok(())
}

/// Checks that the client may do what the role may do, and not what only the other role may do.
fn is_limited_to(
    client: &Client,
    user: TestUser,
    running: &mut RunningClient<'_>,
    moto: &Moto,
) -> Result<()> {
    let is_admin = user == TestUser::ADMIN;
    match client.service {
        Service::Sts => Ok(()),
        Service::StsAndEc2 => match running.call(&Call::Stop(moto.instance.clone()))? {
            Ok(_) => {
                ensure!(is_admin, "the read-only role has stopped the instance");
                Ok(())
            }
            Err(error) => {
                let is_refusal = error.contains("AccessDenied") || error.contains("not authorized");
                ensure!(!is_admin && is_refusal, "{error}");
                Ok(())
            }
        },
        Service::S3 => {
            let other = if is_admin { TestUser::READ_ONLY } else { TestUser::ADMIN };
            let answer = running.call(&Call::Read(other.role))?;
            ensure!(
                answer.as_deref() != Ok(other.role),
                "{} has read the object of {}",
                user.role,
                other.role
            );
            Ok(())
        }
    }
}
