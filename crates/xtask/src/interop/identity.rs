//! Checks as whom a client acts, and what it may do.

use anyhow::{Result, bail, ensure};
use ssod_testkit::{Moto, Sandbox, TestUser};

use super::call::{Call, RunningClient};
use super::clients::{Client, Service};
use super::setup::USERS;
use super::ways::Way;

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
                // The first SDK for Go does not understand moto's answer, and shows its status.
                let is_refusal = ["AccessDenied", "not authorized", "status code: 403"]
                    .map(|word| error.contains(word))
                    .contains(&true);
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
