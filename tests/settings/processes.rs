//! Code that runs and is no longer on disk: real programs, replaced and removed under a process.

use harness::{Lab, agent, agent_path, run, shell};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that runs until it is dropped.
struct Running(Child);

impl Running {
    fn start(program: &Path) -> Running {
        let mut command = Command::new(program);
        command
            .arg("600")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Running(command.spawn().expect("it starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// What the check says of the path on the running host; nothing where it is not named.
fn told(path: &Path) -> Option<Value> {
    let ran = agent([
        "check",
        "--only",
        "processes.deleted_program",
        "--format",
        "json",
    ]);
    let findings = ran.findings();
    findings
        .into_iter()
        .find(|finding| finding["subject"].as_str() == path.to_str())
}

#[test]
fn a_program_that_was_removed_or_replaced_under_its_process() {
    let lab = Lab::new();
    let program = lab.path().join("sleeper");
    std::fs::copy("/bin/sleep", &program).expect("a program");
    let running = Running::start(&program);
    assert_eq!(told(&program), None, "it is at its place");
    shell(lab.path(), "cp /bin/sleep new; mv new sleeper");
    let replaced = told(&program).expect("it was replaced");
    assert_eq!(
        (replaced["severity"].as_str(), replaced["verdict"].as_str()),
        (Some("high"), Some("fail")),
        "{replaced}"
    );
    let names_it = format!("process {} runs", running.0.id());
    assert!(
        replaced["message"]
            .as_str()
            .is_some_and(|text| text.starts_with(&names_it)),
        "{replaced}"
    );
    std::fs::remove_file(&program).expect("removed");
    let removed = told(&program).expect("it was removed");
    assert_eq!(removed["severity"], "high", "{removed}");
    drop(running);
    assert_eq!(told(&program), None, "it has ended");
}

#[test]
fn a_program_that_never_was_on_disk() {
    let script = "import os, sys\nfd = os.memfd_create('hidden')\nos.write(fd, open('/bin/sleep', 'rb').read())\n\
        os.execve(fd, ['hidden', '600'], {})";
    let running = Running(
        Command::new("python3")
            .args(["-c", script])
            .spawn()
            .expect("python3"),
    );
    let path = format!("/proc/{}/exe", running.0.id());
    // Until it runs what is in memory.
    let is_there =
        || std::fs::read_link(&path).is_ok_and(|exe| exe.to_string_lossy().starts_with("/memfd:"));
    while !is_there() {
        std::thread::yield_now();
    }
    let finding = told(Path::new("/memfd:hidden")).expect("it is told");
    assert_eq!(finding["severity"], "high", "{finding}");
    assert!(
        finding["message"]
            .as_str()
            .is_some_and(|text| text.contains("made in memory")),
        "{finding}"
    );
}

/// Installs a shell as a package, runs it, installs the next version, and has the old one fork. The package database and
/// the logs are those of a mount namespace. Then somebody puts a program of their own in the package's place, runs it, and
/// puts the package's back.
const UPDATE: &str = r##"
mount -t tmpfs none /var/lib/dpkg
mount -t tmpfs none /var/log
mkdir /var/lib/dpkg/info /var/lib/dpkg/updates
: >/var/lib/dpkg/status
place=/opt/agent-test-update
mkfifo go wait
exec 8<>wait 9<>go
# A line for each that waits for one.
trap 'printf "\n\n" >&8; wait; rm -r $place' EXIT
for version in 1 2; do
  mkdir -p tree/DEBIAN tree$place
  cp /bin/bash tree$place/service
  echo "# $version" >>tree$place/service
  printf 'Package: agent-test-update
Version: %s
Architecture: all
Maintainer: a <a@example.org>
Description: a
'     $version >tree/DEBIAN/control
  dpkg-deb --root-owner-group -b tree $version.deb >/dev/null
done
dpkg --log=/var/log/dpkg.log -i 1.deb >/dev/null
# The subshell is a process of its own that was not executed anew.
$place/service -c 'read <&9; (read <&8); :' &
dpkg --log=/var/log/dpkg.log -i 2.deb >/dev/null
sleep 2
echo >&9
sleep 1
"$AGENT" check --only processes.deleted_program --format json | grep "$place" || true
echo ---
cp -p $place/service kept
cp /bin/bash other
mv other $place/service
$place/service -c 'read <&8; :' &
until [ "$(readlink /proc/$!/exe)" = $place/service ]; do sleep 0.1; done
cp -p kept restored
mv restored $place/service
"$AGENT" check --only processes.deleted_program --format json | grep "$place" || true
"##;

#[test]
fn an_update_explains_what_its_old_code_forks_and_no_strangers_program() {
    let lab = Lab::new();
    let ran = run(Command::new("unshare")
        .args(["-m", "bash", "-euc", UPDATE])
        .env("AGENT", agent_path())
        .current_dir(lab.path()))
    .expect(0);
    let (updated, stranger) = ran.stdout.split_once("---\n").expect("both looks");
    let updated: Value = serde_json::from_str(updated).expect("one finding");
    assert_eq!(updated["severity"], "low", "{updated}");
    let message = updated["message"].as_str().expect("a message");
    assert!(message.starts_with("processes "), "{message}");
    assert!(
        message.contains("package agent-test-update was installed after"),
        "{message}"
    );
    let stranger: Value = serde_json::from_str(stranger).expect("one finding");
    assert_eq!(stranger["severity"], "high", "{stranger}");
}

#[test]
fn a_tree_has_no_processes() {
    let lab = Lab::new();
    let ran = lab
        .agent(&["check"], &["--only", "processes.*", "--format", "json"])
        .expect(0);
    assert_eq!(ran.findings()[0]["verdict"], "not_applicable");
}

/// What a look tells of programs while one runs from a mount that was taken away under it, while something lies over
/// another's place, and while the same contents do.
const MOUNTS: &str = r#"
mount -t tmpfs none /mnt; mkdir /mnt/away /mnt/over
mount -t tmpfs none /mnt/away
cp /bin/sleep /mnt/away/detached-agent-test; cp /bin/sleep /mnt/over/covered; cp /bin/sleep /mnt/over/same
trap 'kill $(jobs -p)' EXIT
for program in away/detached-agent-test over/covered over/same; do
  /mnt/$program 600 </dev/null >/dev/null 2>&1 &
  until [ "$(readlink /proc/$!/exe)" = /mnt/$program ]; do sleep 0.1; done
done
look() { "$AGENT" check --only processes.deleted_program --format json | grep -e agent-test -e /mnt/ || true; }
look
echo ---
umount -l /mnt/away
cp /bin/sleep other; mount --bind other /mnt/over/same
mount --bind /bin/true /mnt/over/covered
look
"#;

#[test]
fn a_program_whose_mount_went_or_that_something_was_mounted_over() {
    let lab = Lab::new();
    let ran = run(Command::new("unshare")
        .args(["-m", "bash", "-euc", MOUNTS])
        .env("AGENT", agent_path())
        .current_dir(lab.path()))
    .expect(0);
    let (before, after) = ran.stdout.split_once("---\n").expect("both looks");
    assert_eq!(before, "");
    let subjects: Vec<Value> = after
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a finding")["subject"].clone())
        .collect();
    assert_eq!(
        subjects,
        ["/detached-agent-test", "/mnt/over/covered"],
        "{after}"
    );
}
