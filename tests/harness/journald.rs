//! A real journald with a `/run` of its own, whose socket the tests' own side holds as systemd does.

use super::{defined, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than journald takes on a machine under load.
const LONG: Duration = Duration::from_secs(120);

/// In a mount namespace with `run` in the place of `/run`: for each line of standard input a journald is begun, and its
/// process id printed. It leaves the kernel's log and its auditing alone.
const HOLDER: &str = r#"
import os, socket, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
os.makedirs("/run/log", exist_ok=True)
os.makedirs("/run/systemd/journald.conf.d", exist_ok=True)
with open("/run/systemd/journald.conf.d/test.conf", "w") as conf:
    conf.write("[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\nForwardToWall=no\nForwardToSyslog=no\n")
path = "/run/systemd/journal/socket"
held = None
for line in sys.stdin:
    if line.strip() == "hold":
        if os.path.exists(path):
            os.unlink(path)
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        held.bind(path)
        os.chmod(path, 0o666)
        print(flush=True)
        continue
    child = os.fork()
    if child == 0:
        environment = dict(os.environ, SYSTEMD_LOG_TARGET="null")
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in 0, 1, 2:
            os.dup2(null, descriptor)
        if held is not None:
            environment |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
            os.dup2(held.fileno(), 3)
            os.set_inheritable(3, True)
        os.execve("/lib/systemd/systemd-journald", ["systemd-journald"], environment)
    print(child, flush=True)
"#;

/// See the head of the file. All of it ends with the value.
pub struct Journald {
    run: PathBuf,
    holder: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    journald: Option<u32>,
}

impl Journald {
    /// With `run` in the place of `/run`; nothing listens yet.
    pub fn new(run: &Path) -> Journald {
        std::fs::create_dir_all(run).expect("a directory");
        let script = "mount --make-rprivate /; mount --bind \"$1\" /run; mkdir -p /run/id; \
            echo 0123456789abcdef0123456789abcdef > /run/id/machine; mount --bind /run/id/machine /etc/machine-id; \
            exec python3 -c \"$2\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-euc", script, "sh"])
            .arg(run)
            .arg(HOLDER);
        let mut holder = defined(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let lines = holder.stdin.take();
        let answers = BufReader::new(holder.stdout.take().expect("piped"));
        Journald {
            run: run.to_owned(),
            holder,
            lines,
            answers,
            journald: None,
        }
    }

    /// One that listens, at a socket that it has from outside.
    pub fn started(run: &Path) -> Journald {
        let mut journald = Journald::new(run);
        journald.hold();
        journald.start();
        journald
    }

    fn tell(&mut self, line: &str) -> String {
        let mut lines = self.lines.as_ref().expect("open");
        writeln!(lines, "{line}").expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert!(answer.ends_with('\n'), "{line}: the holder has ended");
        answer.trim().to_owned()
    }

    /// Makes the socket anew; who starts after it listens there.
    pub fn hold(&mut self) {
        self.tell("hold");
    }

    /// Starts it.
    pub fn start(&mut self) {
        self.journald = self.tell("start").parse().ok();
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let id = self.journald.expect("started").to_string();
        run(Command::new("kill").args(["-s", name, &id])).expect(0);
    }

    /// Ends it by that signal, and waits until it has.
    pub fn end(&mut self, signal: &str) {
        self.signal(signal);
        let id = self.journald.take().expect("started");
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            state.chars().next()
        };
        // Its holder does not bury it.
        until("its end", || matches!(state(), None | Some('Z')));
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.run.join("systemd/journal/socket")
    }

    /// The fields of each entry that `matches`, oldest first.
    pub fn entries(&self, matches: &str) -> Vec<Value> {
        let mut command = Command::new("journalctl");
        command
            .args(["--all", "--quiet", "--no-pager", "--output", "json"])
            .arg("--directory")
            .arg(self.run.join("log/journal"))
            .arg(matches);
        // Nothing of it is there before journald has begun its file.
        let ran = run(&mut command);
        ran.json()
    }

    /// The entries that the agent wrote, once there are so many.
    pub fn written(&self, count: usize) -> Vec<Value> {
        let written = || self.entries("SYSLOG_IDENTIFIER=host-integrity-agent");
        until("entries", || written().len() >= count);
        written()
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        if let Some(id) = self.journald {
            run(Command::new("kill").args(["-s", "KILL", &id.to_string()]));
        }
        self.lines = None;
        self.holder.wait().unwrap_or_default();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "{what}: never");
        std::thread::sleep(Duration::from_millis(20));
    }
}
