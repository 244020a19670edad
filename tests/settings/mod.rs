//! Local settings on small trees: one change, one verdict.

mod accounts;
mod bounds;
mod console;
mod credentials;
mod distributions;
mod kept_logs;
mod kernel;
mod keys;
mod logging;
mod mandatory;
mod network;
mod packages;
mod processes;
mod repositories;
mod rubbish;
mod started;
mod sudo;
mod sudo_differential;
mod sudo_rules;
mod terminals;
mod userdb;
mod vendor;

use harness::{Lab, Ran};
use serde_json::Value;

/// A sound tree: root locked, a person with a password, a service without.
pub(crate) fn tree() -> Lab {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc/pam.d etc/systemd/system etc/default boot/grub usr/lib/systemd/system
         printf 'root:x:0:0:root:/root:/bin/bash\\ndaemon:x:1:1::/:/usr/sbin/nologin\\nann:x:1000:1000::/home/ann:/bin/bash\\n' > etc/passwd
         printf 'root:*:19000:0:99999:7:::\\ndaemon:*:19000:0:99999:7:::\\nann:HASH:19000:0:99999:7:::\\n' > etc/shadow
         sed -i \"s|HASH|$(openssl passwd -6 -salt abcdefgh secret)|\" etc/shadow
         printf 'root:x:0:\\n' > etc/group
         echo 'auth required pam_unix.so' > etc/pam.d/common-auth
         printf '[Service]\\nExecStart=-/sbin/agetty -o \"-p -- \\\\\\\\u\" %%I\\n' > usr/lib/systemd/system/serial-getty@.service
         echo 'linux /vmlinuz root=/dev/vda1 console=tty0 console=ttyS0,115200n8' > boot/grub/grub.cfg",
    );
    lab
}

/// `check` of one area.
pub(crate) fn check(lab: &Lab, area: &str) -> Ran {
    lab.agent(
        &["check"],
        &["--only", &format!("{area}.*"), "--format", "json"],
    )
}

/// `id subject` of each finding with that verdict, without the area.
pub(crate) fn told(ran: &Ran, verdict: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    ran.findings()
        .iter()
        .filter(|finding| finding["verdict"] == verdict)
        .map(|finding| {
            let check = text(&finding["check"]);
            let name = check.split('.').next_back().expect("a name");
            format!("{name} {}", text(&finding["subject"]))
        })
        .collect()
}
