//! `[[waivers]]`: who answers for what, and for how long.

use super::tree;
use harness::{Lab, agent};

const BASE: &str = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";

fn waiver(check: &str, subject: &str, until: &str) -> String {
    format!(
        "[[waivers]]\ncheck = \"{check}\"\nsubject = \"{subject}\"\nreason = \"ticket 4711\"\nowner = \"net@example.com\"\nuntil = \"{until}\"\n"
    )
}

fn look(lab: &Lab, waivers: &str, format: &str) -> harness::Ran {
    lab.profile(&format!("{BASE}{waivers}"));
    let more = [
        "--only",
        "sshd.x11_forwarding",
        "--only",
        "accounts.only_root_uid0",
        "--format",
        format,
    ];
    lab.agent(&["check"], &more)
}

#[test]
fn what_somebody_answers_for_is_told_and_counted_apart() {
    let lab = tree();
    let ran = look(&lab, "", "json").expect(1);
    assert_eq!(ran.summary()["counts"]["fail"], 2, "{ran:#?}");
    let one = waiver("sshd.x11_forwarding", "ss?d", "9999-12-31");
    let ran = look(&lab, &one, "json").expect(1);
    let found = ran.one("sshd.x11_forwarding", "sshd");
    assert_eq!(
        (&found["verdict"], &found["severity"]),
        (&"fail".into(), &"medium".into()),
        "{found:#}"
    );
    let by = serde_json::json!({"reason": "ticket 4711", "owner": "net@example.com", "until": "9999-12-31"});
    assert_eq!(found["waived_by"], by, "{found:#}");
    assert!(ran.one("accounts.only_root_uid0", "toor")["waived_by"].is_null());
    let counts = &ran.summary()["counts"];
    assert_eq!(
        (&counts["fail"], &counts["waived"]),
        (&1.into(), &1.into()),
        "{counts}"
    );
    let both = one + &waiver("accounts.only_root_uid0", "*", "9999-12-31");
    let ran = look(&lab, &both, "json").expect(0);
    assert_eq!(ran.summary()["verdict"], "pass", "{ran:#?}");
    assert_eq!(ran.summary()["counts"]["waived"], 2, "{ran:#?}");
    let text = look(&lab, &both, "text").expect(0).stdout;
    assert!(
        text.starts_with("PASS  ") && text.contains("2 waived"),
        "{text}"
    );
    let junit = look(&lab, &both, "junit").expect(0).stdout;
    assert!(
        junit.contains("waived by net@example.com") && !junit.contains("<failure"),
        "{junit}"
    );
}

#[test]
fn one_that_has_ended_says_so() {
    let lab = tree();
    let ran = look(
        &lab,
        &waiver("sshd.x11_forwarding", "sshd", "2020-02-29"),
        "json",
    )
    .expect(1);
    let found = ran.one("sshd.x11_forwarding", "sshd");
    assert!(found["waived_by"].is_null(), "{found:#}");
    let message = found["message"].as_str().expect("text");
    assert!(
        message.contains("waiver of net@example.com ended with 2020-02-29"),
        "{message}"
    );
    assert_eq!(ran.summary()["counts"]["fail"], 2, "{ran:#?}");
}

#[test]
fn another_subject_is_not_waived() {
    let lab = tree();
    let ran = look(
        &lab,
        &waiver("accounts.only_root_uid0", "root", "9999-12-31"),
        "json",
    )
    .expect(1);
    assert_eq!(ran.summary()["counts"]["waived"], 0, "{ran:#?}");
}

#[test]
fn one_that_is_wrong_says_where() {
    let lab = Lab::new();
    let good = waiver("sshd.banner", "sshd", "2027-03-31");
    let path = lab.path().join("profile.toml");
    let path = path.to_str().expect("UTF-8");
    let validate = |text: &str| {
        lab.profile(&format!("{BASE}{text}"));
        agent(["profile", "validate", path])
    };
    validate(&good).expect(0);
    for (text, line, named) in [
        (good.replace("sshd.banner", "sshd.nosuch"), 6, "check"),
        (good.replace("sshd.banner", "files.changed"), 6, "check"),
        (good.replace("check = \"sshd.banner\"\n", ""), 5, "check"),
        (good.replace("subject = \"sshd\"\n", ""), 5, "subject"),
        (good.replace("\"sshd\"", "\"\""), 7, "subject"),
        (good.replace("reason = \"ticket 4711\"\n", ""), 5, "reason"),
        (good.replace("ticket 4711", " "), 8, "reason"),
        (
            good.replace("owner = \"net@example.com\"\n", ""),
            5,
            "owner",
        ),
        (good.replace("until = \"2027-03-31\"\n", ""), 5, "until"),
        (good.replace("2027-03-31", "next year"), 10, "until"),
        (format!("{good}ever = 1\n"), 11, "ever"),
    ] {
        let ran = validate(&text).expect(2);
        assert!(
            ran.stderr.contains(&format!("profile.toml:{line}:")),
            "{text}{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(named), "{text}{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}
