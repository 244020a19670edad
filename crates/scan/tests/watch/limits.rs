//! The kernel's limits: queues that overflow, watches that do not suffice, a process that is stopped.

use super::ledger::assert_same;
use super::sentry::Sentry;
use harness::kernel::{Lowered, QUEUE, limits_stand_still};
use harness::{Lab, agent_path, shell};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// wazuh#19224: a queue of 64 and a burst of 20,000 changes. What was lost is found by the scan that follows.
#[test]
fn after_an_overflow_everything_is_found() {
    let _limits = limits_stand_still();
    let lab = Lab::in_memory();
    lab.shell("for i in {0..99}; do mkdir -p d$i/e; echo x | tee d$i/e/{0..49} >/dev/null; done");
    lab.create().expect(0);
    // An instance keeps the length that it was made with.
    let short = Lowered::to(QUEUE, "64");
    let mut sentry = Sentry::of(&lab);
    drop(short);
    let tree = lab.root();
    let burst = std::thread::spawn(move || {
        shell(
            &tree,
            "for i in {0..99}; do
               echo y | tee -a d$i/e/{0..49} >/dev/null
               mkdir -p new$i/f/g; echo z | tee new$i/f/g/{0..149} >/dev/null
             done",
        );
    });
    sentry.run_while(|_| !burst.is_finished());
    burst.join().expect("a burst");
    // The canary's own event may be among those that are lost.
    sentry.run_while(|sentry| sentry.overflows == 0);
    sentry.settle_down();
    assert_same(&sentry.ledger, &lab, "after the burst");
    assert_eq!(sentry.watch.directories(), 1 + 200 + 300);
    // Directories made while nobody could see it are watched. Fewer of them than the queue holds events.
    lab.shell("for i in {0..99..10}; do echo more >>new$i/f/g/7; done");
    sentry.settle_down();
    assert_same(&sentry.ledger, &lab, "afterwards");
}

/// `examples/watch_setup.rs` as a process of its own.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn follower() -> PathBuf {
    let path = Path::new(agent_path())
        .with_file_name("examples")
        .join("watch_setup");
    assert!(
        path.is_file(),
        "`cargo build --examples` makes {}",
        path.display()
    );
    path
}

impl Follower {
    fn start(command: &mut Command) -> Follower {
        let mut child = harness::defined(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = child.stdout.take().expect("piped");
        Follower {
            child,
            lines: BufReader::new(out).lines(),
        }
    }

    /// The next line that holds `text`.
    fn until(&mut self, text: &str) -> String {
        let mut lines = self.lines.by_ref().map(|line| line.expect("UTF-8"));
        lines.find(|line| line.contains(text)).expect("such a line")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// Too few watches are told, with the directories that have none. In a user namespace, whose limits are its own.
#[test]
fn directories_without_a_watch_are_named() {
    let lab = Lab::new();
    lab.shell("mkdir -p {a,b,c}/{d,e,f}/{g,h,i}");
    // Whoever owns the namespace must be able to look into the tree.
    shell(lab.path(), "chmod 755 .");
    let limited = "echo 20 >/proc/sys/user/max_inotify_watches && exec \"$@\"";
    let mut follower = Follower::start(
        Command::new("unshare")
            .args(["--user", "--map-root-user", "bash", "-euc", limited, "bash"])
            .arg(follower())
            .arg(lab.root()),
    );
    let told = follower.until("directories ");
    // One watch is for the directory that the tree lies in.
    assert!(told.starts_with("directories 19 left_out "), "{told}");
    assert!(told.contains("max_user_watches"), "{told}");
    let left_out: u64 = told
        .split(' ')
        .nth(3)
        .expect("a word")
        .parse()
        .expect("a number");
    // 40 directories in all; each of the 21 without a watch is named or lies in one that is.
    assert!((2..=21).contains(&left_out), "{told}");
}

/// A process that was stopped sees what happened meanwhile.
#[test]
fn what_happens_while_it_is_stopped_is_seen() {
    let lab = Lab::new();
    lab.shell("mkdir d; echo x >d/file");
    let mut follower = Follower::start(Command::new(follower()).args(["--follow"]).arg(lab.root()));
    follower.until("directories 2");
    follower.signal("STOP");
    lab.shell("mkdir -p d/new/deep; echo y >d/new/deep/file; echo y >>d/file; mv d/new d/newer");
    std::thread::sleep(Duration::from_secs(2));
    lab.shell("mkdir d/newer/later");
    follower.signal("CONT");
    let mut missing: BTreeSet<&str> = ["d/file/", "d/new/", "d/newer/"].into();
    while !missing.is_empty() {
        let line = follower.until("touched ");
        missing.retain(|path| line != format!("touched {path}"));
    }
    // Once more when all below it is watched.
    follower.until("touched d/newer/");
    lab.shell("echo z >d/newer/later/file");
    follower.until("touched d/newer/later/file/");
}
