//! The signers file: read as ssh-keygen reads it, or an error that names the line.

use super::bench::*;
use sshsig::{KeyProblem, LineProblem, NAMESPACE, Signers, SignersError};

/// A signers file that ssh-keygen reads is read alike; what it rejects, or
/// skips over, is an error that names the line.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn signers_files() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let line = public(&key);
    let bare = line.rsplit_once(' ').unwrap().0;
    let base64 = bare.split_once(' ').unwrap().1;
    let seal = keygen_seal(&key, NAMESPACE, "sha512");

    let accepted = [
        format!("alice {bare}"),
        format!("alice {line}\r\n"),
        format!("# comment\r\n\r\n  \t\n\t# comment\nalice {line}\n"),
        format!("  alice\t\t{line}\n"),
        format!("\"alice\" {line}\n"),
        format!("\"bob,alice\"  {line}\n"),
        format!("al?ce,!bob {line}\n"),
        format!("alice NameSpaces=\"git,host-*\" {line}\n"),
        format!("alice namespaces=\"a\\\"b,host-integrity-agent\" {line}\n"),
        format!("alice namespaces=\"a \\\" b,host-integrity-agent\" {line}\n"),
        format!(
            "alice namespaces=\"*\",valid-after=\"20200101\",valid-before=\"20990101\" {line}\n"
        ),
        format!("alice valid-after=\"202001010000\" {line}\r\n"),
    ];
    for signers in &accepted {
        let signer = judge_now(&seal, signers);
        assert!(signer.is_ok(), "{signers:?}: {signer:?}");
        assert!(
            lab.keygen_accepts(&seal, MESSAGE, signers, &[]),
            "{signers:?}"
        );
    }

    let option = |word: &str| LineProblem::Option(word.to_owned());
    let time = |value: &str| LineProblem::Time {
        option: "valid-after",
        value: value.to_owned(),
    };
    // The bool: whether ssh-keygen is more lenient with this very line.
    let malformed = [
        ("alice".to_owned(), LineProblem::NoKey, false),
        ("alice ssh-ed25519".to_owned(), LineProblem::NoKey, false),
        (
            "alice namespaces=\"*\"".to_owned(),
            LineProblem::NoKey,
            false,
        ),
        (
            format!("alice ssh-ed25519 {}", &base64[..40]),
            LineProblem::Key(KeyProblem::Malformed),
            false,
        ),
        (
            format!("alice ssh-ed25519 *{base64}"),
            LineProblem::Key(KeyProblem::Malformed),
            false,
        ),
        (
            format!("alice ssh-rsa {base64}"),
            LineProblem::Key(KeyProblem::TypeDiffers {
                written: "ssh-rsa".into(),
                inside: "ssh-ed25519".into(),
            }),
            false,
        ),
        (
            format!("alice namespace=\"*\" {line}"),
            option("namespace"),
            false,
        ),
        (
            format!("alice no-touch-required {line}"),
            option("no-touch-required"),
            false,
        ),
        (
            format!("alice cert-authority2 {line}"),
            option("cert-authority2"),
            false,
        ),
        (format!("alice namespaces=\"*\", {line}"), option(""), false),
        (format!("alice ,namespaces=\"*\" {line}"), option(""), true),
        (
            format!("alice namespaces=\"*\"x {line}"),
            option("x"),
            false,
        ),
        (
            format!("alice namespaces=* {line}"),
            LineProblem::Quotes("namespaces"),
            false,
        ),
        (
            format!("alice namespaces=\"* {line}"),
            LineProblem::Quotes("namespaces"),
            false,
        ),
        (
            format!("alice namespaces=\"*\",namespaces=\"*\" {line}"),
            LineProblem::Twice("namespaces"),
            false,
        ),
        (
            format!("alice valid-after=\"2020\" {line}"),
            time("2020"),
            false,
        ),
        (
            format!("alice valid-after=\"19690101Z\" {line}"),
            time("19690101Z"),
            false,
        ),
        (
            format!("alice valid-after=\"20200231\" {line}"),
            time("20200231"),
            true,
        ),
        (
            format!("alice valid-after=\"20210101Z\",valid-before=\"20210101Z\" {line}"),
            LineProblem::NeverValid,
            false,
        ),
        (format!("!alice {line}"), LineProblem::NoPrincipal, false),
        (format!("\"\" {line}"), LineProblem::NoPrincipal, false),
        (
            format!("\"alice {line}"),
            LineProblem::PrincipalQuotes,
            false,
        ),
        (
            format!("\"alice\"x {line}"),
            LineProblem::PrincipalQuotes,
            false,
        ),
        (
            format!("al\"ice\" {line}"),
            LineProblem::PrincipalQuotes,
            true,
        ),
        (format!("alice {line}\0"), LineProblem::NotText, true),
        (format!("\u{feff}alice {line}"), LineProblem::NotText, false),
    ];
    for (text, problem, lenient) in malformed {
        let signers = format!("# first\n{text}\n");
        let expected = SignersError::Line { number: 2, problem };
        assert!(expected.to_string().starts_with("line 2: "), "{expected}");
        assert_eq!(
            judge_now(&seal, &signers),
            Err(Refusal::Signers(expected)),
            "{text:?}"
        );
        assert_eq!(
            lab.keygen_accepts(&seal, MESSAGE, &signers, &[]),
            lenient,
            "{text:?}"
        );
        // ssh-keygen skips the line; here it keeps all others from counting.
        let with_good = format!("{text}\nalice {line}\n");
        assert!(judge_now(&seal, &with_good).is_err());
        assert!(
            lab.keygen_accepts(&seal, MESSAGE, &with_good, &[]),
            "{text:?}"
        );
    }

    let latin1 = [b"\xe4lice ", line.as_bytes()].concat();
    assert!(Signers::parse(&latin1).is_err());
    let huge = vec![b'#'; 1024 * 1024 + 1];
    assert_eq!(Signers::parse(&huge).unwrap_err(), SignersError::TooLarge);
    let signers = Signers::parse(format!("a {line}\nb {line}\n").as_bytes()).unwrap();
    assert_eq!((signers.len(), signers.is_empty()), (2, false));
}

#[test]
fn mutated_signers_trust_no_other_key() {
    let lab = Lab::new();
    let mut random = Random(0x0dd0_0dd0_0dd0_0dd0);
    let key = lab.ed25519();
    let line = public(&key);
    let base64 = line.split(' ').nth(1).unwrap();
    let seal = keygen_seal(&key, NAMESPACE, "sha256");
    let signers = format!(
        "# signers\n\"alice,*@example.org\" namespaces=\"host-*\",valid-after=\"20200101Z\" {line}\n"
    );
    assert!(judge_now(&seal, &signers).is_ok());
    for _ in 0..4000 {
        let mut mutated = signers.clone().into_bytes();
        random.mutate(&mut mutated);
        let verdict = judge(seal.as_bytes(), MESSAGE, &mutated, at(1_700_000_000));
        let whole = String::from_utf8_lossy(&mutated).contains(base64);
        assert!(verdict.is_err() || whole, "{}", mutated.escape_ascii());
    }
}
