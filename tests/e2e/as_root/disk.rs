//! A disk that is full, and one that may not be written: what is renewed counts all the same, and is saved when there is room.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ssod_testkit::{Person, Sandbox, run};

/// A small file system of its own in the sandbox, gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", path.to_str().unwrap()]);
        Self(path)
    }

    fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}"), self.0.to_str().unwrap()]);
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filling")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filling")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a daemon may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str]) {
    run(Command::new("mount").args(arguments)).succeeded();
}

#[test]
fn on_a_full_and_on_a_read_only_disk_renewals_go_on_and_are_saved_later() {
    let mut sandbox = Sandbox::with_lives("6s");
    let disk = SmallDisk::at(sandbox.state().join("vault"));
    sandbox.settings("[refresh]\nkeep_fresh = \"all\"\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    let served = |sandbox: &Sandbox| {
        for _ in 0..10 {
            let answer = sandbox.credentials("adminUser");
            assert_eq!(answer.status, 200, "{}", answer.body);
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    for trouble in ["full", "read-only"] {
        let renewed = sandbox.count("CreateToken");
        if trouble == "full" {
            disk.fill();
        } else {
            disk.remount("ro");
        }
        served(&sandbox);
        assert!(
            sandbox.count("CreateToken") > renewed + 1,
            "{trouble}: single-use tokens are spent meanwhile"
        );
        assert!(sandbox.daemon_log().contains("the renewed sign-in is in memory only"), "{trouble}");
        let renewed = sandbox.count("CreateToken");
        if trouble == "full" {
            disk.make_room();
        } else {
            disk.remount("rw");
        }
        sandbox.eventually("it is renewed once more, and saved", || sandbox.count("CreateToken") > renewed);
        std::thread::sleep(Duration::from_millis(500));
        sandbox.daemon().kill();
        sandbox.start_daemon();
        served(&sandbox);
        assert_eq!(sandbox.status()["sessions"][0]["state"], "active", "{trouble}");
    }
    assert_eq!(sandbox.count("RegisterClient"), 1, "nobody signed in again");
    sandbox.daemon().kill();
    drop(disk);
}
