//! What a measurement starts with.

use ssod_testkit::{FakeOptions, Moto, Sandbox, TestUser, free_port};

/// The users, each with a profile of its own.
pub(super) const USERS: [TestUser; 2] = [TestUser::ADMIN, TestUser::READ_ONLY];

/// The lifetime of role credentials, as an argument of the fake.
#[derive(Clone, Copy)]
pub(super) struct Lifetime(pub(super) &'static str);

/// Returns a sandbox in which both users have signed in, whose credentials are valid at moto, and in which each profile
/// has its own port for IMDS.
pub(super) fn signed_in(moto: &Moto, lifetime: Lifetime) -> Sandbox {
    let FakeOptions { mut arguments, variables } = moto.fake_options();
    arguments.extend(["--role-life".to_owned(), lifetime.0.to_owned()]);
    let mut sandbox = Sandbox::with_fake(&FakeOptions { arguments, variables });
    let [first, second] = USERS.map(|user| format!("{} = {}", user.profile, free_port()));
    sandbox.add_settings(&format!("[imds]\nprofiles = {{ {first}, {second} }}\n"));
    for user in USERS {
        sandbox.configure(user);
    }
    sandbox.start_daemon();
    for user in USERS {
        sandbox.login(user).succeeded();
    }
    sandbox
}
