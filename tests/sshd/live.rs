//! The daemon that runs, and how it was called: a real sshd in namespaces of its own.

use harness::{agent_path, run};
use std::process::Command;

/// A machine on which nothing runs but sshd, called as EC2 Instance Connect has it called, and the agent.
const SCRIPT: &str = r#"
    mount -t tmpfs none /run; mkdir /run/sshd
    mount -t tmpfs none /etc/ssh
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    echo 'MaxSessions 5' > /etc/ssh/sshd_config; chmod 600 /etc/ssh/sshd_config
    /usr/sbin/sshd -D -o "AuthorizedKeysCommand /usr/bin/true %u %f" -o "AuthorizedKeysCommandUser nobody" \
        -o MaxSessions=77 &
    for i in {1..100}; do grep -q '^sshd: ' /proc/$!/cmdline && break; sleep 0.1; done
    "$AGENT" check --profile default --only 'sshd.*' --format json || echo $? >&2
    kill $!
"#;

#[test]
fn options_of_the_running_daemon_come_first() {
    let ran = run(Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "bash", "-euc", SCRIPT])
        .env("AGENT", agent_path()))
    .expect(0);
    assert_eq!(ran.stderr, "1\n");
    let valid = ran.one("sshd.config_valid", "sshd");
    assert_eq!(valid["verdict"], "pass", "{valid:#?}");
    let sessions = ran.one("sshd.max_sessions", "sshd");
    assert_eq!(sessions["observed"]["value"], "77", "{sessions:#?}");
    assert_eq!(sessions["location"], "command line: -o MaxSessions=77");
}
