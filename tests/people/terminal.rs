//! What a terminal shows: lines within its width, and nothing left of the progress after an interrupt.

use super::tree;
use harness::{Lab, agent_path, run};
use serde_json::Value;
use std::process::Command;

/// Runs a program on a terminal of so many columns; prints as JSON what it wrote, and how it ended. With a word as the
/// last of its own arguments it interrupts the program once that was written.
const TERMINAL: &str = r"
import fcntl, json, os, pty, signal, struct, sys, termios
columns, word, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ['TERM'] = 'xterm'
    os.execv(command[0], command)
written, at = b'', -1
while True:
    try:
        some = os.read(terminal, 65536)
    except OSError:
        break
    if not some:
        break
    written += some
    if word and at < 0 and word in written:
        at = len(written)
        os.write(terminal, b'\x03')
status = os.waitpid(pid, 0)[1]
print(json.dumps({'written': written.decode(), 'signal': status & 0x7f, 'exit': status >> 8}))
";

fn on_terminal(lab: &Lab, columns: u16, interrupt_at: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new("python3");
    command.args([
        "-c",
        TERMINAL,
        &columns.to_string(),
        interrupt_at,
        agent_path(),
    ]);
    command
        .args(arguments)
        .current_dir(lab.path())
        .env_remove("NO_COLOR");
    serde_json::from_str(&run(&mut command).expect(0).stdout).expect("JSON")
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain += &rest[..at];
        rest = rest[at..].split_once('m').map_or("", |(_, behind)| behind);
    }
    (plain + rest).replace('\r', "")
}

#[test]
fn a_report_fits_its_terminal_and_no_word_is_broken() {
    let lab = tree();
    let report = [
        "check",
        "--root",
        "root",
        "--profile",
        "debian-12",
        "--no-progress",
    ];
    let piped = run(Command::new(agent_path())
        .args(report)
        .current_dir(lab.path())
        .env_remove("NO_COLOR"));
    let words = |text: &str| -> Vec<String> {
        // Times differ from run to run.
        let words = text
            .split_whitespace()
            .filter(|word| !word.contains("Z,") && word.parse::<f64>().is_err());
        words.map(str::to_owned).collect()
    };
    for columns in [80, 200] {
        let shown = on_terminal(&lab, columns, "", &report);
        assert_eq!(shown["exit"], 1, "{shown:#}");
        let text = shown["written"].as_str().expect("text");
        assert!(text.contains("\x1b[1;31mFAIL\x1b[0m"), "colours: {text}");
        let text = plain(text);
        for line in text.lines() {
            let long = line.trim_start().split(' ').count() > 1;
            assert!(
                line.chars().count() <= usize::from(columns) || !long,
                "{columns}: {line}"
            );
        }
        // One screen with the prompt on it, the worst first.
        assert!(text.lines().count() < 24, "{text}");
        assert!(
            text.lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("First     see to ")),
            "{text}"
        );
        // What was left out for that is marked, and nothing else was.
        let (shown, all) = (words(&text), words(&piped.stdout));
        assert_eq!(shown == all, !text.contains('…'), "{text}");
        assert!(columns < 200 || shown == all, "{text}");
    }
    for line in piped.stdout.lines() {
        assert!(!line.starts_with("   "), "a pipe is not wrapped: {line}");
    }
}

#[test]
fn an_interrupt_leaves_no_progress_behind() {
    let lab = Lab::new();
    lab.shell("for i in $(seq 30); do head -c 1000000 /dev/zero > $i; done");
    lab.create().expect(0);
    let check = [
        "check",
        "--root",
        "root",
        "--profile",
        "./profile.toml",
        "--manifest",
        "manifest.mtree",
        "--only",
        "files.*",
        "--max-rate",
        "100K",
    ];
    let shown = on_terminal(&lab, 80, "paths", &check);
    assert_eq!(
        shown["signal"], 2,
        "as if there were no progress: {shown:#}"
    );
    let text = shown["written"].as_str().expect("text");
    assert!(
        text.trim_end_matches("^C").ends_with("\r\x1b[K"),
        "{text:?}"
    );
}
