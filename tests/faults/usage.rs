//! Wrong usage, profiles and configurations: exit 2, nothing on standard output, and a message that names
//! file, line and key, or the option.

use harness::{Lab, Ran, agent, agent_path, run};
use std::fs;
use std::process::Command;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("echo one > one");
    lab.create().expect(0);
    lab.shell("echo two >> one; echo new > new");
    lab
}

fn plain(lab: &Lab, arguments: &[&str]) -> Ran {
    run(Command::new(agent_path())
        .args(arguments)
        .current_dir(lab.path()))
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn options_that_make_no_sense() {
    let lab = lab();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--max-rate", "0"], &["--max-rate", "more than nothing"]),
        (&["--max-rate", ""], &["--max-rate"]),
        (&["--max-rate", "-1"], &["-1"]),
        (&["--max-rate", "1.5M"], &["--max-rate", "1.5M"]),
        (&["--max-rate", "10 M"], &["--max-rate", "10 M"]),
        (&["--max-rate", "5T"], &["--max-rate", "5T"]),
        (&["--max-rate", "10MB"], &["--max-rate", "10MB"]),
        (&["--max-rate", "1k"], &["--max-rate", "1k"]),
        (&["--max-rate", "99999999999999999999"], &["--max-rate"]),
        (&["--max-rate", "18014398509481984K"], &["--max-rate"]),
        (&["--threads", "0"], &["--threads"]),
        (&["--threads", "many"], &["--threads"]),
        (
            &["--only", "nothing.*"],
            &["--only", "nothing.*", "matches no check"],
        ),
        (
            &["--only", "files.*", "--only", "Files.*"],
            &["--only", "Files.*"],
        ),
        (&["--only", ""], &["--only"]),
        (&["--quiet", "--verbose"], &["--quiet", "--verbose"]),
        (&["--launch", "absent"], &["absent", "launch record"]),
        (&["--trust", "absent"], &["absent", "signers"]),
        (&["--config", "absent"], &["absent", "configuration"]),
        (&["--unheard-of"], &["--unheard-of"]),
        (&["extra"], &["extra"]),
    ];
    for (arguments, words) in cases {
        let ran = lab.check(arguments).silent();
        assert_eq!(ran.status, 2, "{arguments:?}: {ran:#?}");
        ran.complains(words);
    }
    let others: &[(&[&str], &[&str])] = &[
        (&[], &["Usage"]),
        (&["baseline"], &["Usage"]),
        (&["baseline", "create"], &["--output"]),
        (&["baseline", "launch", "--again"], &["--reason"]),
        (&["baseline", "launch", "--reason", "why"], &["--again"]),
        (&["baseline", "verify", "absent"], &["absent", "manifest"]),
        (&["baseline", "verify"], &["FILE"]),
        (&["baseline", "diff", "manifest.mtree"], &["NEW"]),
        (
            &["baseline", "diff", "manifest.mtree", "absent"],
            &["absent"],
        ),
        (
            &["baseline", "export", "manifest.mtree", "--format", "csv"],
            &["csv"],
        ),
        (
            &["baseline", "export", "absent", "--format", "json"],
            &["absent"],
        ),
        (&["check", "--root", "absent"], &["absent"]),
        (&["check", "--root", "profile.toml"], &["profile.toml"]),
        (
            &["check", "--manifest", "absent"],
            &["absent", "baseline create"],
        ),
        (
            &["check", "--profile", "debian-99"],
            &["debian-99", "debian-12"],
        ),
        (&["check", "--profile", "absent.toml"], &["absent.toml"]),
        (&["profile", "show", "nothing"], &["nothing", "default"]),
        (&["profile", "validate", "absent"], &["absent"]),
        (&["config", "validate", "absent"], &["absent"]),
        (&["chekc"], &["chekc", "check"]),
        (
            &["check", "--root", "root", "--format", "xml"],
            &["--format", "xml"],
        ),
    ];
    for (arguments, words) in others {
        let ran = plain(&lab, arguments).silent();
        assert_eq!(ran.status, 2, "{arguments:?}: {ran:#?}");
        ran.complains(words);
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["check", "--help"],
        &["baseline", "--help"],
    ] {
        let ran = agent(arguments).expect(0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:#?}");
    }
}

/// Rates with each suffix are taken, and checks chosen by glob.
#[test]
fn options_that_make_sense() {
    let lab = lab();
    for rate in ["1000000", "1000K", "5M", "1G"] {
        lab.check(&["--max-rate", rate]).expect(1);
    }
    let changed = "fail files.changed /one size,mtime,sha256";
    let added = "fail files.added /new";
    let cases: [(&[&str], &[&str]); 9] = [
        (&[], &[added, changed]),
        (&["--only", "files.*"], &[added, changed]),
        (&["--only", "f*"], &[added, changed]),
        (&["--only", "files.changed"], &[changed]),
        (
            &["--only", "files.changed", "--only", "files.add??"],
            &[added, changed],
        ),
        (&["--skip", "files.added"], &[changed]),
        (&["--skip", "*.added", "--skip", "*.removed"], &[changed]),
        (&["--only", "files.*", "--skip", "*ed"], &[]),
        (&["--skip", "*"], &[]),
    ];
    for (arguments, told) in cases {
        let ran = lab.check(arguments).expect(i32::from(!told.is_empty()));
        assert_eq!(ran.told(), told, "{arguments:?}");
        assert_eq!(ran.summary()["counts"]["fail"], told.len(), "{arguments:?}");
    }
}

/// Every place that reads a profile says the same of a wrong one.
#[test]
fn profiles_with_mistakes() {
    let paths = "[[paths]]\npath = \"/\"\nseverity = \"high\"\n";
    let at = |line: &str| format!("name = \"lab\"\n{paths}{line}\n");
    #[rustfmt::skip]
    let cases: Vec<(&str, String, u32, &str)> = vec![
        ("not TOML", "name = \"lab\n".into(), 1, "name"),
        ("no name", paths.into(), 1, "name"),
        ("a name of two words", format!("name = \"a b\"\n{paths}"), 1, "name"),
        ("an unknown key", format!("name = \"lab\"\ncolour = \"red\"\n{paths}"), 2, "colour"),
        ("a key of the wrong type", "name = \"lab\"\npaths = 3\n".into(), 2, "paths"),
        ("an unknown key of a path", at("level = 1"), 5, "level"),
        ("an unknown severity", at("[[paths]]\npath = \"/a\"\nseverity = \"bad\""), 7, "severity"),
        ("no severity", at("[[paths]]\npath = \"/a\""), 5, "severity"),
        ("no path", at("[[paths]]\nseverity = \"low\""), 5, "path"),
        ("a relative path", at("[[paths]]\npath = \"a\"\nseverity = \"low\""), 6, "absolute"),
        ("a path that climbs", at("[[paths]]\npath = \"/a/../b\"\nseverity = \"low\""), 6, ".."),
        ("a slash at the end", at("[[paths]]\npath = \"/a/\"\nseverity = \"low\""), 6, "/a/"),
        ("two stars in a path", at("[[paths]]\npath = \"/a/**\"\nseverity = \"low\""), 6, "**"),
        ("a path twice", at("[[paths]]\npath = \"/\"\nseverity = \"low\""), 6, "twice"),
        ("an unknown attribute", at("attributes = [\"sha1\"]"), 5, "sha1"),
        ("an unknown set", at("attributes = \"some\""), 5, "some"),
        ("no attributes", at("attributes = []"), 5, "attributes"),
        ("launch perhaps", at("launch = \"maybe\""), 5, "launch"),
        ("crossing by word", at("cross_mounts = \"yes\""), 5, "cross_mounts"),
        ("an exclude without reason", at("[[exclude]]\npath = \"/a\""), 5, "reason"),
        ("an empty reason", at("[[exclude]]\npath = \"/a\"\nreason = \" \""), 7, "reason"),
        ("a bad glob", at("[[exclude]]\npath = \"/a**\"\nreason = \"r\""), 6, "**"),
        ("a relative glob", at("[[exclude]]\npath = \"*.pyc\"\nreason = \"r\""), 6, "absolute"),
        ("an unknown key of an exclude", at("[[exclude]]\npath = \"/a\"\nreason = \"r\"\nwhy = 1"), 8, "why"),
        ("an unknown setting", at("[settings]\nsshd = true"), 6, "sshd"),
        ("a check of no area", at("[settings.\"ssh.root\"]\nenabled = false"), 5, "ssh.root"),
        ("a setting of the wrong type", at("[settings]\nsshd_explicit = 1"), 6, "sshd_explicit"),
        ("an unknown word", at("[settings]\nserial_console = \"on\""), 6, "serial_console"),
        ("a severity of a check", at("[settings.\"sshd.x\"]\nseverity = \"worst\""), 5, "worst"),
        ("extends nothing known", format!("name = \"lab\"\nextends = \"debian\"\n{paths}"), 2, "extends"),
        ("extends itself", format!("name = \"lab\"\nextends = \"./profile.toml\"\n{paths}"), 2, "circle"),
        ("not UTF-8", "name = \"lab\"\n# \u{1}".into(), 2, "UTF-8"),
    ];
    let lab = lab();
    for (name, text, line, word) in cases {
        let bytes: Vec<u8> = text
            .bytes()
            .map(|byte| if byte == 1 { 0xff } else { byte })
            .collect();
        fs::write(lab.path().join("profile.toml"), bytes).expect("written");
        let place = format!("profile.toml:{line}: ");
        for ran in [
            lab.check(&[]),
            lab.agent(&["baseline", "create"], &["--output", "never.mtree"]),
            lab.agent(
                &["baseline", "launch"],
                &["--manifest", "manifest.mtree", "--output", "never.mtree"],
            ),
            plain(&lab, &["profile", "show", "./profile.toml"]),
            plain(&lab, &["profile", "validate", "profile.toml"]),
        ] {
            let ran = ran.silent().complains(&[&place, word]);
            assert_eq!(ran.status, 2, "{name}: {ran:#?}");
        }
        assert!(!lab.path().join("never.mtree").exists(), "{name}");
    }
}

/// Through several files: the circle is drawn, and a mistake in a parent is named there.
#[test]
fn profiles_that_extend_each_other() {
    let lab = lab();
    let write = |name: &str, text: &str| fs::write(lab.path().join(name), text).expect("written");
    let entry = "[[paths]]\npath = \"/\"\nseverity = \"high\"\n";
    write(
        "profile.toml",
        &format!("name = \"a\"\nextends = \"./b.toml\"\n{entry}"),
    );
    write("b.toml", "name = \"b\"\nextends = \"c.toml\"\n");
    write("c.toml", "name = \"c\"\nextends = \"./profile.toml\"\n");
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["c.toml:2: ", "circle", "a → b → c → a"]);

    write(
        "c.toml",
        "name = \"c\"\nextends = \"default\"\n\nsurprise = 1\n",
    );
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["c.toml:4: ", "surprise"]);
    write("c.toml", "name = \"c\"\nextends = \"./d.toml\"\n");
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["d.toml", "no such file"]);
    // Parents are judged as the profile itself is.
    write("c.toml", "name = \"c\"\n");
    lab.check(&[]).expect(1);
    harness::shell(lab.path(), "chmod 666 c.toml");
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["c.toml", "group or others may write"]);
    // One that covers nothing, and a chain without an end.
    write("profile.toml", "name = \"a\"\n");
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["profile.toml", "no path is covered"]);
    for number in 0..60 {
        write(
            &format!("p{number}.toml"),
            &format!(
                "name = \"p{number}\"\nextends = \"./p{}.toml\"\n",
                number + 1
            ),
        );
    }
    write("profile.toml", "name = \"a\"\nextends = \"./p0.toml\"\n");
    lab.check(&[]).expect(2).silent().complains(&[".toml:2: "]);
}

#[test]
fn configurations_with_mistakes() {
    #[rustfmt::skip]
    let cases: &[(&str, u32, &str)] = &[
        ("profil = \"auto\"\n", 1, "profil"),
        ("profile = 3\n", 1, "profile"),
        ("profile = \"\"\n", 1, "profile"),
        ("manifest = \"manifest.mtree\"\n", 1, "manifest"),
        ("[scan]\ninterval = \"6\"\n", 2, "interval"),
        ("[scan]\ninterval = \"10s\"\n", 2, "interval"),
        ("[scan]\nmax_rate = \"50MB\"\n", 2, "max_rate"),
        ("[scan]\nmax_rate = \"1K\"\n", 2, "max_rate"),
        ("# one\n\n[scan]\nrate = \"1M\"\n", 4, "rate"),
        ("[scna]\n", 1, "scna"),
        ("[watch]\nsettle = \"1h\"\n", 2, "settle"),
        ("[watch]\nattribution_args = \"no\"\n", 2, "attribution_args"),
        ("[heartbeat]\ninterval = \"0s\"\n", 2, "interval"),
        ("[instance]\nexpect_ami = \"ami-1\"\n", 2, "expect_ami"),
        ("[spool]\nmax_size = \"1\"\n", 2, "max_size"),
        ("[sinks.cloudwatch_logs]\nenabled = 1\n", 2, "enabled"),
        ("[sinks.cloudwatch_logs]\nlog_group = \"\"\n", 2, "log_group"),
        ("[sinks.file]\npath = \"events\"\n", 2, "path"),
        ("[sinks.kafka]\n", 1, "kafka"),
        ("profile = \"auto\n", 1, ""),
    ];
    let lab = lab();
    let file = lab.path().join("agent.toml");
    for (text, line, word) in cases {
        fs::write(&file, text).expect("written");
        let place = format!("agent.toml:{line}: ");
        for ran in [
            plain(&lab, &["config", "validate", "agent.toml"]),
            lab.check(&["--config", "agent.toml"]),
        ] {
            let ran = ran.silent().complains(&[&place, word]);
            assert_eq!(ran.status, 2, "{text}: {ran:#?}");
        }
    }
    let good = "profile = \"auto\"\n[scan]\ninterval = \"6h\"\nmax_rate = \"50M\"\n[watch]\nsettle = \"200ms\"\n";
    fs::write(&file, good).expect("written");
    let ran = plain(&lab, &["config", "validate", "agent.toml"]).expect(0);
    assert!(ran.stdout.contains("good"), "{ran:?}");
}
