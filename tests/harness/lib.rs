//! Runs the real binary on real trees. The tests run as root, since owners, devices and capabilities matter.

mod documents;
mod stage;
mod state;

pub use documents::{kept_example, made_example};
pub use stage::{Caught, Host, UNTIL_SEEN, meanwhile, private};
pub use state::{after, defined};

pub mod edits;
pub mod front;
pub mod imds;
pub mod journald;
pub mod kernel;
pub mod moto;
pub mod rpm;
pub mod ssh_agent;
pub mod tree;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// What a run of a program left.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The JSON objects of standard output, one a line.
    pub fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Those that are findings.
    pub fn findings(&self) -> Vec<Value> {
        let mut all = self.json();
        all.retain(|object| object["kind"] == "finding");
        all
    }

    /// The summary, which must stand last.
    pub fn summary(&self) -> Value {
        let last = self.json().pop().expect("a last line");
        assert_eq!(last["kind"], "summary", "{self:?}");
        last
    }

    /// Each finding in one line: `+ PATH` for an added path, `- PATH` for a removed one and
    /// `~ PATH ATTRIBUTE…` for a changed one; of any other check its verdict, id and subject.
    ///
    /// Panics if findings, summary and exit status do not tell the same.
    pub fn deviations(&self) -> BTreeSet<String> {
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
    pub fn expect(self, expected: i32) -> Ran {
        assert_eq!(self.status, expected, "{self:#?}");
        self
    }
}

/// The path that a finding is about, byte for byte. Panics if the text and the bytes disagree.
pub fn subject(finding: &Value) -> Vec<u8> {
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
pub fn readable(bytes: &[u8]) -> String {
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

/// The repository.
pub fn project() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tests/harness lies in it")
}

/// The binary under test: that of `AGENT_TEST_BINARY`, else the one of the profile that these tests were built with,
/// brought up to date by cargo.
pub fn agent_path() -> &'static str {
    static BUILT: LazyLock<String> = LazyLock::new(|| {
        if let Ok(path) = std::env::var("AGENT_TEST_BINARY") {
            return path;
        }
        // TARGET/PROFILE/deps/NAME-HASH, or TARGET/PROFILE/examples/NAME
        let itself = std::env::current_exe().expect("a path");
        let profile = itself.ancestors().nth(2).expect("a profile's directory");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "host-integrity-agent",
            "--target-dir",
        ]);
        cargo.arg(profile.parent().expect("a target directory"));
        // Cargo sets these for the package that is tested. ring's build script asks to run again when they change: the
        // TLS and AWS crates would be built anew after every build outside of a test.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(project()).status();
        assert!(built.is_ok_and(|status| status.success()), "{cargo:?}");
        let path = profile.join("agent").into_os_string();
        path.into_string().expect("UTF-8")
    });
    &BUILT
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
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
pub fn agent<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    run(Command::new(agent_path()).args(arguments))
}

/// Runs a line of shell in `directory`; it must succeed.
pub fn shell(directory: &Path, line: &str) -> String {
    let ran = run(Command::new("bash")
        .args(["-euc", line])
        .current_dir(directory));
    assert_eq!(ran.status, 0, "{line}: {ran:#?}");
    ran.stdout
}

/// A directory of the test's own, with a tree to check in `root` and everything else beside it.
pub struct Lab {
    directory: tempfile::TempDir,
}

/// The profile that labs use: everything below `/` with all attributes.
const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";

impl Lab {
    /// An empty tree under a profile that covers all of it.
    pub fn new() -> Lab {
        state::usual_modes();
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("root")).expect("the tree");
        let lab = Lab { directory };
        lab.profile(PROFILE);
        lab
    }

    /// The directory that holds tree, profile and manifest.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The tree.
    pub fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.path().join("manifest.mtree")
    }

    /// Replaces the profile.
    pub fn profile(&self, text: &str) {
        std::fs::write(self.path().join("profile.toml"), text).expect("the profile");
    }

    /// Runs a line of shell in the tree; it must succeed.
    pub fn shell(&self, line: &str) -> String {
        shell(&self.root(), line)
    }

    /// `agent baseline create` of the tree.
    pub fn create(&self) -> Ran {
        self.agent(&["baseline", "create"], &["--output", "manifest.mtree"])
    }

    /// `agent check --format json` of the tree, with further arguments.
    pub fn check(&self, more: &[&str]) -> Ran {
        let arguments = [&["--manifest", "manifest.mtree", "--format", "json"], more].concat();
        self.agent(&["check"], &arguments)
    }

    /// Runs a command of the agent in the lab's directory, on the lab's tree under its profile.
    pub fn agent(&self, command: &[&str], more: &[&str]) -> Ran {
        let arguments = [
            command,
            &["--root", "root", "--profile", "./profile.toml"],
            more,
        ]
        .concat();
        run(Command::new(agent_path())
            .args(files_alone(&arguments))
            .current_dir(self.path()))
    }
}

/// The arguments; a `check` that says nothing of `--only` judges files alone.
///
/// What sshd or the kernel of this machine demands is no matter of most tests.
pub fn files_alone<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = arguments.to_vec();
    if arguments.first() == Some(&"check") && !arguments.contains(&"--only") {
        arguments.extend(["--only", "files.*"]);
    }
    arguments
}

/// SHA-256 in hexadecimal, by a program that has nothing of ours in it.
pub fn sha256(bytes: &[u8]) -> String {
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
