//! Stages for what is hard to come by: mounts of the test's own, a live host of its own, a run caught half way.
//!
//! Mounts are made in a private namespace that ends with the command, so that none is ever left behind.

use super::{Lab, Ran, agent_path, files_alone, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

impl Ran {
    /// The findings in short, sorted: `VERDICT CHECK SUBJECT` and the changed attributes, joined by commas.
    pub fn told(&self) -> Vec<String> {
        let mut all: Vec<String> = self.findings().iter().map(in_short).collect();
        all.sort();
        all
    }

    /// The finding of that check on that subject, which there must be exactly once.
    pub fn one(&self, check: &str, subject: &str) -> serde_json::Value {
        let mut found = self.findings();
        found.retain(|f| f["check"] == check && f["subject"] == subject);
        assert_eq!(found.len(), 1, "{check} {subject}: {self:#?}");
        found.remove(0)
    }

    /// Panics unless standard error names all of these; returns itself for what follows.
    pub fn complains(self, of: &[&str]) -> Ran {
        for word in of {
            assert!(self.stderr.contains(word), "no `{word}` in {self:#?}");
        }
        self
    }

    /// Panics if anything stands on standard output.
    pub fn silent(self) -> Ran {
        assert_eq!(self.stdout, "", "{self:#?}");
        self
    }
}

fn in_short(finding: &serde_json::Value) -> String {
    let word = |key: &str| finding[key].as_str().unwrap_or("?").to_owned();
    let changed = finding["changed"].as_array().map(|names| {
        let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
        format!(" {}", names.join(","))
    });
    let (verdict, check, subject) = (word("verdict"), word("check"), word("subject"));
    format!("{verdict} {check} {subject}{}", changed.unwrap_or_default())
}

/// A line of shell in a mount namespace of its own; `$AGENT` is the binary, `"$@"` the arguments given here.
pub fn private(directory: &Path, script: &str, arguments: &[&str]) -> Ran {
    run(Command::new("unshare")
        .args(["--mount", "bash", "-euc", script, "bash"])
        .args(arguments)
        .env("AGENT", agent_path())
        .current_dir(directory))
}

/// Perl at the end of a line of [`meanwhile`]: lives until it was seen, however busy the machine is, and not for ever.
pub const UNTIL_SEEN: &str =
    "for (1..12000) { last if -e \"../seen\"; select(undef, undef, undef, 0.01) }";

/// Runs a line of shell in `directory` while `look` looks on; then what waits to have been seen is let go.
pub fn meanwhile<T>(directory: &Path, line: &str, look: impl FnOnce() -> T) -> T {
    let seen = directory.parent().expect("not the root").join("seen");
    let (directory, line) = (directory.to_owned(), line.to_owned());
    let running = std::thread::spawn(move || super::shell(&directory, &line));
    let found = look();
    fs::write(&seen, "").expect("written");
    running.join().expect("it ends well");
    fs::remove_file(&seen).expect("it was just written");
    found
}

impl Lab {
    /// A lab on a file system in memory, where there is one: for trees with very many files.
    pub fn in_memory() -> Lab {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Lab::new();
        }
        let directory = tempfile::tempdir_in(memory).expect("a temporary directory");
        fs::create_dir(directory.path().join("root")).expect("the tree");
        let lab = Lab { directory };
        lab.profile(super::PROFILE);
        lab
    }

    /// Runs the agent on the lab's tree as [`Lab::agent`] does, after `mounts` in a namespace of its own.
    pub fn agent_after(&self, mounts: &str, command: &[&str], more: &[&str]) -> Ran {
        let arguments = [
            command,
            &["--root", "root", "--profile", "./profile.toml"],
            more,
        ]
        .concat();
        private(
            self.path(),
            &format!("{mounts}\nexec \"$AGENT\" \"$@\""),
            &files_alone(&arguments),
        )
    }

    /// `agent check --format json` after `mounts`.
    pub fn check_after(&self, mounts: &str, more: &[&str]) -> Ran {
        let arguments = [&["--manifest", "manifest.mtree", "--format", "json"], more].concat();
        self.agent_after(mounts, &["check"], &arguments)
    }

    /// `agent check --format json` started, to be caught half way.
    pub fn start_check(&self, more: &[&str]) -> Caught {
        Caught::start(
            Command::new(agent_path())
                .args(["check", "--root", "root", "--profile", "./profile.toml"])
                .args(["--manifest", "manifest.mtree", "--format", "json"])
                .args(["--only", "files.*"])
                .args(more)
                .current_dir(self.path()),
        )
    }
}

/// A process that runs while the test goes on; killed if the test fails first.
pub struct Caught {
    child: Option<Child>,
}

impl Caught {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Caught {
        let child = super::defined(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Caught { child: Some(child) }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("not yet finished").id()
    }

    /// Waits until the process has `path` open; panics if it ends before.
    pub fn until_open(&mut self, path: &Path) {
        let path = fs::canonicalize(path).expect("it exists");
        let directory = PathBuf::from(format!("/proc/{}/fd", self.id()));
        loop {
            let links = fs::read_dir(&directory).into_iter().flatten().flatten();
            if links
                .into_iter()
                .any(|link| fs::read_link(link.path()).is_ok_and(|to| to == path))
            {
                return;
            }
            let child = self.child.as_mut().expect("not yet finished");
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "ended before it opened {}", path.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Ran {
        let child = self.child.take().expect("not yet finished");
        let output = child.wait_with_output().expect("a child");
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            child.kill().unwrap_or_default();
            child.wait().expect("a child");
        }
    }
}

/// A running host of the test's own: a chroot whose `/` is the lab's tree, with the agent in it.
///
/// Its default places are the real ones, and nobody else's. The local profile covers `/data`.
pub struct Host {
    lab: Lab,
}

impl Host {
    /// A host with a machine id and one file below `/data`.
    pub fn new() -> Host {
        let lab = Lab::new();
        lab.shell(
            "mkdir -p data proc lib lib64 etc/host-integrity-agent usr/share/host-integrity-agent \
             var/lib/host-integrity-agent
             echo 0123456789abcdef0123456789abcdef > etc/machine-id
             echo one > data/one
             touch agent
             printf 'name = \"local\"\\n[[paths]]\\npath = \"/data\"\\nseverity = \"high\"\\n' \
             > etc/host-integrity-agent/profile.toml",
        );
        Host { lab }
    }

    /// Its tree, seen from outside.
    pub fn shell(&self, line: &str) -> String {
        self.lab.shell(line)
    }

    /// Where the test may put other things; not to be seen from the host.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Runs its agent.
    pub fn agent(&self, arguments: &[&str]) -> Ran {
        self.run("", arguments)
    }

    /// Runs its agent as another user.
    pub fn agent_as(&self, user: &str, arguments: &[&str]) -> Ran {
        self.run(&format!("--userspec={user}:{user} --groups="), arguments)
    }

    fn run(&self, options: &str, arguments: &[&str]) -> Ran {
        let script = script(options);
        private(self.lab.path(), &script, &files_alone(arguments))
    }

    /// Its agent as a command of its own, in a namespace that ends with it. The process is the agent's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_after("", arguments)
    }

    /// The same after `mounts`, a line of shell beside the tree, which is `root` there.
    pub fn command_after(&self, mounts: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "bash", "-euc"])
            .arg(format!("{mounts}\n{}", script("")))
            .arg("bash")
            .args(arguments)
            .env("AGENT", agent_path())
            .current_dir(self.lab.path());
        command
    }
}

/// Enters the host in the directory `root` and becomes its agent.
fn script(options: &str) -> String {
    format!(
        "cd root
        mount --bind \"$AGENT\" agent
        for dir in lib lib64 proc; do if [ -e /$dir ]; then mount --rbind /$dir $dir; fi; done
        exec chroot {options} . /agent \"$@\""
    )
}
