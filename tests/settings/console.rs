//! `console.*`: the table of the serial console.

use super::{check, told, tree};
use serde_json::Value;

const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings]\nserial_console = \"SWITCH\"\n";

#[test]
fn the_table_of_the_serial_console() {
    let no_prompt = "sed -i 's/console=ttyS0,115200n8//' boot/grub/grub.cfg";
    let empty = "sed -i 's/^ann:[^:]*/ann:/' etc/shadow";
    let locked = "sed -i 's/^ann:/ann:!/' etc/shadow";
    let expired = "sed -i 's/7:::$/7::1:/' etc/shadow";
    let nologin = "sed -i '/^ann/s|/bin/bash|/sbin/nologin|' etc/passwd";
    let auto = "mkdir etc/systemd/system/serial-getty@ttyS0.service.d; printf '[Service]\\nExecStart=\\nExecStart=-/sbin/agetty --autologin root %%I\\n' > etc/systemd/system/serial-getty@ttyS0.service.d/a.conf";
    let masked = "ln -s /dev/null etc/systemd/system/serial-getty@ttyS0.service";
    let by_hand = "sed -i 's/console=ttyS0,115200n8//' boot/grub/grub.cfg; mkdir etc/systemd/system/getty.target.wants; ln -s /usr/lib/systemd/system/serial-getty@.service etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service";
    let nothing = "rm -r boot";
    let no_systemd = "rm -r usr/lib/systemd";
    let inittab = "rm -r usr/lib/systemd; printf '#x:2:respawn:/sbin/agetty ttyS0\\nT0:23:respawn:/sbin/agetty -L ttyS0 9600\\n' > etc/inittab";
    for (line, switch, verdict, severity) in [
        (no_prompt, "allowed", "not_applicable", "high"),
        (masked, "allowed", "not_applicable", "high"),
        (nothing, "allowed", "unknown", "high"),
        (no_systemd, "allowed", "not_applicable", "high"),
        (inittab, "allowed", "pass", "high"),
        (":", "denied", "pass", "high"),
        (empty, "denied", "pass", "high"),
        (":", "allowed", "pass", "high"),
        (":", "unknown", "pass", "high"),
        (by_hand, "allowed", "pass", "high"),
        (empty, "allowed", "fail", "high"),
        (empty, "unknown", "fail", "high"),
        (auto, "allowed", "fail", "high"),
        (auto, "unknown", "fail", "high"),
        (locked, "allowed", "fail", "high"),
        (locked, "unknown", "fail", "medium"),
        (expired, "allowed", "fail", "high"),
        (nologin, "allowed", "fail", "high"),
        ("rm etc/shadow", "allowed", "unknown", "high"),
    ] {
        let lab = tree();
        lab.shell(line);
        lab.profile(&PROFILE.replace("SWITCH", switch));
        let finding = check(&lab, "console").one("console.serial_password", "console");
        let seen = (&finding["verdict"], &finding["severity"]);
        assert_eq!(
            seen,
            (&Value::from(verdict), &Value::from(severity)),
            "{line} {switch}: {finding:#?}"
        );
    }
}

#[test]
fn any_unit_on_the_line_is_a_prompt() {
    let no_console = "sed -i 's/console=ttyS0,115200n8//' boot/grub/grub.cfg";
    let wants = "etc/systemd/system/multi-user.target.wants";
    let linked = format!(
        "{no_console}; mkdir {wants}; ln -s /usr/lib/systemd/system/serial-getty@.service {wants}/serial-getty@ttyS0.service"
    );
    let own = |service: &str| {
        format!(
            "{no_console}; mkdir {wants}; printf '[Service]\\n{service}\\n' > etc/systemd/system/sc.service; ln -s ../sc.service {wants}/"
        )
    };
    let with = |line: &str| format!("{line}; sed -i 's/^ann:[^:]*/ann:/' etc/shadow");
    let by_line = format!(
        "{no_console}; sed -i 's/$/ systemd.wants=serial-getty@ttyS0.service/' boot/grub/grub.cfg"
    );
    for (line, verdict) in [
        (&linked, "pass"),
        (&with(&linked), "fail"),
        (&with(&by_line), "fail"),
        (&with(&own("ExecStart=/sbin/agetty 115200 ttyS0")), "fail"),
        (&own("ExecStart=/sbin/agetty -a root 115200 ttyS0"), "fail"),
        (
            &with(&own(
                "ExecStart=/bin/login\\nStandardInput=tty\\nTTYPath=/dev/ttyS0",
            )),
            "fail",
        ),
        (
            &with(&own("ExecStart=/sbin/agetty 115200 ttyS1")),
            "not_applicable",
        ),
        (
            &with(&own("ExecStart=/bin/sh -c \"echo up > /dev/ttyS0\"")),
            "not_applicable",
        ),
    ] {
        let lab = tree();
        lab.shell(line);
        lab.profile(&PROFILE.replace("SWITCH", "allowed"));
        let finding = check(&lab, "console").one("console.serial_password", "console");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
    }
}

#[test]
fn the_evidence_names_prompt_and_accounts() {
    let finding = check(&tree(), "console").one("console.serial_password", "console");
    assert_eq!(finding["observed"]["prompt"], "/boot/grub/grub.cfg:1");
    assert_eq!(
        finding["observed"]["working_passwords"],
        serde_json::json!(["ann"])
    );
}

#[test]
fn autologin_by_any_drop_in() {
    let drop_in = |directory: &str, name: &str| {
        format!(
            "mkdir -p {directory}; printf '[Service]\\nExecStart=\\nExecStart=-/sbin/agetty -a root %%I\\n' > {directory}/{name}"
        )
    };
    let bad = drop_in("usr/lib/systemd/system/serial-getty@.service.d", "x.conf");
    for (line, expected) in [
        (":".to_owned(), &[][..]),
        (bad.clone(), &["getty_autologin serial-getty@ttyS0.service"]),
        // A file of the same name in /etc hides it; a link to /dev/null hides it altogether.
        (
            format!(
                "{bad}; mkdir -p etc/systemd/system/serial-getty@.service.d; : > etc/systemd/system/serial-getty@.service.d/x.conf"
            ),
            &[],
        ),
        (
            format!(
                "{bad}; mkdir -p etc/systemd/system/serial-getty@.service.d; ln -s /dev/null etc/systemd/system/serial-getty@.service.d/x.conf"
            ),
            &[],
        ),
        (
            drop_in("etc/systemd/system/serial-getty@.service.d", "x.txt"),
            &[],
        ),
        (
            drop_in("etc/systemd/system/getty@tty1.service.d", "x.conf"),
            &["getty_autologin getty@tty1.service"],
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        let mut failed = told(&check(&lab, "console"), "fail");
        // On the serial line it fails the console's own check too.
        let serial = expected.iter().any(|told| told.contains("ttyS0"));
        assert_eq!(
            failed.contains(&"serial_password console".to_owned()),
            serial,
            "{line}"
        );
        failed.retain(|told| !told.starts_with("serial_password"));
        assert_eq!(failed, expected, "{line}");
    }
}

#[test]
fn a_root_shell_that_waits() {
    let systemd = ":";
    let wanted = "mkdir -p etc/systemd/system/sysinit.target.wants; ln -s /usr/lib/systemd/system/debug-shell.service etc/systemd/system/sysinit.target.wants/";
    let masked = "ln -s /dev/null etc/systemd/system/debug-shell.service";
    let booted = "sed -i 's/console=tty0/& systemd.debug_shell=1/' boot/grub/grub.cfg";
    for (line, verdict) in [
        ("rm -r usr/lib/systemd".to_owned(), "not_applicable"),
        (systemd.into(), "pass"),
        (format!("{systemd}; {wanted}"), "fail"),
        (format!("{systemd}; {wanted}; {masked}"), "pass"),
        (format!("{systemd}; {booted}"), "fail"),
        (format!("{systemd}; {booted}; {masked}"), "pass"),
        (
            format!(
                "{systemd}; echo 'GRUB_CMDLINE_LINUX=\"quiet systemd.debug-shell\"' > etc/default/grub"
            ),
            "fail",
        ),
        (format!("{systemd}; rm -r boot"), "unknown"),
        // The menu is a script.
        (r"printf ' \\\n  systemd.debug_shell\n' >> boot/grub/grub.cfg; sed -i ':a;N;s/n8\n/n8/;ta' boot/grub/grub.cfg".into(), "fail"),
        ("sed -i 's/console=tty0/& $x/; 1iset x=\"systemd.debug_shell\"' boot/grub/grub.cfg".into(), "fail"),
        ("sed -i 's/console=tty0/& $x/' boot/grub/grub.cfg".into(), "pass"),
        ("echo \"menuentry x { linux /v init=/bin/bash; }\" > boot/grub/custom.cfg".into(), "fail"),
        ("sed -i 's/linux /\"linux\" systemd.debug\"_shell\" /' boot/grub/grub.cfg".into(), "fail"),
        ("mkdir -p boot/efi/EFI/debian; echo 'linux /v systemd.debug_shell' > boot/efi/EFI/debian/grub.cfg".into(), "fail"),
        (
            "mkdir -p boot/loader/entries; echo 'options ro $tuned_params' > boot/loader/entries/a.conf; echo 'set tuned_params=\"init=/bin/sh\"' >> boot/grub/grub.cfg".into(),
            "fail",
        ),
        ("sed -i 's/console=tty0/& init=\\/usr\\/bin\\/python3.11/' boot/grub/grub.cfg".into(), "fail"),
        ("sed -i 's/console=tty0/& init=\\/opt\\/x/' boot/grub/grub.cfg".into(), "unknown"),
        ("sed -i 's/console=tty0/& systemd.run=\"openvt -c 9 bash\"/' boot/grub/grub.cfg".into(), "fail"),
        // What starts the unit when its time comes.
        (
            "cd etc/systemd/system; echo '[Service]' > debug-shell.service; mkdir timers.target.wants; printf '[Timer]\nOnBootSec=1\nUnit=debug-shell.service\n' > a.timer; ln -s ../a.timer timers.target.wants/".into(),
            "fail",
        ),
        (
            "cd etc/systemd/system; echo '[Service]' > debug-shell.service; mkdir timers.target.wants; printf '[Timer]\nOnBootSec=1\nUnit=debug-shell.service\n' > a.timer".into(),
            "pass",
        ),
        (format!("{wanted}; ln -s ../../../dev/null etc/systemd/system/debug-shell.service"), "pass"),
    ] {
        let lab = tree();
        lab.shell(&line);
        let finding = check(&lab, "console").one("console.debug_shell", "console");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
    }
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn the_password_of_the_boot_menu() {
    let serial =
        "printf 'serial --unit=0\\nterminal_input serial console\\n' >> boot/grub/grub.cfg";
    let password = "printf 'set superusers=\"boss\"\\npassword_pbkdf2 boss grub.pbkdf2.sha512.10000.AA.BB\\n' >> boot/grub/grub.cfg";
    let red_hat = "mv boot/grub boot/grub2; printf 'if [ -n \"${GRUB2_PASSWORD}\" ]; then\\n  set superusers=\"root\"\\n  export superusers\\n  password_pbkdf2 root ${GRUB2_PASSWORD}\\nfi\\n' >> boot/grub2/grub.cfg";
    for (line, demand, verdict) in [
        (":".to_owned(), "serial", "not_applicable"),
        (":".to_owned(), "always", "fail"),
        ("rm -r boot".into(), "always", "not_applicable"),
        (serial.into(), "serial", "fail"),
        (format!("{serial}; {password}"), "serial", "pass"),
        (password.into(), "always", "pass"),
        (
            format!("{serial}; sed -i 's/terminal_input/#&/' boot/grub/grub.cfg"),
            "serial",
            "not_applicable",
        ),
        (
            format!("{serial}; echo 'terminal_input console' >> boot/grub/grub.cfg"),
            "serial",
            "not_applicable",
        ),
        (
            format!(
                "{serial}; {password}; sed -i 's/superusers=\"boss\"/superusers=\"\"/' boot/grub/grub.cfg"
            ),
            "serial",
            "fail",
        ),
        (
            format!(
                "{serial}; {password}; sed -i 's/pbkdf2 boss/pbkdf2 other/' boot/grub/grub.cfg"
            ),
            "serial",
            "fail",
        ),
        (
            "echo 'GRUB_TERMINAL=\"console serial\"' > etc/default/grub".into(),
            "serial",
            "fail",
        ),
        (
            "echo '#GRUB_TERMINAL=serial' > etc/default/grub".into(),
            "serial",
            "not_applicable",
        ),
        (
            "echo 'GRUB_TERMINAL_OUTPUT=serial' > etc/default/grub".into(),
            "serial",
            "not_applicable",
        ),
        (format!("{serial}; {red_hat}"), "serial", "fail"),
        (
            format!(
                "{serial}; {red_hat}; echo 'GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.AA.BB' > boot/grub2/user.cfg"
            ),
            "serial",
            "pass",
        ),
        (
            format!(
                "{serial}; echo 'set superusers=\"a\"' > boot/grub/custom.cfg; echo 'password a b' >> boot/grub/custom.cfg"
            ),
            "serial",
            "pass",
        ),
        (
            format!(
                "mkdir -p boot/efi/EFI/debian; echo 'configfile /boot/grub/grub.cfg' > boot/efi/EFI/debian/grub.cfg; {serial}; {password}"
            ),
            "serial",
            "pass",
        ),
        (
            format!("{serial}; {password}; echo 'unset superusers' >> boot/grub/grub.cfg"),
            "serial",
            "fail",
        ),
        (
            format!(
                "{serial}; echo 'if false; then' >> boot/grub/grub.cfg; {password}; echo fi >> boot/grub/grub.cfg"
            ),
            "serial",
            "fail",
        ),
        (
            format!(
                "{serial}; echo 'if sleep 1; then' >> boot/grub/grub.cfg; {password}; echo fi >> boot/grub/grub.cfg"
            ),
            "serial",
            "unknown",
        ),
        (
            "rm boot/grub/grub.cfg; mkfifo boot/grub/grub.cfg".into(),
            "serial",
            "unknown",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        lab.profile(&format!("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"console.grub_password\"]\ndemand = \"{demand}\"\n"));
        let ran = check(&lab, "console");
        let finding = ran.one("console.grub_password", "console");
        assert_eq!(finding["verdict"], verdict, "{line} {demand}: {finding:#?}");
        assert!(!ran.stdout.contains("pbkdf2.sha512"), "a hash was told");
    }
}

#[test]
fn every_way_past_the_login_prompt() {
    let unit = |directory: &str, text: &str| {
        format!("mkdir -p {directory}; printf '[Service]\\n{text}\\n' > {directory}/x.conf")
    };
    let serial = "etc/systemd/system/serial-getty@ttyS0.service.d";
    let store = "mkdir -p etc/credstore; echo yes > etc/credstore/login.noauth";
    let import = unit(serial, "ImportCredential=login.*");
    for (line, verdict) in [
        (unit(serial, "ExecStart=\\nExecStart=/bin/bash"), "fail"),
        (
            unit(serial, "ExecStart=\\nExecStart=-/sbin/agetty -iJaroot %%I"),
            "fail",
        ),
        (
            unit(
                serial,
                "ExecStart=\\nExecStart=-/sbin/agetty -n -l /bin/sh %%I",
            ),
            "fail",
        ),
        (
            unit(serial, "ExecStart=\\nExecStart=-/bin/login -pf root"),
            "fail",
        ),
        (
            unit(serial, "ExecStart=\\nExecStart=-/sbin/agetty -H -aroot %%I"),
            "pass",
        ),
        (
            unit(serial, "ExecStart=\\nExecStart=-/opt/greeter"),
            "unknown",
        ),
        (unit(serial, "SetCredential=login.noauth:1"), "fail"),
        (unit(serial, "SetCredential=login.noauth:0"), "pass"),
        (store.to_owned(), "pass"),
        (format!("{store}; {import}"), "fail"),
        (
            format!(
                "{import}; sed -i 's/$/ systemd.set_credential=login.noauth:yes/' boot/grub/grub.cfg"
            ),
            "fail",
        ),
        // Another line that the kernel talks on.
        (
            format!(
                "{}; sed -i 's/$/ console=hvc0/' boot/grub/grub.cfg",
                unit(
                    "etc/systemd/system/serial-getty@hvc0.service.d",
                    "ExecStart=\\nExecStart=-/sbin/agetty --autol root %%I"
                )
            ),
            "fail",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        let ran = check(&lab, "console");
        let seen = ran.findings();
        let mut of_gettys = seen
            .iter()
            .filter(|finding| finding["check"] == "console.getty_autologin");
        assert!(
            of_gettys.any(|finding| finding["verdict"] == verdict),
            "{line}: {ran:#?}"
        );
    }
}
