//! On a full or read-only disk, the daemon uses renewed sign-ins anyway, and saves them when the disk is writable
//! again.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ssod_control::SessionState;
use ssod_testkit::{Sandbox, TestUser, run, wait_until};

/// A small file system in the sandbox. It is unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount_at(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", path.to_str().unwrap()]);
        Self(path)
    }

    fn remount(&self, option: &str) {
        mount(&["-o", &format!("remount,{option}"), self.0.to_str().unwrap()]);
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free_space(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount, because a daemon may not have ended yet.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str]) {
    run(Command::new("mount").args(arguments)).succeeded();
}

/// Returns how often the daemon has saved a renewed sign-in.
fn saved_renewals(sandbox: &Sandbox) -> usize {
    sandbox.daemon().log().matches("sign-in renewed").count()
}

#[test]
fn renewals_continue_on_a_full_or_read_only_disk_and_are_saved_later() {
    let mut sandbox = Sandbox::with_lifetime("6s");
    let disk = SmallDisk::mount_at(sandbox.daemon().vault_folder());
    sandbox.add_settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    let assert_served = |sandbox: &Sandbox| {
        for _ in 0..10 {
            let answer = sandbox.daemon().credentials("adminUser");
            assert_eq!(answer.status, 200, "{}", answer.body);
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    for trouble in ["full", "read-only"] {
        let renewed = sandbox.fake().successful_calls("CreateToken");
        if trouble == "full" {
            disk.fill();
        } else {
            disk.remount("ro");
        }
        assert_served(&sandbox);
        assert!(
            sandbox.fake().successful_calls("CreateToken") > renewed + 1,
            "{trouble}: nothing was renewed"
        );
        assert!(sandbox.daemon().log().contains("the renewed sign-in is in memory only"), "{trouble}");
        let saved = saved_renewals(&sandbox);
        if trouble == "full" {
            disk.free_space();
        } else {
            disk.remount("rw");
        }
        // A kill right after a save, when AWS has issued no single-use token that is not saved.
        wait_until("a renewed sign-in is saved", || saved_renewals(&sandbox) > saved);
        sandbox.daemon().kill();
        sandbox.start_daemon();
        assert_served(&sandbox);
        assert_eq!(sandbox.daemon().status().sessions[0].state, SessionState::Active, "{trouble}");
    }
    assert_eq!(sandbox.fake().successful_calls("RegisterClient"), 1, "another sign-in was needed");
    sandbox.daemon().kill();
    drop(disk);
}
