//! Nobody's environment redirects or silences a check without the report saying so.

use harness::{Lab, agent_path, run, shell};
use std::process::Command;

/// What would move, mute or break a program that listens to it.
const HOSTILE: &[(&str, &str)] = &[
    ("PATH", "/nowhere"),
    ("HOME", "/nowhere"),
    ("TMPDIR", "/nowhere"),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("LANGUAGE", "tr"),
    ("TZ", "EVIL+12"),
    ("TZDIR", "/nowhere"),
    ("COLUMNS", "1"),
    ("TERM", "dumb"),
    ("RUST_MIN_STACK", "1"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LOG", "off"),
    ("http_proxy", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("ALL_PROXY", "http://127.0.0.1:9"),
    ("AWS_PROFILE", "evil"),
    ("AWS_CONFIG_FILE", "/nowhere"),
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ("AWS_REGION", "mars-1"),
    ("SOURCE_DATE_EPOCH", "1"),
    ("RUNTIME_DIRECTORY", "/nowhere"),
    ("STATE_DIRECTORY", "/nowhere"),
    ("NOTIFY_SOCKET", "@evil"),
    ("MALLOC_ARENA_MAX", "1"),
];

#[test]
fn nobodys_environment_changes_what_a_check_finds() {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc/ssh usr/sbin usr/bin; printf 'ID=debian\\nVERSION_ID=12\\n' > etc/os-release; touch usr/sbin/sshd
         echo 'root:x:0:0::/root:/bin/sh' > etc/passwd; echo 'PermitRootLogin yes' > etc/ssh/sshd_config; echo x > usr/bin/x",
    );
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"b valid-after=\\\"20200101\\\" $(cat key.pub)\" > signers",
    );
    lab.agent(
        &["baseline", "create"],
        &["--output", "manifest.mtree", "--sign-key", "key"],
    )
    .expect(0);
    lab.shell("echo y > usr/bin/x");
    let check = |hostile: &[(&str, &str)]| {
        let arguments = "check --root root --profile ./profile.toml --manifest manifest.mtree --trust signers --format json --no-progress";
        let mut command = Command::new(agent_path());
        command.args(arguments.split(' ')).current_dir(lab.path());
        // The harness sets one.
        command.env_remove("TZ").envs(hostile.iter().copied());
        run(&mut command).expect(1)
    };
    let (clean, hostile) = (check(&[]), check(HOSTILE));
    assert_eq!(clean.findings(), hostile.findings());
    assert!(clean.findings().len() > 20);
    // What it does have a say in is told.
    let told = |ran: &harness::Ran| ran.stdout.contains("TZ is set in the environment");
    assert!(told(&hostile) && !told(&clean), "{}", hostile.stdout);
}
