//! Completions and man pages, read by the programs that they are made for.

use harness::{agent, agent_path, run, shell};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Commands as `--help` lists them, all the way down: `["baseline", "create"]`.
fn commands(above: &[String], found: &mut Vec<Vec<String>>) {
    let mut arguments = above.to_vec();
    arguments.push("--help".into());
    let help = agent(&arguments).expect(0).stdout;
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    for line in listed {
        // What is indented further continues the line before it.
        let Some(name) = line.strip_prefix("  ").filter(|l| !l.starts_with(' ')) else {
            continue;
        };
        let name = name.split(' ').next().expect("a name").to_owned();
        let path = [above, &[name]].concat();
        commands(&path, found);
        found.push(path);
    }
}

#[test]
fn every_shell_can_read_its_completions() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, check) in [("bash", "bash -n"), ("zsh", "zsh -n"), ("fish", "fish -n")] {
        let text = agent(["completions", name]).expect(0).stdout;
        std::fs::write(directory.path().join(name), text).expect("a file");
        shell(directory.path(), &format!("{check} {name}"));
    }
    for (line, expected) in [
        ("agent bas", "baseline"),
        ("agent baseline cr", "create"),
        ("agent check --form", "--format"),
        ("agent check --format js", "json"),
        ("agent completions zs", "zsh"),
    ] {
        let script = format!(
            "source ./bash
             read -r -a COMP_WORDS <<< '{line}'; COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
             _agent agent \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        assert_eq!(shell(directory.path(), &script).trim(), expected, "{line}");
        let script = format!("fish -c \"source ./fish; complete -C '{line}'\" | cut -f1");
        assert_eq!(
            shell(directory.path(), &script).trim(),
            expected,
            "fish: {line}"
        );
    }
    agent(["completions", "tcsh"]).expect(2);
}

fn pages(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("readable");
    entries
        .map(|entry| {
            let name = entry.expect("readable").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect()
}

#[test]
fn every_command_has_a_page_that_mandoc_reads() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    let ran = run(Command::new(agent_path())
        .arg("man")
        .arg(place)
        .env("SOURCE_DATE_EPOCH", "86400"))
    .expect(0);
    assert_eq!(ran.stderr, "");

    let mut all = Vec::new();
    commands(&[], &mut all);
    assert!(all.len() > 12, "{all:?}");
    let mut expected = BTreeSet::from(["agent.1".to_owned()]);
    expected.extend(all.iter().map(|path| format!("agent-{}.1", path.join("-"))));
    assert_eq!(pages(place), expected);

    // Empty paragraphs before lists of values are clap_mangen's; nobody sees them.
    let complaints = shell(
        place,
        "mandoc -T lint -W warning *.1 | grep -v 'skipping paragraph macro: br' || true",
    );
    assert_eq!(complaints, "");
    let page = shell(place, "mandoc -T utf8 agent-check.1 | col -b");
    for expected in [
        "agent-check - Compare the host",
        "--root <DIR>",
        "EXIT STATUS",
        "could not be judged",
        "1970-01-02",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let page = shell(place, "mandoc -T utf8 agent.1 | col -b");
    for expected in ["agent-check(1)", "/etc/host-integrity-agent/agent.toml"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
}

#[test]
fn pages_go_to_a_directory_that_is_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for place in [directory.path().join("nosuch"), file] {
        let ran = agent(["man".as_ref(), place.as_os_str()]).expect(2);
        assert!(ran.stderr.contains("is no directory"), "{ran:#?}");
    }
}
