//! Neither a token nor a credential is to be found in anything that the agent writes.

use harness::imds::{Imds, Mode};
use harness::{agent_path, run};
use std::process::Command;

#[test]
fn no_secret_is_written() {
    for mode in [
        Mode::Required,
        Mode::Optional,
        Mode::ForgetsTokens,
        Mode::NoTtl,
        Mode::ThrottlesFirst(2),
        Mode::OddToken(b"A very odd token, that is none"),
    ] {
        let imds = Imds::new()
            .role("writer")
            .tags(&[("backup", "daily")])
            .mode(mode.clone())
            .start();
        for (format, more) in [
            ("json", &["--verbose"][..]),
            ("text", &["--verbose"]),
            ("text", &[]),
        ] {
            let ran = run(Command::new(agent_path())
                .args(["check", "--only", "instance.*", "--format", format])
                .args(more)
                .env(super::ENDPOINT, imds.endpoint())
                .env("RUST_LOG", "trace")
                .env("RUST_BACKTRACE", "full"));
            let secrets = imds.secrets();
            assert!(!secrets.is_empty(), "{mode:?}");
            for secret in secrets {
                for written in [&ran.stdout, &ran.stderr] {
                    assert!(!written.contains(&secret), "{mode:?} {format}: {secret}");
                    // Nor a part that would do to tell it.
                    let part: String = secret.chars().take(16).collect();
                    assert!(!written.contains(&part), "{mode:?} {format}: {part}");
                }
            }
        }
    }
}
