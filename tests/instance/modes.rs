//! The table: what the service does, what the agent concludes, and how often it asks.

use super::{check, check_at, command, verdict};
use crate::bounds::most;
use harness::imds::{Imds, Mode};
use harness::{agent_path, run};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// v1, token, hop limit, identity, role.
const CHECKS: [&str; 5] = [
    "imds_v1_disabled",
    "imds_v2_token",
    "imds_hop_limit",
    "identity_verified",
    "role_present",
];
const NO_TOKEN: [&str; 3] = ["unknown", "unknown", "unknown"];
/// Tokens are given, and nothing for them.
const WITHHELD: [&str; 3] = ["pass", "unknown", "unknown"];
const OFF: [&str; 3] = ["not_applicable", "not_applicable", "not_applicable"];
/// Nobody signed the document of this server.
const GOOD: [&str; 3] = ["pass", "unknown", "pass"];

#[test]
fn what_the_service_does_and_what_it_means() {
    let elsewhere = Imds::new().role("thief").start();
    let away = || format!("{}/latest/meta-data/iam/info", elsewhere.endpoint());
    let huge = |announced| Mode::Huge {
        bytes: 1 << 30,
        announced,
    };
    for (mode, v1, v2, others, most_requests) in [
        (Mode::Required, "pass", "pass", GOOD, 6),
        (Mode::Optional, "fail", "pass", GOOD, 6),
        (Mode::Off(403), "not_applicable", "not_applicable", OFF, 2),
        (Mode::Off(404), "not_applicable", "not_applicable", OFF, 2),
        (Mode::Refuses(400), "pass", "fail", NO_TOKEN, 2),
        (Mode::Refuses(403), "pass", "fail", NO_TOKEN, 2),
        (Mode::Refuses(405), "pass", "fail", NO_TOKEN, 2),
        (Mode::RefusesOptional(403), "fail", "fail", NO_TOKEN, 2),
        (Mode::Silent, "unknown", "unknown", NO_TOKEN, 5),
        (Mode::Resets, "unknown", "unknown", NO_TOKEN, 0),
        (Mode::Throttles, "unknown", "unknown", NO_TOKEN, 5),
        (Mode::ThrottlesFirst(3), "pass", "pass", GOOD, 9),
        (Mode::SlowBytes(20), "unknown", "unknown", NO_TOKEN, 5),
        (Mode::Garbage, "unknown", "unknown", NO_TOKEN, 5),
        (Mode::NoTtl, "pass", "unknown", NO_TOKEN, 2),
        (Mode::OddToken(b""), "pass", "fail", NO_TOKEN, 2),
        (Mode::OddToken(b"two\nlines"), "pass", "fail", NO_TOKEN, 2),
        (Mode::OddToken(b"n\xc3\xbcl"), "pass", "fail", NO_TOKEN, 2),
        (huge(true), "pass", "fail", NO_TOKEN, 2),
        (huge(false), "pass", "fail", NO_TOKEN, 2),
        (Mode::Redirects(away()), "unknown", "unknown", NO_TOKEN, 2),
        (Mode::RedirectsPut(away()), "pass", "unknown", NO_TOKEN, 2),
        (Mode::RedirectsItems(away()), "pass", "pass", WITHHELD, 6),
        (
            Mode::HugeItems(most("METADATA_BODY") + 1),
            "pass",
            "pass",
            WITHHELD,
            16,
        ),
        (Mode::Portal, "fail", "unknown", NO_TOKEN, 2),
        (Mode::SingleUse, "pass", "pass", GOOD, 10),
        (Mode::ForgetsTokens, "pass", "pass", WITHHELD, 12),
    ] {
        let imds = Imds::new()
            .role("writer")
            .set("dynamic/instance-identity/rsa2048", None)
            .mode(mode.clone())
            .start();
        let begun = Instant::now();
        let ran = check(&imds, &[]);
        let took = begun.elapsed();
        let told = CHECKS.map(|id| verdict(&ran, id));
        let expected = [v1, v2, others[0], others[1], others[2]];
        assert_eq!(told, expected, "{mode:?}: {ran:#?}");
        let finding = ran.one("instance.imds_v2_token", "metadata service");
        let message = finding["message"].as_str().expect("a text");
        // Who starves the process of its time leaves none to ask in.
        let late = matches!(mode, Mode::Silent | Mode::SlowBytes(_)) && message.contains(TOO_LATE);
        let is_told = late || message.contains(reason(&mode));
        assert!(is_told, "{mode:?}: {message}");
        let asked = imds.asked();
        assert!(asked.len() <= most_requests, "{mode:?}: {asked:#?}");
        // Five seconds are promised; the machine that tests may be busy with others.
        assert!(took < Duration::from_secs(20), "{mode:?} took {took:?}");
        // One request without a token, and never another.
        let without = asked
            .iter()
            .filter(|line| line.starts_with("GET /latest/meta-data/ "));
        assert!(without.count() <= 1, "{mode:?}: {asked:#?}");
    }
    assert_eq!(elsewhere.asked(), [""; 0], "a redirect was followed");
}

/// What it says where all its time was over before it could ask.
const TOO_LATE: &str = "the time for it was over";

/// What `imds_v2_token` says, in part.
fn reason(mode: &Mode) -> &'static str {
    match mode {
        Mode::Off(_) => "switched off",
        Mode::Refuses(_) | Mode::RefusesOptional(_) => "refuses a token with 40",
        Mode::Silent | Mode::SlowBytes(_) => "did not answer in time",
        // "broke the connection off", or before that "cannot be connected to".
        Mode::Resets => "connect",
        Mode::Throttles => "too many requests to answer (503)",
        Mode::Garbage => "speaks no HTTP",
        Mode::NoTtl | Mode::Portal => "does not say how long it is good",
        Mode::OddToken(b"") => "of no bytes",
        Mode::OddToken(_) => "of bytes that no header can carry",
        Mode::Huge { .. } => "of more than 64 KiB",
        Mode::Redirects(_) | Mode::RedirectsPut(_) => "leads elsewhere",
        Mode::Required
        | Mode::Optional
        | Mode::ThrottlesFirst(_)
        | Mode::RedirectsItems(_)
        | Mode::HugeItems(_)
        | Mode::SingleUse
        | Mode::ForgetsTokens => "a token for 21600 seconds",
    }
}

#[test]
fn one_check_alone_says_the_same() {
    for (mode, expected) in [
        (Mode::Off(403), "not_applicable"),
        (Mode::Refuses(403), "unknown"),
        (Mode::Required, "pass"),
    ] {
        let imds = Imds::new().mode(mode.clone()).start();
        let ran = run(Command::new(agent_path())
            .args([
                "check",
                "--only",
                "instance.imds_hop_limit",
                "--format",
                "json",
            ])
            .env(super::ENDPOINT, imds.endpoint()));
        assert_eq!(verdict(&ran, "imds_hop_limit"), expected, "{mode:?}");
    }
}

#[test]
fn nobody_there() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
    let ran = check_at(&endpoint, &[]);
    for id in CHECKS {
        assert_eq!(verdict(&ran, id), "unknown", "{id}");
    }
}

#[test]
fn each_request_in_its_order() {
    let imds = Imds::new().role("writer").start();
    let ran = check(&imds, &[]).expect(1);
    let order: Vec<String> = ran
        .findings()
        .iter()
        .map(|finding| {
            finding["check"]
                .as_str()
                .expect("a text")
                .replace("instance.", "")
        })
        .collect();
    let expected = "imds_v1_disabled imds_v2_token imds_hop_limit imds_endpoint identity_verified ami_trusted image_age nitro role_present ssm_agent encryption backup_tag";
    assert_eq!(order.join(" "), expected);
    let expected = [
        "GET /latest/meta-data/ 401",
        "PUT /latest/api/token 200",
        "GET /latest/dynamic/instance-identity/document 200",
        "GET /latest/dynamic/instance-identity/rsa2048 404",
        "GET /latest/meta-data/iam/info 200",
        "PUT /latest/api/token 200",
    ];
    assert_eq!(imds.asked(), expected);
    // What nobody wants to know is not asked; the identity is for every report.
    let imds = Imds::new().start();
    check(
        &imds,
        &[
            "--skip",
            "instance.imds_*",
            "--skip",
            "instance.role_present",
        ],
    );
    assert_eq!(imds.asked(), expected[1..4]);
}

#[test]
fn how_far_the_token_travels() {
    let more = ["more than 2", "more than 1"];
    for (hops, verdicts, observed) in [
        (1, ["pass", "pass"], ["at most 2", "at most 1"]),
        (2, ["pass", "fail"], ["at most 2", "more than 1"]),
        (3, ["fail", "fail"], more),
        (64, ["fail", "fail"], more),
        (65, ["fail", "fail"], more),
        (255, ["fail", "fail"], more),
    ] {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let imds = Imds::new().hops(hops).start_on(address);
            let profile = Profile::new("[settings.\"instance.imds_hop_limit\"]\ndemand = 1");
            let strict = ["--profile", profile.path()];
            for (place, more) in [&[][..], &strict].into_iter().enumerate() {
                let finding = check(&imds, more).one("instance.imds_hop_limit", "metadata service");
                let told = (&finding["verdict"], &finding["observed"]["hops"]);
                let expected = (&verdicts[place].into(), &observed[place].into());
                assert_eq!(told, expected, "{hops} {address}");
            }
        }
    }
}

/// A profile that adds settings to the default one.
struct Profile {
    file: tempfile::NamedTempFile,
}

impl Profile {
    fn new(settings: &str) -> Profile {
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        let text = format!("name = \"local\"\nextends = \"default\"\n{settings}\n");
        std::fs::write(file.path(), text).expect("a file");
        Profile { file }
    }

    fn path(&self) -> &str {
        self.file.path().to_str().expect("UTF-8")
    }
}

#[test]
fn what_the_profile_demands() {
    let demand = |id: &str, value: &str| {
        Profile::new(&format!("[settings.\"instance.{id}\"]\ndemand = {value}"))
    };
    let tagged = || Imds::new().tags(&[("backup", "daily"), ("name", "x")]);
    for (imds, id, value, expected) in [
        (tagged(), "backup_tag", "\"backup\"", "pass"),
        (tagged(), "backup_tag", "\"backup=daily\"", "pass"),
        (tagged(), "backup_tag", "\"backup=weekly\"", "fail"),
        (tagged(), "backup_tag", "\"plan\"", "fail"),
        (Imds::new(), "backup_tag", "\"backup\"", "not_applicable"),
        (
            Imds::new().mode(Mode::Off(403)),
            "backup_tag",
            "\"backup\"",
            "not_applicable",
        ),
        (
            Imds::new().mode(Mode::Throttles),
            "backup_tag",
            "\"backup\"",
            "unknown",
        ),
        // Neither a manifest nor a signed document here.
        (Imds::new(), "image_age", "30", "unknown"),
    ] {
        let imds = imds.start();
        let profile = demand(id, value);
        let ran = check(&imds, &["--profile", profile.path()]);
        assert_eq!(verdict(&ran, id), expected, "{id} {value}: {ran:#?}");
    }
    let ran = check(&Imds::new().start(), &[]);
    for id in ["backup_tag", "image_age", "ami_trusted"] {
        assert_eq!(verdict(&ran, id), "not_applicable", "{id}");
    }
    assert_eq!(verdict(&ran, "role_present"), "fail");
}

#[test]
fn an_endpoint_elsewhere_is_told_of() {
    let imds = Imds::new().start();
    let ran = check(&imds, &[]);
    let finding = ran.one("instance.imds_endpoint", "metadata service");
    assert_eq!(finding["verdict"], "fail");
    let place = format!("the agent's own environment: {}", imds.address());
    let told = finding["observed"]["overrides"].as_array().expect("a list");
    assert!(told.contains(&place.into()), "{finding:#?}");
}

#[test]
fn forbidden_to_ask() {
    let imds = Imds::new().start();
    let ran = run(command(&[])
        .env(super::ENDPOINT, imds.endpoint())
        .env("AWS_EC2_METADATA_DISABLED", "true"));
    for id in CHECKS {
        assert_eq!(verdict(&ran, id), "unknown", "{id}");
    }
    assert_eq!(imds.asked(), [""; 0]);
}

#[test]
fn no_proxy_is_asked() {
    let imds = Imds::new().start();
    let proxy = Imds::new().start();
    let ran = run(command(&[])
        .env(super::ENDPOINT, imds.endpoint())
        .env("http_proxy", proxy.endpoint())
        .env("HTTP_PROXY", proxy.endpoint())
        .env("ALL_PROXY", proxy.endpoint()));
    assert_eq!(verdict(&ran, "imds_v2_token"), "pass");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn unusable_endpoints() {
    for endpoint in [
        "https://127.0.0.1",
        "http://name:secret@127.0.0.1",
        "http://127.0.0.1/latest",
        "nonsense",
    ] {
        let ran = check_at(endpoint, &[]);
        for id in CHECKS {
            assert_eq!(verdict(&ran, id), "unknown", "{endpoint} {id}");
        }
        assert!(!ran.stdout.contains("secret"), "{ran:#?}");
    }
}

#[test]
fn nothing_to_judge_elsewhere() {
    // A mounted image is no instance, whatever the environment says.
    let tree = tempfile::tempdir().expect("a directory");
    let imds = Imds::new().start();
    let ran = check(&imds, &["--root", tree.path().to_str().expect("UTF-8")]);
    assert_eq!(imds.asked(), [""; 0]);
    let findings = ran.findings();
    assert_eq!(findings.len(), 12);
    assert!(
        findings
            .iter()
            .all(|finding| finding["verdict"] == "not_applicable")
    );
    ran.expect(0);
}
