//! `--report`, `--fail-on`, `--only`, `--color`, and what they do to the exit status.

use super::{settings, tree};
use harness::{Lab, agent, run};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

fn last_line(text: &str) -> Value {
    let line = text.lines().last().expect("a line");
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn what_was_not_judged_is_no_pass() {
    let lab = Lab::new();
    let only = ["--only", "sshd"];
    let text = lab.agent(&["check"], &only).expect(0).stdout;
    assert!(
        text.starts_with("NOT APPLICABLE  0 judged, 33 do not apply\n"),
        "{text}"
    );
    assert!(
        text.contains("0 passed, 0 failed; 0 unknown, 33 not applicable"),
        "{text}"
    );
    assert!(!text.contains("PASS"), "{text}");
    let summary = lab.agent(&["check"], &[&only[..], &["--format", "json"]].concat());
    let summary = summary.expect(0).summary();
    assert_eq!(summary["verdict"], "not_applicable", "{summary:#}");
    assert_eq!(summary["counts"]["not_applicable"], 33, "{summary:#}");
    // The area and the glob over it are the same.
    let whole = lab.agent(&["check"], &["--only", "sshd.*", "--format", "json"]);
    assert_eq!(whole.expect(0).summary()["counts"], summary["counts"]);
}

#[test]
fn a_glob_without_a_check_is_wrong_usage() {
    let lab = Lab::new();
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n[settings.\"sshd.banner\"]\nenabled = false\n");
    for only in ["ssh", "sshd.", "sshd.nosuch", "sshd.banner"] {
        let ran = lab.agent(&["check"], &["--only", only]).expect(2);
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains(only),
            "{ran:#?}"
        );
    }
    let ran = lab
        .agent(&["check"], &["--only", "sshd", "--format", "json"])
        .expect(0);
    let findings = ran.findings();
    assert_eq!(findings.len(), 32, "{ran:#?}");
    assert!(
        !findings.iter().any(|f| f["check"] == "sshd.banner"),
        "{ran:#?}"
    );
}

#[test]
fn several_reports_are_of_one_look() {
    let lab = tree();
    let formats = ["text", "json", "ocsf", "junit", "html", "sarif"];
    let files = formats.map(|format| format!("{format}:out.{format}"));
    let mut more: Vec<&str> = files.iter().flat_map(|file| ["--report", file]).collect();
    more.extend(["--report", "text:-"]);
    // A file is named once for each; standard output beside them.
    more.retain(|word| *word != "text:out.text");
    let place = more
        .iter()
        .position(|word| *word == "--report")
        .expect("one");
    more.remove(place);
    let ran = settings(&lab, &more).expect(1);
    let read = |format: &str| {
        let path = lab.path().join(format!("out.{format}"));
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{format}: {error}"))
    };
    let summary = last_line(&read("json"));
    let fails = summary["counts"]["fail"].as_u64().expect("a number");
    let lines = |verdict: &str| {
        let events = read("ocsf");
        let events = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events
            .filter(|event| event["unmapped"]["verdict"] == verdict)
            .count() as u64
    };
    assert!(fails > 5, "{summary:#}");
    assert_eq!(lines("fail"), fails);
    assert_eq!(read("junit").matches("<failure ").count() as u64, fails);
    assert_eq!(
        read("sarif").matches("\"kind\":\"fail\",\"level\"").count() as u64,
        fails
    );
    for text in [&ran.stdout, &read("html")] {
        assert!(text.contains(&format!("{fails} deviations")), "{text}");
    }
    assert!(ran.stdout.starts_with("FAIL"), "{}", ran.stdout);
}

#[test]
fn a_report_that_cannot_be_is_wrong_usage() {
    let lab = tree();
    for more in [
        &["--report", "text"][..],
        &["--report", "text:"],
        &["--report", "xml:-"],
        &["--report", ":-"],
        &["--report", "text:-", "--report", "json:-"],
        &["--report", "text:a", "--report", "json:a"],
        &["--report", "text:-", "--format", "json"],
        &["--report", "text:-", "--output", "a"],
        &["--report", "text:-", "--report", "json:nowhere/a"],
        &["--fail-on", "worst"],
        &["--fail-on"],
        &["--color", "sometimes"],
    ] {
        let ran = settings(&lab, more).expect(2);
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{more:?}: {ran:#?}"
        );
    }
    assert!(!lab.path().join("a").exists());
}

#[test]
fn what_is_less_severe_is_told_and_moves_no_exit_status() {
    let lab = tree();
    let only = ["--only", "sshd.x11_forwarding"];
    for (least, exit) in [("low", 1), ("medium", 1), ("high", 0), ("critical", 0)] {
        let more = [&only[..], &["--fail-on", least]].concat();
        let json = lab.agent(&["check"], &[&more[..], &["--format", "json"]].concat());
        let summary = json.expect(exit).summary();
        assert_eq!(summary["exit"], exit, "{summary:#}");
        assert_eq!(summary["fail_on"], least, "{summary:#}");
        assert_eq!(
            (&summary["verdict"], &summary["counts"]["fail"]),
            (&json!("fail"), &json!(1)),
            "{summary:#}"
        );
        let text = lab.agent(&["check"], &more).expect(exit).stdout;
        assert!(text.starts_with("FAIL  1 deviation: 1 medium\n"), "{text}");
        assert!(text.contains(&format!("--fail-on {least}")), "{text}");
        assert!(text.contains("sshd.x11_forwarding"), "{text}");
        // Something deviates, so that --quiet is not silent.
        let quiet = lab.agent(&["check"], &[&more[..], &["--quiet"]].concat());
        assert!(quiet.expect(exit).stdout.contains("sshd.x11_forwarding"));
    }
}

#[test]
fn no_limit_spares_the_agents_own_trust() {
    let lab = Lab::new();
    lab.shell("mkdir etc; echo 1 > etc/a");
    lab.create().expect(0);
    let spare = ["--fail-on", "critical"];
    lab.check(&spare).expect(0);
    lab.shell("echo 2 > etc/a");
    lab.check(&spare).expect(0);
    lab.check(&["--fail-on", "high"]).expect(1);
    // A launch record of another manifest.
    lab.shell("cp ../manifest.mtree ../launch.mtree");
    let ran = lab
        .check(&["--launch", "launch.mtree", "--fail-on", "critical"])
        .expect(1);
    assert!(
        ran.findings()
            .iter()
            .any(|f| f["check"] == "files.launch_record"),
        "{ran:#?}"
    );
    // A weakened profile.
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n[[exclude]]\npath = \"/etc/a\"\nreason = \"r\"\n");
    let ran = lab.check(&spare).expect(1);
    let found = ran.one("files.profile", "/etc/a");
    assert_eq!(found["verdict"], "fail", "{found:#}");
    // A seal that nobody can check.
    let lab = Lab::new();
    lab.create().expect(0);
    lab.shell("ssh-keygen -q -t ed25519 -N '' -f ../key; ssh-keygen -q -Y sign -n host-integrity-agent -f ../key ../manifest.mtree 2>/dev/null");
    lab.check(&spare).expect(3);
    lab.shell("printf 'x %s\\n' \"$(ssh-keygen -q -t ed25519 -N '' -f ../other; cut -d' ' -f1,2 ../other.pub)\" > ../signers");
    lab.check(&["--trust", "signers", "--fail-on", "critical"])
        .expect(4);
}

#[test]
fn colour_is_there_where_it_was_asked_for() {
    let lab = tree();
    let escape = '\x1b';
    for (more, coloured) in [
        (&[][..], false),
        (&["--color", "auto"], false),
        (&["--color", "always"], true),
        (&["--color", "never"], false),
    ] {
        let ran = settings(&lab, more).expect(1);
        assert_eq!(ran.stdout.contains(escape), coloured, "{more:?}: {ran:#?}");
    }
    let more = ["--color", "always", "--output", "report.txt"];
    settings(&lab, &more).expect(1);
    let text = fs::read_to_string(lab.path().join("report.txt")).expect("a report");
    assert!(text.contains(escape), "{text}");
}

#[test]
fn a_profile_that_does_not_fit_is_noted() {
    let lab = tree();
    let notes = |profile: &str| {
        let root = lab.root();
        let root = root.to_str().expect("UTF-8");
        let ran = agent([
            "check",
            "--root",
            root,
            "--profile",
            profile,
            "--only",
            "accounts",
            "--format",
            "json",
        ]);
        ran.expect(1).summary()["notes"].to_string()
    };
    assert_eq!(notes("debian-12"), "[]");
    assert_eq!(notes("auto"), "[]");
    let told = notes("rhel-9");
    assert!(
        told.contains("rhel 9") && told.contains("debian 12"),
        "{told}"
    );
    lab.shell("printf 'ID=plan9\\nVERSION_ID=4\\n' > etc/os-release");
    let told = notes("auto");
    assert!(
        told.contains("plan9 4") && told.contains("default"),
        "{told}"
    );
    assert_eq!(notes("default"), "[]");
}

#[test]
fn an_ordinary_users_look_says_so() {
    let lab = tree();
    lab.shell("chmod 755 ..; chmod 600 etc/shadow");
    let binary = lab.path().join("agent");
    fs::copy(harness::agent_path(), &binary).expect("a copy");
    let look = |uid: &str| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", uid, "--regid", uid, "--clear-groups"])
            .arg(&binary);
        command
            .args(["check", "--root"])
            .arg(lab.root())
            .args(["--only", "accounts", "--format", "json"]);
        run(&mut command).summary()
    };
    assert!(!look("0")["notes"].to_string().contains("not run as root"));
    let told = look("65534");
    assert!(
        told["notes"]
            .to_string()
            .contains("not run as root but as uid 65534"),
        "{told:#}"
    );
    assert_ne!(told["counts"]["unknown"], 0, "{told:#}");
}

#[test]
fn every_script_says_what_it_does_and_does_nothing() {
    let project = harness::project();
    let listed = run(Command::new("git")
        .args(["ls-files", "-s"])
        .current_dir(project))
    .stdout;
    let scripts: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("100755"))
        .filter_map(|line| line.split('\t').nth(1))
        // dpkg calls these, and nobody else.
        .filter(|path| !path.starts_with("packaging/deb/"))
        .collect();
    for wanted in [
        "tests/run",
        "tests/image",
        "packaging/build",
        "packaging/test",
        "benches/peers.sh",
    ] {
        assert!(scripts.contains(&wanted), "{wanted}: {scripts:?}");
    }
    for script in scripts {
        // Without cargo, apt and whatever else a script may call beyond what prints.
        let tools = tempfile::tempdir().expect("a directory");
        for tool in ["bash", "sh", "awk", "cat", "env", "python3", "sed"] {
            let line = format!(
                "ln -s \"$(PATH=/usr/bin:/bin command -v {tool})\" {}",
                tools.path().display()
            );
            harness::shell(project, &line);
        }
        let mut command = Command::new(project.join(script));
        command
            .arg("--help")
            .env("PATH", tools.path())
            .current_dir("/");
        let ran = run(&mut command);
        assert_eq!(
            (ran.status, ran.stderr.as_str()),
            (0, ""),
            "{script}: {ran:#?}"
        );
        assert!(
            ran.stdout.lines().count() > 0 && ran.stdout.len() > 40,
            "{script}: {ran:#?}"
        );
    }
}
