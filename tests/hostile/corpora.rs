//! Every command over what `fuzz/corpus` holds, each file also where another kind is expected: an exit status of the
//! contract, and never the words of a fault.

use harness::{Lab, agent_path, defined, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The corpus that a command's kind of file is in, and the command; `FILE` stands for the input.
const COMMANDS: &[(&str, &str)] = &[
    (
        "manifest",
        "check --root root --profile ./profile.toml --only files.* --manifest FILE",
    ),
    (
        "manifest",
        "check --root root --profile ./profile.toml --only files.* --launch FILE",
    ),
    ("manifest", "baseline verify FILE"),
    ("manifest", "baseline diff FILE FILE"),
    ("manifest", "baseline export FILE --format json"),
    (
        "signers",
        "check --root root --profile ./profile.toml --only files.* --trust FILE",
    ),
    ("profile", "profile validate FILE"),
    ("profile", "check --root root --profile FILE --only files.*"),
    ("config", "config validate FILE"),
    ("log", "log verify FILE"),
    ("sshd", "sshd-effective -T -f FILE"),
];

fn corpus(name: &str) -> Vec<PathBuf> {
    let place = project().join("fuzz/corpus").join(name);
    let entries = fs::read_dir(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// The inputs of a command: its own corpus, and of each other one the first.
fn inputs(own: &str) -> Vec<PathBuf> {
    let mut found = corpus(own);
    for entry in fs::read_dir(project().join("fuzz/corpus")).expect("corpora") {
        let name = entry.expect("an entry").file_name();
        if name != own {
            found.extend(corpus(&name.to_string_lossy()).into_iter().next());
        }
    }
    found
}

fn ends(lab: &Path, command: &str, input: &Path) -> Result<(), String> {
    let input = input.to_string_lossy();
    let words = command.split(' ').map(|word| match word {
        "FILE" => input.as_ref(),
        word => word,
    });
    let mut run = Command::new(agent_path());
    run.args(words).current_dir(lab).stdin(Stdio::null());
    let ran = defined(&run).output().expect("the agent");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    let honest = ran
        .status
        .code()
        .is_some_and(|code| (0..=4).contains(&code));
    match honest && !stderr.contains("a fault of the agent") {
        true => Ok(()),
        false => Err(format!("{command} of {input}: {:?} {stderr}", ran.status)),
    }
}

#[test]
fn every_command_ends_honestly_on_every_input() {
    let lab = Lab::new();
    lab.shell("mkdir -p etc; printf 'ID=debian\\nVERSION_ID=12\\n' > etc/os-release");
    let all = COMMANDS
        .iter()
        .flat_map(|(own, command)| inputs(own).into_iter().map(move |input| (*command, input)));
    let all: Vec<(&str, PathBuf)> = all.collect();
    assert!(all.len() > 200, "{}", all.len());
    let next = Mutex::new(all.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((command, input)) = next.lock().expect("no panic").next() else {
                        return;
                    };
                    let ended = ends(lab.path(), command, input);
                    wrong.lock().expect("no panic").extend(ended.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
