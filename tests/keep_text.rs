//! `keep_text`: a finding says which lines changed, with what looks like a secret masked.

use crate::accept::{accept, check, create};
use harness::{Host, Ran};

const TEXTS: &str = "usr/share/host-integrity-agent/manifest.mtree.text";

/// A sealed host that keeps the texts below `/data/kept`, and of nothing else.
fn kept() -> Host {
    let host = Host::new();
    host.shell(
        "mkdir -p data/kept/private; printf 'net.ipv4.ip_forward = 0\\nkernel.x = 1\\n' > data/kept/sysctl.conf
         printf '[Service]\\nEnvironment=API_TOKEN=first-secret-1\\n' > data/kept/a.service
         head -c 100 /dev/urandom > data/kept/binary; echo hunter2 > data/kept/private/x; echo hunter2 > data/kept/x.key
         ln -s /etc/shadow data/kept/link; mkdir -p etc; echo root:hunter2 > etc/shadow
         yes line | head -c 70000 > data/kept/long
         ssh-keygen -q -t ed25519 -f key -N ''
         echo \"baker@example.com $(cat key.pub)\" > etc/host-integrity-agent/trusted_signers
         printf '[[paths]]\\npath = \"/data/kept\"\\nseverity = \"high\"\\nkeep_text = true\\n' >> etc/host-integrity-agent/profile.toml",
    );
    create(&host, &["--sign-key", "/key"]);
    check(&host).expect(0);
    host
}

fn lines(ran: &Ran, check: &str, subject: &str) -> Vec<String> {
    let finding = ran.one(check, subject);
    let lines = finding["lines"].as_array().into_iter().flatten();
    lines
        .map(|line| line.as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn changed_lines_are_told_and_secrets_are_not() {
    let host = kept();
    let texts = host.shell(&format!("cat {TEXTS}"));
    assert!(
        texts.contains("net.ipv4.ip_forward = 0") && !texts.contains("hunter2"),
        "{texts}"
    );
    assert_eq!(host.shell(&format!("stat -c %a {TEXTS}")), "600\n");
    let digest = host.shell(&format!("sha256sum < {TEXTS}"));
    let manifest = host.shell("cat usr/share/host-integrity-agent/manifest.mtree");
    let line = format!("# text {}", &digest[..64]);
    assert!(manifest.lines().any(|found| found == line), "{line}");
    host.shell(
        "sed -i 's/ip_forward = 0/ip_forward = 1/' data/kept/sysctl.conf
         sed -i 's/first-secret-1/second-secret-2/; 1i # new' data/kept/a.service
         printf 'a\\npassword = hunter2\\n' > data/kept/new; echo x >> data/kept/private/x
         echo x >> data/kept/x.key; echo x >> data/kept/binary; echo x >> data/kept/long; echo x >> data/one",
    );
    let ran = check(&host).expect(1);
    assert_eq!(
        lines(&ran, "files.changed", "/data/kept/sysctl.conf"),
        ["-1: net.ipv4.ip_forward = 0", "+1: net.ipv4.ip_forward = 1"]
    );
    assert_eq!(
        lines(&ran, "files.changed", "/data/kept/a.service"),
        [
            "-2: Environment=API_TOKEN=***",
            "+1: # new",
            "+3: Environment=API_TOKEN=***"
        ]
    );
    assert_eq!(
        lines(&ran, "files.added", "/data/kept/new"),
        ["+1: a", "+2: password = ***"]
    );
    for silent in [
        "/data/kept/private/x",
        "/data/kept/x.key",
        "/data/kept/binary",
        "/data/kept/long",
        "/data/one",
    ] {
        let finding = ran.one("files.changed", silent);
        assert!(finding["lines"].is_null(), "{finding:#}");
    }
    for format in ["json", "text", "html", "ocsf", "junit"] {
        let ran = host
            .agent(&["check", "--verbose", "--format", format])
            .expect(1);
        for secret in ["hunter2", "first-secret", "second-secret"] {
            assert!(
                !ran.stdout.contains(secret),
                "{secret} in {format}: {ran:?}"
            );
        }
    }
    host.shell("rm data/kept/sysctl.conf");
    let ran = check(&host).expect(1);
    let gone = ["-1: net.ipv4.ip_forward = 0", "-2: kernel.x = 1"];
    assert_eq!(lines(&ran, "files.removed", "/data/kept/sysctl.conf"), gone);
    // What was accepted is expected, and no text of it was kept.
    accept(&host, &["/data/kept/a.service"], &[]).expect(0);
    host.shell("echo '# more' >> data/kept/a.service");
    let ran = check(&host).expect(1);
    assert!(ran.one("files.changed", "/data/kept/a.service")["lines"].is_null());
}

/// A link in the place of a file does not have what it leads to shown.
#[test]
fn nothing_is_shown_but_what_was_looked_at() {
    let host = kept();
    host.shell("rm data/kept/sysctl.conf; ln -s /etc/shadow data/kept/sysctl.conf");
    let ran = check(&host).expect(1);
    assert!(ran.one("files.changed", "/data/kept/sysctl.conf")["lines"].is_null());
    assert!(!ran.stdout.contains("hunter2"), "{ran:?}");
}

#[test]
fn texts_that_are_not_those_of_the_manifest_are_told() {
    let subject = format!("/{TEXTS}");
    for edit in [
        format!("echo x >> {TEXTS}"),
        format!("rm {TEXTS}"),
        format!(": > {TEXTS}"),
    ] {
        let host = kept();
        host.shell(&edit);
        let ran = check(&host).expect(1);
        let finding = ran.one("files.profile", &subject);
        assert_eq!(finding["severity"], "critical", "{edit}: {finding:#}");
        assert_eq!(ran.findings().len(), 1, "{edit}: {ran:#?}");
    }
    let host = kept();
    host.shell(&format!("chmod o+w {TEXTS}"));
    check(&host).expect(2).complains(&["has mode"]);
    // Where none were kept, nothing has reason to lie there.
    let host = Host::new();
    create(&host, &[]);
    host.shell(&format!("echo x > {TEXTS}"));
    check(&host).expect(1).one("files.profile", &subject);
    // An image that is recorded anew without texts keeps none.
    create(&host, &[]);
    check(&host).expect(0);
}

#[test]
fn a_profile_that_would_keep_secrets_is_refused() {
    let host = Host::new();
    for path in [
        "/etc/shadow",
        "/etc/sudoers.d",
        "/etc/ssl/private",
        "/root/.ssh",
    ] {
        host.shell(&format!(
            "printf 'name = \"x\"\\n[[paths]]\\npath = \"{path}\"\\nseverity = \"high\"\\nkeep_text = true\\n' > x.toml"
        ));
        host.agent(&["profile", "validate", "/x.toml"])
            .expect(2)
            .complains(&["keep_text", "x.toml:3"]);
    }
}
