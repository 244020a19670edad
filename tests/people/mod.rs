//! What people meet: a terminal, a pipe, a pipeline, wrong arguments.

mod explain;
mod options;
mod report;
mod terminal;
mod waivers;

use harness::{Lab, Ran};

/// A tree with accounts, sshd's configuration and an OpenSSH whose version is not known, which deviates in several
/// settings of different severity.
fn tree() -> Lab {
    let lab = Lab::new();
    lab.shell(
        r"mkdir -p etc/ssh usr/sbin usr/bin
        printf 'ID=debian\nVERSION_ID=12\n' > etc/os-release
        printf 'root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n' > etc/passwd
        printf 'root:*:1::::::\ntoor:$y$j9T$x$y:1::::::\nann:!:1::::::\n' > etc/shadow
        printf 'KbdInteractiveAuthentication no\nX11Forwarding yes\n' > etc/ssh/sshd_config
        chmod 600 etc/ssh/sshd_config
        : > usr/sbin/sshd; : > usr/bin/sudo; chmod 755 usr/sbin/sshd usr/bin/sudo",
    );
    lab
}

/// `agent check` of the lab's tree, without files.
fn settings(lab: &Lab, more: &[&str]) -> Ran {
    let arguments = [&["--skip", "files.*"], more].concat();
    lab.agent(&["check"], &[&arguments[..], &["--only", "*"]].concat())
}
