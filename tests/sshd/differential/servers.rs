//! The servers that are compared with, and what each says beside the agent.

use harness::{Ran, agent_path, run, shell};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server to compare with: this machine's, another program, or that of a root.
pub(super) struct Server {
    pub(super) name: String,
    sshd: String,
    /// Where `--openssh` is to say what the tree does not.
    version: Option<String>,
    pub(super) root: Option<PathBuf>,
}

/// Another server than this machine's is named by the environment, with its version:
/// `SSHD=/path/to/sshd SSHD_VERSION=9.6 cargo test differential`.
pub(super) fn servers() -> Vec<Server> {
    let sshd = std::env::var("SSHD").unwrap_or_else(|_| "/usr/sbin/sshd".into());
    let mut servers = vec![Server {
        name: sshd.clone(),
        sshd,
        version: std::env::var("SSHD_VERSION").ok(),
        root: None,
    }];
    let Ok(roots) = std::env::var("SSHD_ROOTS") else {
        eprintln!("left out: other versions, since SSHD_ROOTS names no directory of roots");
        return servers;
    };
    let entries = fs::read_dir(&roots).unwrap_or_else(|e| panic!("SSHD_ROOTS={roots}: {e}"));
    for entry in entries {
        let root = entry.expect("readable").path();
        let name = root.display().to_string();
        match root.join("usr/sbin/sshd").exists() && root.join("tmp").exists() {
            true => servers.push(Server {
                name,
                sshd: "/usr/sbin/sshd".into(),
                version: None,
                root: Some(root),
            }),
            false => eprintln!("left out: there is no sshd in {name}"),
        }
    }
    servers
}

/// A directory for configurations, and what the server calls it.
pub(super) struct ConfigDirectory {
    pub(super) path: tempfile::TempDir,
    pub(super) inside: String,
}

impl ConfigDirectory {
    pub(super) fn of(server: &Server) -> ConfigDirectory {
        let base = server.root.as_deref().unwrap_or(Path::new("/"));
        let directory = tempfile::tempdir_in(base.join("tmp")).expect("a directory");
        fs::create_dir_all(base.join("run/sshd")).expect("made");
        shell(directory.path(), "ssh-keygen -q -t ed25519 -N '' -f key");
        let inside = directory.path().strip_prefix(base).expect("below");
        ConfigDirectory {
            inside: format!("/{}", inside.display()),
            path: directory,
        }
    }

    pub(super) fn write(&self, text: &str) {
        let text = format!("HostKey {}/key\n{text}\n", self.inside);
        fs::write(self.path.path().join("main"), text).expect("written");
    }
}

pub(super) fn both(
    server: &Server,
    directory: &ConfigDirectory,
    connection: &[&str],
) -> (Ran, Ran) {
    let main = format!("{}/main", directory.inside);
    let mut theirs = match &server.root {
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg(&server.sshd);
            command
        }
        None => Command::new(&server.sshd),
    };
    let theirs = run(theirs.args(["-T", "-f", &main]).args(connection));
    let mut ours = Command::new(agent_path());
    ours.args(["sshd-effective", "-T", "-f", &main]);
    if let Some(root) = &server.root {
        ours.arg("--root").arg(root);
    }
    if let Some(version) = &server.version {
        ours.args(["--openssh", version]);
    }
    (theirs, run(ours.args(connection)))
}

/// Whether the line is printed by every build of that version: not what distributions add, nor their paths.
fn of_every_build(server: &Server, line: &str) -> bool {
    server.version.is_none()
        || ![
            "gssapi",
            "sshdsessionpath",
            "sshdauthpath",
            "debianbanner",
            "requiredrsasize 1024",
        ]
        .iter()
        .any(|start| line.to_ascii_lowercase().starts_with(start))
}

/// Empty where both say the same.
pub(super) fn difference(server: &Server, theirs: &Ran, ours: &Ran) -> String {
    // sshd 10.0 dies of a signal where a Match block has a Subsystem and -C is given.
    if theirs.status == -1 {
        return String::new();
    }
    if (theirs.status == 0) != (ours.status == 0) {
        return format!(
            "sshd: {} {}\nagent: {} {}",
            theirs.status, theirs.stderr, ours.status, ours.stderr
        );
    }
    if theirs.status != 0 {
        return String::new();
    }
    let lines = |ran: &Ran| {
        let lines = ran
            .stdout
            .lines()
            .filter(|line| of_every_build(server, line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    let mut text = String::new();
    for line in theirs.iter().filter(|line| !ours.contains(line)) {
        writeln!(text, "- {line}").expect("memory");
    }
    for line in ours.iter().filter(|line| !theirs.contains(line)) {
        writeln!(text, "+ {line}").expect("memory");
    }
    if text.is_empty() && theirs != ours {
        text.push_str("the same lines in another order");
    }
    text
}
