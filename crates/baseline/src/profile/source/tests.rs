use super::*;

fn refused(text: &str) -> (Option<u64>, String) {
    let error = Source::parse(text, Path::new("p.toml")).expect_err("refused");
    (error.line, error.message)
}

#[test]
fn errors_name_line_and_key() {
    let cases = [
        ("name = \"x\"\nsurprise = 1\n", 2, "surprise"),
        (
            "name = \"x\"\n[[paths]]\npath = \"usr\"\nseverity = \"low\"\n",
            3,
            "absolute",
        ),
        (
            "name = \"x\"\n[[paths]]\npath = \"/usr\"\nseverity = \"hot\"\n",
            4,
            "hot",
        ),
        (
            "name = \"x\"\n[[paths]]\npath = \"/u\"\nseverity = \"low\"\nattributes = [\"sha1\"]\n",
            5,
            "sha1",
        ),
        (
            "name = \"x\"\n[[paths]]\npath = \"/u\"\nseverity = \"low\"\nlaunch = \"yes\"\n",
            5,
            "record",
        ),
        (
            "name = \"x\"\n[[exclude]]\npath = \"/a**b\"\nreason = \"r\"\n",
            3,
            "**",
        ),
        (
            "name = \"x\"\n[[exclude]]\npath = \"/a\"\nreason = \" \"\n",
            4,
            "reason",
        ),
        (
            "name = \"x\"\n[settings]\nshd_explicit = true\n",
            3,
            "shd_explicit",
        ),
        (
            "name = \"x\"\n[settings]\n[settings.\"files.changed\"]\nenabled = false\n",
            3,
            "files.changed",
        ),
        (
            "name = \"x\"\n[settings]\n[settings.\"sshd.x\"]\nlevel = 1\n",
            3,
            "level",
        ),
        ("name = \"a b\"\n", 1, "name"),
        ("name = 3\n", 1, "string"),
        (
            "name = \"x\"\n[[paths]]\npath = \"/u\"\nseverity = \"low\"\n[[paths]]\npath = \"/u\"\nseverity = \"low\"\n",
            6,
            "twice",
        ),
    ];
    for (text, line, word) in cases {
        let (at, message) = refused(text);
        assert_eq!(at, Some(line), "{text}: {message}");
        assert!(message.contains(word), "{text}: {message}");
    }
}

#[test]
fn versions_match_by_parts() {
    let wanted = AppliesTo {
        id: "rhel".into(),
        version_id: Some("9".into()),
    };
    let release = |id: &str, version: &str, like: &str| OsRelease {
        id: id.into(),
        version_id: version.into(),
        id_like: like.split_whitespace().map(str::to_owned).collect(),
        ..OsRelease::default()
    };
    assert!(wanted.matches(&release("rhel", "9.4", "fedora")));
    assert!(wanted.matches(&release("rocky", "9.4", "rhel centos fedora")));
    assert!(!wanted.matches(&release("rhel", "90", "")));
    assert!(!wanted.matches(&release("debian", "9", "")));
}

#[test]
fn more_entries_than_may_be_compared_are_refused() {
    let most = bounds::RULES;
    let kinds = [
        ("[[exclude]]\npath = \"/x\"\nreason = \"x\"\n", "entries"),
        ("[[paths]]\npath = \"/x\"\nseverity = \"low\"\n", "entries"),
        (
            "[[waivers]]\ncheck = \"a.b\"\nsubject = \"x\"\nreason = \"x\"\nowner = \"x\"\nuntil = \"2027-01-01\"\n",
            "waivers",
        ),
    ];
    for (entry, noun) in kinds {
        let (_, message) = refused(&format!("name = \"x\"\n{}", entry.repeat(most + 1)));
        assert_eq!(message, format!("more than {most} {noun}"), "{entry}");
    }
}
