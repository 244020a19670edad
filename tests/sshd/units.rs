//! How units start an sshd, and in what environment: options that only systemd and a shell put together.

use super::verdicts::{GOOD, check, lab};

/// A file of the unit of Debian's, a change of the tree, and the worst verdict with its check and subject.
type Row<'a> = (&'a str, &'a str, Option<(&'a str, &'a str, &'a str)>);

const ROOT: Option<(&str, &str, &str)> = Some(("fail", "sshd.permit_root_login", "sshd"));
const BACK: Option<(&str, &str, &str)> =
    Some(("fail", "sshd.permit_root_login", "sshd my-sshd.service"));
const UNTOLD: Option<(&str, &str, &str)> = Some(("unknown", "sshd.config_valid", "sshd"));
const BACK_UNTOLD: Option<(&str, &str, &str)> =
    Some(("unknown", "sshd.config_valid", "sshd my-sshd.service"));

/// A drop-in of ssh.service.
fn ssh(lines: &str) -> String {
    format!(
        "mkdir etc/systemd/system/ssh.service.d; cat > etc/systemd/system/ssh.service.d/x.conf <<'END'\n[Service]\n{lines}\nEND\n"
    )
}

/// A unit beside it.
fn mine(lines: &str) -> String {
    format!("cat > etc/systemd/system/my-sshd.service <<'END'\n[Service]\n{lines}\nEND\n")
}

fn judged(rows: &[Row<'_>]) {
    for (change, more, expected) in rows {
        let lab = lab(GOOD);
        lab.shell(
            "mkdir -p usr/lib/systemd/system etc/systemd/system etc/default etc/ssh/sshd_config.d
             printf '[Service]\\nEnvironmentFile=-/etc/default/ssh\\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\\n' > usr/lib/systemd/system/ssh.service",
        );
        lab.shell(change);
        lab.shell(more);
        let ran = check(&lab);
        let found: Vec<(String, String, String)> = ran
            .findings()
            .into_iter()
            .filter(|finding| matches!(finding["verdict"].as_str(), Some("fail" | "unknown")))
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().expect("text").to_owned();
                (text("verdict"), text("check"), text("subject"))
            })
            .collect();
        match expected {
            None => assert_eq!(found, [], "{change}{more}"),
            Some((verdict, check, subject)) => {
                let wanted = (
                    (*verdict).to_owned(),
                    (*check).to_owned(),
                    (*subject).to_owned(),
                );
                assert!(found.contains(&wanted), "{change}{more}: {found:?}");
            }
        }
    }
}

#[test]
fn environments_of_units() {
    let no = "echo SSHD_OPTS=-oPermitRootLogin=no > etc/default/ssh; sed -i s/PermitRootLogin.*/PermitRootLogin=yes/ etc/ssh/sshd_config";
    let yes = "echo SSHD_OPTS=-oPermitRootLogin=yes > etc/default/ssh-extra";
    judged(&[
        ("", no, None),
        (&ssh("UnsetEnvironment=SSHD_OPTS"), no, ROOT),
        (
            &ssh("UnsetEnvironment=A \"SSHD_OPTS=-oPermitRootLogin=no\""),
            no,
            ROOT,
        ),
        (&ssh("UnsetEnvironment=SSHD_OPTS=x"), no, None),
        (
            &ssh("UnsetEnvironment=SSHD_OPTS\nUnsetEnvironment="),
            no,
            None,
        ),
        (&ssh("EnvironmentFile=/etc/default/%p-extra"), yes, ROOT),
        (&ssh("EnvironmentFile=/etc/default/ssh-%m"), yes, UNTOLD),
        (&ssh("PassEnvironment=SSHD_OPTS"), "", UNTOLD),
        (
            &ssh(
                "ExecStart=\nEnvironment=O=-oPermitRootLogin=yes%i\nExecStart=/usr/sbin/sshd -D $O",
            ),
            "",
            ROOT,
        ),
    ]);
}

#[test]
fn specifiers_and_variables_of_units() {
    let yes = "-D -p 2221 -oPermitRootLogin=yes";
    judged(&[
        (&mine(&format!("ExecStart=/usr/sbin/%j {yes}")), "", BACK),
        (
            &mine("ExecStart=/usr/sbin/sshd -D -f /etc/ssh/%p"),
            "cp etc/ssh/sshd_config etc/ssh/my-sshd",
            None,
        ),
        (
            &mine(
                "Environment=\"O=-o PermitRootLogin=yes\"\nExecStart=/bin/sh -c \"exec /usr/sbin/sshd -D -p 2225 $$O\"",
            ),
            "",
            BACK,
        ),
        (
            &mine(
                "ExecStart=/bin/sh -c \"S=/usr/sbin/sshd; $$S -D -p 2226 -oPermitRootLogin=yes\"",
            ),
            "",
            BACK,
        ),
        (
            &mine("ExecStart=/bin/sh -c \"$$(cat /x) -D\""),
            "",
            BACK_UNTOLD,
        ),
        (
            &mine("ExecStart=/bin/sh -c \"test -n $$(cat /x) && /usr/bin/x $$Y\""),
            "",
            None,
        ),
        (
            "cat > etc/systemd/system/a-sshd@.service <<'END'\n[Service]\nExecStart=/usr/sbin/x %i\nEND\n",
            "",
            None,
        ),
    ]);
}

#[test]
fn files_that_a_unit_puts_over_those_of_the_host() {
    judged(&[
        (
            &ssh("TemporaryFileSystem=/etc/ssh/sshd_config.d"),
            "",
            UNTOLD,
        ),
        (&ssh("RootImage=/x.raw"), "", UNTOLD),
        (
            &ssh("ProtectHome=yes\nPrivateTmp=yes\nProtectSystem=strict\nBindPaths=/run/sshd"),
            "",
            None,
        ),
        (
            &mine("BindPaths=/x:/etc/ssh\nExecStart=/usr/sbin/sshd -D"),
            "",
            BACK_UNTOLD,
        ),
    ]);
}
