//! The day that the README describes: two users of one start URL work with an AWS that checks signatures and policies.

use ssod_testkit::{Moto, Sandbox, TestUser, run};

use crate::clients::{AwsClient, start_moto, with_profile};

#[test]
fn two_users_work_for_a_day() {
    let moto = start_moto();
    let mut sandbox = Sandbox::with_fake(&moto.fake_options());
    let (admin, read_only) = (TestUser::ADMIN, TestUser::READ_ONLY);
    sandbox.configure(admin);
    sandbox.configure(read_only);
    sandbox.start_daemon();
    sandbox.login(admin).succeeded();
    sandbox.login(read_only).succeeded();

    let cli = AwsClient::CliV2;
    let shell = sandbox.daemon().env(&[read_only.profile]);
    assert!(cli.describe(&sandbox, &moto, &shell).succeeded().contains(&moto.instance));
    let refused = cli.stop(&sandbox, &moto, &shell).failed_with(254);
    assert!(
        refused.contains("AccessDenied") && refused.contains("assumed-role/ReadOnlyRole/bob"),
        "{refused}"
    );

    let stopped = run(sandbox.ssod_command().args([
        "exec",
        admin.profile,
        "--",
        "/usr/bin/aws",
        "--endpoint-url",
        &moto.url,
        "ec2",
        "stop-instances",
        "--instance-ids",
        &moto.instance,
    ]));
    assert!(stopped.succeeded().contains("stopp"));

    let identity = cli.whoami(&sandbox, &moto, &with_profile(admin.profile)).succeeded();
    assert!(identity.contains("assumed-role/AdminRole/alice"), "{identity}");

    assert_simultaneous_users_are_separate(&sandbox, &moto);

    let out = sandbox.ssod(&["logout"]).succeeded();
    assert!(out.contains("stay valid at AWS until"), "{out}");
    let open_shell = cli.describe(&sandbox, &moto, &shell).failed_with(255);
    assert!(open_shell.contains("ssod login readOnlyUser"), "{open_shell}");
    let by_name = cli.describe(&sandbox, &moto, &with_profile(admin.profile)).failed_with(255);
    assert!(by_name.contains("ssod login adminUser"), "{by_name}");

    sandbox.login(read_only).succeeded();
    cli.describe(&sandbox, &moto, &shell).succeeded();
}

/// Uses both profiles in simultaneous processes, and checks that each process gets the credentials of its own user.
fn assert_simultaneous_users_are_separate(sandbox: &Sandbox, moto: &Moto) {
    let users =
        [TestUser::ADMIN, TestUser::READ_ONLY].map(|user| (user, sandbox.daemon().env(&[user.profile])));
    std::thread::scope(|scope| {
        for (user, env) in &users {
            for _ in 0..3 {
                scope.spawn(move || {
                    for _ in 0..2 {
                        let identity = AwsClient::Boto3.whoami(sandbox, moto, env).succeeded();
                        assert!(identity.contains(&format!("{}/{}", user.role, user.name)), "{identity}");
                    }
                });
            }
        }
    });
}
