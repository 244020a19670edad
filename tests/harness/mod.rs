//! Runs the real binary on real trees. The tests run as root, since owners, devices and capabilities matter.

mod stage;
mod state;

pub(crate) use stage::{Caught, Host, UNTIL_SEEN, meanwhile, private};
pub(crate) use state::{after, defined};

pub(crate) mod front;
pub(crate) mod imds;
pub(crate) mod moto;
pub(crate) mod rpm;
pub(crate) mod tree;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of a program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON objects of standard output, one a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Those that are findings.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let mut all = self.json();
        all.retain(|object| object["kind"] == "finding");
        all
    }

    /// The summary, which must stand last.
    pub(crate) fn summary(&self) -> Value {
        let last = self.json().pop().expect("a last line");
        assert_eq!(last["kind"], "summary", "{self:?}");
        last
    }

    /// Each finding in one line: `+ PATH` for an added path, `- PATH` for a removed one and
    /// `~ PATH ATTRIBUTE…` for a changed one; of any other check its verdict, id and subject.
    ///
    /// Panics if findings, summary and exit status do not tell the same.
    pub(crate) fn deviations(&self) -> BTreeSet<String> {
        let findings = self.findings();
        let lines: BTreeSet<String> = findings.iter().map(deviation).collect();
        let summary = self.summary();
        let count = |verdict| findings.iter().filter(|f| f["verdict"] == verdict).count();
        assert_eq!(lines.len(), findings.len(), "told twice: {self:#?}");
        assert_eq!(summary["exit"], self.status, "{self:#?}");
        for verdict in ["pass", "fail", "unknown", "not_applicable"] {
            assert_eq!(summary["counts"][verdict], count(verdict), "{self:#?}");
        }
        lines
    }

    /// Panics unless the exit status is `expected`.
    pub(crate) fn expect(self, expected: i32) -> Ran {
        assert_eq!(self.status, expected, "{self:#?}");
        self
    }
}

/// The path that a finding is about, byte for byte. Panics if the text and the bytes disagree.
pub(crate) fn subject(finding: &Value) -> Vec<u8> {
    let text = finding["subject"].as_str().expect("a subject");
    let Some(encoded) = finding["subject_base64"].as_str() else {
        return text.as_bytes().to_vec();
    };
    let bytes = Base64::decode_vec(encoded).expect("base64");
    assert!(
        std::str::from_utf8(&bytes).is_err(),
        "text is enough: {finding}"
    );
    assert_eq!(text, readable(&bytes), "{finding}");
    bytes
}

/// The bytes as findings show them: those that are not UTF-8 as `\xHH`.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    text
}

/// See [`Ran::deviations`]. Panics if the evidence is not that of the attributes named in `changed`.
fn deviation(finding: &Value) -> String {
    let path = readable(&subject(finding));
    let keys = |side: &str| -> Option<Vec<&str>> {
        let object = finding[side].as_object()?;
        Some(object.keys().map(String::as_str).collect())
    };
    let (expected, observed) = (keys("expected"), keys("observed"));
    let changed = finding["changed"].as_array().map(|names| {
        let names = names.iter().map(|name| name.as_str().expect("a name"));
        names.collect::<Vec<_>>()
    });
    match finding["check"].as_str().expect("a check") {
        "files.added" => {
            assert!(
                changed.is_none() && expected.is_none() && observed.is_some(),
                "{finding}"
            );
            format!("+ {path}")
        }
        "files.removed" => {
            assert!(
                changed.is_none() && expected.is_some() && observed.is_none(),
                "{finding}"
            );
            format!("- {path}")
        }
        "files.changed" => {
            assert!(changed == expected && changed == observed, "{finding}");
            format!("~ {path} {}", changed.expect("a list").join(" "))
        }
        check => format!(
            "{} {check} {path}",
            finding["verdict"].as_str().expect("a verdict")
        ),
    }
}

/// The binary under test.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_agent");

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = defined(command)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the agent.
pub(crate) fn agent<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    run(Command::new(AGENT).args(arguments))
}

/// Runs a line of shell in `directory`; it must succeed.
pub(crate) fn shell(directory: &Path, line: &str) -> String {
    let ran = run(Command::new("bash")
        .args(["-euc", line])
        .current_dir(directory));
    assert_eq!(ran.status, 0, "{line}: {ran:#?}");
    ran.stdout
}

/// A directory of the test's own, with a tree to check in `root` and everything else beside it.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
}

/// The profile that labs use: everything below `/` with all attributes.
const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";

impl Lab {
    /// An empty tree under a profile that covers all of it.
    pub(crate) fn new() -> Lab {
        state::usual_modes();
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("root")).expect("the tree");
        let lab = Lab { directory };
        lab.profile(PROFILE);
        lab
    }

    /// The directory that holds tree, profile and manifest.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The tree.
    pub(crate) fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.path().join("manifest.mtree")
    }

    /// Replaces the profile.
    pub(crate) fn profile(&self, text: &str) {
        std::fs::write(self.path().join("profile.toml"), text).expect("the profile");
    }

    /// Runs a line of shell in the tree; it must succeed.
    pub(crate) fn shell(&self, line: &str) -> String {
        shell(&self.root(), line)
    }

    /// `agent baseline create` of the tree.
    pub(crate) fn create(&self) -> Ran {
        self.agent(&["baseline", "create"], &["--output", "manifest.mtree"])
    }

    /// `agent check --format json` of the tree, with further arguments.
    pub(crate) fn check(&self, more: &[&str]) -> Ran {
        let arguments = [&["--manifest", "manifest.mtree", "--format", "json"], more].concat();
        self.agent(&["check"], &arguments)
    }

    /// Runs a command of the agent in the lab's directory, on the lab's tree under its profile.
    pub(crate) fn agent(&self, command: &[&str], more: &[&str]) -> Ran {
        let arguments = [
            command,
            &["--root", "root", "--profile", "./profile.toml"],
            more,
        ]
        .concat();
        run(Command::new(AGENT)
            .args(files_alone(&arguments))
            .current_dir(self.path()))
    }
}

/// The arguments; a `check` that says nothing of `--only` judges files alone.
///
/// What sshd or the kernel of this machine demands is no matter of most tests.
pub(crate) fn files_alone<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = arguments.to_vec();
    if arguments.first() == Some(&"check") && !arguments.contains(&"--only") {
        arguments.extend(["--only", "files.*"]);
    }
    arguments
}

/// SHA-256 in hexadecimal, by a program that has nothing of ours in it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(bytes).expect("sha256sum reads");
    drop(input);
    let output = child.wait_with_output().expect("sha256sum ends");
    String::from_utf8_lossy(&output.stdout[..64]).into_owned()
}
