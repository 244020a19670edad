//! A profile that demands less than the one the manifest was made under does not hide behind a good seal:
//! it fails once for each cause, and what deviates is found all the same.

use harness::{Lab, shell};

/// What was in force when the image was recorded.
const SEALED: &str = r#"
name = "sealed"
[[paths]]
path = "/etc"
severity = "critical"
cross_mounts = true
[[paths]]
path = "/etc/cron"
severity = "high"
cross_mounts = true
[[paths]]
path = "/usr"
severity = "high"
attributes = ["mode", "sha256"]
[[paths]]
path = "/etc/hosts"
severity = "high"
launch = "record"
[[exclude]]
path = "/etc/log/**"
reason = "logs"
"#;

/// A recorded and sealed tree in which four files have changed since, and one came.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc/cron etc/log usr/bin srv
         for file in etc/passwd etc/cron/daily etc/hosts etc/log/boot usr/bin/ls srv/www; do
             echo one > $file; touch -d @1000000000 $file; done",
    );
    lab.profile(SEALED);
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers",
    );
    lab.agent(
        &["baseline", "create"],
        &["--output", "manifest.mtree", "--sign-key", "key"],
    )
    .expect(0);
    lab.check(&TRUST).expect(0);
    lab.shell(
        "for file in etc/passwd etc/cron/daily etc/hosts usr/bin/ls etc/log/boot srv/www; do
             echo two > $file; touch -d @1000000000 $file; done; echo new > etc/cron/new",
    );
    lab
}

const TRUST: [&str; 2] = ["--trust", "signers"];

/// What deviates, whatever the profile says of it later.
const DEVIATIONS: [&str; 5] = [
    "fail files.added /etc/cron/new",
    "fail files.changed /etc/cron/daily sha256",
    "fail files.changed /etc/hosts sha256",
    "fail files.changed /etc/passwd sha256",
    "fail files.changed /usr/bin/ls sha256",
];

#[test]
fn the_sealed_profile_itself_weakens_nothing() {
    let lab = lab();
    assert_eq!(lab.check(&TRUST).expect(1).told(), DEVIATIONS);
}

/// What is weakened, the present profile, and of each failure the first path and words of the message.
type Case = (&'static str, String, Vec<(&'static str, &'static str)>);

#[test]
fn each_weakening_fails_once_and_hides_nothing() {
    let exclude =
        |path: &str| format!("{SEALED}\n[[exclude]]\npath = \"{path}\"\nreason = \"quiet\"\n");
    let entry = |text: &str| format!("{SEALED}\n[[paths]]\n{text}\n");
    let replace = |from: &str, to: &str| {
        assert!(SEALED.contains(from), "{from}");
        SEALED.replacen(from, to, 1)
    };
    let etc = "path = \"/etc\"\nseverity = \"critical\"\n";
    let usr =
        "[[paths]]\npath = \"/usr\"\nseverity = \"high\"\nattributes = [\"mode\", \"sha256\"]\n";
    let cases: Vec<Case> = vec![
        ("a file excluded", exclude("/etc/passwd"), vec![("/etc/passwd", "excludes /etc/passwd")]),
        ("a directory excluded", exclude("/etc/cron"), vec![("/etc/cron", "excludes /etc/cron")]),
        ("all below excluded", exclude("/etc/**"), vec![("/etc/cron", "excludes /etc/**")]),
        ("names excluded anywhere", exclude("/**/ls"), vec![("/usr/bin/ls", "excludes /**/ls")]),
        (
            "two excludes",
            exclude("/usr/**") + "[[exclude]]\npath = \"/etc/cron/**\"\nreason = \"quiet\"\n",
            vec![("/etc/cron/daily", "/etc/cron/**"), ("/usr/bin", "/usr/**")],
        ),
        ("an entry dropped", replace(usr, ""), vec![("/usr", "no entry of the profile covers")]),
        (
            "all but one entry dropped",
            "name = \"little\"\n[[paths]]\npath = \"/etc/hosts\"\nseverity = \"high\"\nlaunch = \"record\"\n".into(),
            vec![("/etc", "/etc does"), ("/etc/cron", "/etc/cron does"), ("/usr", "/usr does")],
        ),
        (
            "fewer attributes",
            replace(etc, &format!("{etc}attributes = \"content\"\n")),
            vec![("/etc", "fewer attributes")],
        ),
        (
            "one attribute fewer",
            replace("\"mode\", \"sha256\"", "\"mode\""),
            vec![("/usr", "fewer attributes")],
        ),
        (
            "fewer attributes of one file",
            entry("path = \"/etc/passwd\"\nseverity = \"high\"\nattributes = [\"type\"]\ncross_mounts = true"),
            vec![("/etc/passwd", "fewer attributes")],
        ),
        (
            "mounts no longer crossed",
            replace(&format!("{etc}cross_mounts = true\n"), etc),
            vec![("/etc", "does not cross mounts")],
        ),
        (
            "the first boot may change more",
            replace(etc, &format!("{etc}launch = \"record\"\n")),
            vec![("/etc", "lets the first boot change it")],
        ),
        (
            "all of it in one entry",
            replace(
                &format!("{etc}cross_mounts = true\n"),
                &format!("{etc}attributes = [\"type\"]\nlaunch = \"record\"\n"),
            ),
            vec![("/etc", "")],
        ),
    ];
    for (name, profile, weaker) in cases {
        let lab = lab();
        lab.profile(&profile);
        let ran = lab.check(&TRUST).expect(1);
        let mut expected: Vec<String> = DEVIATIONS.iter().map(|told| (*told).to_owned()).collect();
        expected.extend(
            weaker
                .iter()
                .map(|(path, _)| format!("fail files.profile {path}")),
        );
        expected.sort();
        assert_eq!(ran.told(), expected, "{name}");
        for (path, words) in weaker {
            let message = ran.one("files.profile", path)["message"].clone();
            let message = message.as_str().expect("text");
            assert!(message.contains(words), "{name}: {message}");
        }
        // On a tree in which nothing deviates the weakening alone fails.
        lab.shell(
            "for file in etc/passwd etc/cron/daily etc/hosts usr/bin/ls; do
                 echo one > $file; touch -d @1000000000 $file; done; rm etc/cron/new",
        );
        let told = lab.check(&TRUST).expect(1).told();
        let found: Vec<&String> = told
            .iter()
            .filter(|told| !told.contains("files.profile"))
            .collect();
        // That the entry came and went has changed its directory.
        assert!(
            found
                .iter()
                .all(|told| *told == "fail files.changed /etc/cron mtime"),
            "{name}: {told:?}"
        );
    }
}

/// Demanding more is no weakening, but what was not recorded cannot be judged: coverage is incomplete.
#[test]
fn a_profile_that_covers_more_is_unknown() {
    let more = |text: &str| format!("{SEALED}\n{text}");
    let cases = [
        (
            "another tree",
            more("[[paths]]\npath = \"/srv\"\nseverity = \"low\""),
            "/srv",
            "low",
        ),
        (
            "a file of another tree",
            more("[[paths]]\npath = \"/var/x\"\nseverity = \"medium\""),
            "/var/x",
            "medium",
        ),
        (
            "everything",
            more("[[paths]]\npath = \"/\"\nseverity = \"high\""),
            "/",
            "high",
        ),
        (
            "more attributes",
            SEALED.replacen("attributes = [\"mode\", \"sha256\"]\n", "", 1),
            "/usr",
            "high",
        ),
        (
            "more attributes of one file",
            more("[[paths]]\npath = \"/usr/bin/ls\"\nseverity = \"critical\""),
            "/usr/bin/ls",
            "critical",
        ),
        (
            "an exclude dropped",
            SEALED.replacen(
                "[[exclude]]\npath = \"/etc/log/**\"\nreason = \"logs\"\n",
                "",
                1,
            ),
            "/etc/log/**",
            "critical",
        ),
        (
            "an exclude made smaller",
            SEALED.replacen("/etc/log/**", "/etc/log/*.gz", 1),
            "/etc/log/**",
            "critical",
        ),
    ];
    for (name, profile, subject, severity) in cases {
        let lab = lab();
        lab.profile(&profile);
        let mut expected: Vec<String> = DEVIATIONS.iter().map(|told| (*told).to_owned()).collect();
        expected.push(format!("unknown files.profile {subject}"));
        let ran = lab.check(&TRUST).expect(1);
        assert_eq!(ran.told(), expected, "{name}");
        assert_eq!(
            ran.one("files.profile", subject)["severity"],
            severity,
            "{name}"
        );
        let ran = lab
            .check(&["--trust", "signers", "--only", "files.profile"])
            .expect(3);
        assert_eq!(ran.summary()["verdict"], "unknown", "{name}");
    }
    // The same and more excludes of what never was covered: nothing to say.
    let lab = lab();
    lab.profile(&more(
        "[[exclude]]\npath = \"/srv/**\"\nreason = \"not ours\"",
    ));
    assert_eq!(lab.check(&TRUST).expect(1).told(), DEVIATIONS);
}

/// How much a deviation matters is said by the sealed profile; the one in force may raise it, and cannot lower it.
#[test]
fn severities_can_be_raised_alone() {
    let lab = lab();
    let severity = |subject: &str| {
        let ran = lab.check(&TRUST).expect(1);
        ran.one("files.changed", subject)["severity"]
            .as_str()
            .expect("a severity")
            .to_owned()
    };
    assert_eq!(
        [severity("/etc/passwd"), severity("/usr/bin/ls")],
        ["critical", "high"]
    );
    lab.profile(
        &SEALED
            .replace("\"critical\"", "\"low\"")
            .replace("\"high\"", "\"medium\""),
    );
    assert_eq!(
        [severity("/etc/passwd"), severity("/usr/bin/ls")],
        ["critical", "high"]
    );
    lab.profile(&SEALED.replace("\"high\"", "\"critical\""));
    assert_eq!(severity("/usr/bin/ls"), "critical");
    assert_eq!(lab.check(&TRUST).told(), DEVIATIONS);
    lab.profile(&format!(
        "{SEALED}\n[[exclude]]\npath = \"/etc/**\"\nreason = \"quiet\"\n"
    ));
    assert_eq!(
        [severity("/etc/passwd"), severity("/usr/bin/ls")],
        ["critical", "high"]
    );
    // The same under another name is the same.
    lab.profile(&SEALED.replace("name = \"sealed\"", "name = \"renamed\""));
    assert_eq!(lab.check(&TRUST).expect(1).told(), DEVIATIONS);
}

/// A launch record does not profit from a mark that the manifest's profile did not have.
#[test]
fn a_mark_added_later_excuses_nothing() {
    let lab = lab();
    lab.shell("echo 0123456789abcdef0123456789abcdef > etc/machine-id");
    lab.profile(&SEALED.replacen(
        "severity = \"critical\"\n",
        "severity = \"critical\"\nlaunch = \"record\"\n",
        1,
    ));
    let launch = ["--manifest", "manifest.mtree", "--output", "record"];
    lab.agent(&["baseline", "launch"], &launch).expect(0);
    let record = std::fs::read_to_string(lab.path().join("record")).expect("text");
    assert!(
        record.contains("./etc/hosts ") && !record.contains("./etc/passwd "),
        "{record}"
    );
    let told = lab
        .check(&["--trust", "signers", "--launch", "record"])
        .expect(1)
        .told();
    assert!(told.contains(&DEVIATIONS[3].to_owned()), "{told:?}");
    assert!(
        told.contains(&"fail files.profile /etc".to_owned()),
        "{told:?}"
    );
    assert!(
        !told.iter().any(|told| told.contains("/etc/hosts")),
        "{told:?}"
    );
}
