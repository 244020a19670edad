//! Documents that are made of what the agent itself says, and are as old as it is.

use harness::{agent_path, project, run};
use std::process::Command;

#[test]
fn the_list_of_checks_is_what_the_agent_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut make = Command::new("python3");
    make.arg(project().join("docs/make"))
        .args(["--agent", agent_path(), "--out"])
        .arg(directory.path())
        .arg("checks");
    run(&mut make).expect(0);
    let made = std::fs::read_to_string(directory.path().join("checks.md")).expect("made");
    let kept = std::fs::read_to_string(project().join("docs/checks.md")).expect("kept");
    assert!(
        made == kept,
        "docs/checks.md is not what the agent says: docs/make checks"
    );
    assert!(made.matches("\n### ").count() > 80, "{made}");
}

#[test]
fn links_of_documents_lead_somewhere() {
    let read = "
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
def anchors(text):
    titles = re.findall(r'^#+ +(.*)$', re.sub(r'^```.*?^```', '', text, flags=re.S | re.M), flags=re.M)
    return {re.sub(r'[^\\w\\- ]', '', title.lower()).replace(' ', '-') for title in titles}
wrong = []
for page in [*root.glob('*.md'), *root.glob('docs/*.md'), *root.glob('packaging/**/*.md')]:
    for target in re.findall(r'\\]\\(([^)\\s]+)\\)', page.read_text()):
        if re.match(r'[a-z]+:', target):
            continue
        path, _, anchor = target.partition('#')
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or anchor and there.suffix == '.md' and anchor not in anchors(there.read_text()):
            wrong.append(f'{page.relative_to(root)}: {target}')
print('\\n'.join(wrong))
";
    let told = run(Command::new("python3").args(["-c", read]).arg(project())).expect(0);
    assert_eq!(told.stdout.trim(), "");
}
