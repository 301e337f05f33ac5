//! The day of the README, for real: two people on one start URL, judged by an AWS that checks signatures and policies.

use ssod_testkit::{Person, Sandbox, programs, run};

use crate::clients::{Client, by_profile, moto};

#[test]
fn two_people_work_a_day() {
    let moto = moto();
    let mut sandbox = Sandbox::with_fake(&moto.fake());
    let (admin, read_only) = (Person::ADMIN, Person::READ_ONLY);
    sandbox.configure(admin);
    sandbox.configure(read_only);
    sandbox.start_daemon();
    sandbox.login(admin).succeeded();
    sandbox.login(read_only).succeeded();

    let cli = Client::CliV2;
    let shell = sandbox.env(&[read_only.profile]);
    assert!(cli.describe(&sandbox, &moto, &shell).succeeded().contains(&moto.instance));
    let refused = cli.stop(&sandbox, &moto, &shell).failed_with(254);
    assert!(
        refused.contains("AccessDenied") && refused.contains("assumed-role/ReadOnlyRole/bob"),
        "{refused}"
    );

    let stopped = run(sandbox.command(programs().join("ssod")).args([
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

    let who = cli.whoami(&sandbox, &moto, &by_profile(admin.profile)).succeeded();
    assert!(who.contains("assumed-role/AdminRole/alice"), "{who}");

    side_by_side(&sandbox, &moto);

    let out = sandbox.ssod(&["logout"]).succeeded();
    assert!(out.contains("stay valid at AWS until"), "{out}");
    let open_shell = cli.describe(&sandbox, &moto, &shell).failed_with(255);
    assert!(open_shell.contains("ssod login readOnlyUser"), "{open_shell}");
    let by_name = cli.describe(&sandbox, &moto, &by_profile(admin.profile)).failed_with(255);
    assert!(by_name.contains("ssod login adminUser"), "{by_name}");

    sandbox.login(read_only).succeeded();
    cli.describe(&sandbox, &moto, &shell).succeeded();
}

/// Both profiles at once, in processes of their own; nobody is ever somebody else.
fn side_by_side(sandbox: &Sandbox, moto: &ssod_testkit::Moto) {
    let people = [Person::ADMIN, Person::READ_ONLY].map(|person| (person, sandbox.env(&[person.profile])));
    std::thread::scope(|scope| {
        for (person, env) in &people {
            for _ in 0..3 {
                scope.spawn(move || {
                    for _ in 0..2 {
                        let who = Client::Boto3.whoami(sandbox, moto, env).succeeded();
                        assert!(who.contains(&format!("{}/{}", person.role, person.user)), "{who}");
                    }
                });
            }
        }
    });
}
