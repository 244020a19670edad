//! What keeps a unit that is started from being up.

use super::super::held::Short;
use super::*;

const BASIC: (&str, &str) = ("usr/lib/systemd/system/basic.target", "[Unit]\n");
const UNIT: (&str, &str) = (
    "usr/lib/systemd/system/a.service",
    "[Unit]\n[Service]\nExecStart=!/usr/sbin/a $OPTIONS\n",
);
const OTHER: (&str, &str) = (
    "usr/lib/systemd/system/b.service",
    "[Unit]\n[Service]\nExecStart=/usr/sbin/b\n",
);

#[test]
fn units_that_another_cannot_do_without() {
    let masked = ("etc/systemd/system/b.service", "");
    let lacking = (
        "etc/systemd/system/b.service.d/x.conf",
        "[Unit]\nRequires=c.service\n",
    );
    for (text, files, expected) in [
        ("Requires=b.service", &[][..], false),
        ("Requires=b.service", &[masked], true),
        ("BindsTo=b.service", &[masked], true),
        ("Wants=b.service", &[masked], false),
        ("Requires=b.service", &[lacking], true),
        ("Requires=nope.service", &[], true),
        ("Requires=dev-sda.device -.mount", &[], false),
        (
            "Requires=data.automount systemd-cryptsetup@data.service",
            &[],
            false,
        ),
        (
            "Requires=old.service",
            &[("etc/init.d/old", "#!/bin/sh\n")],
            false,
        ),
        ("Requisite=nope.target", &[], true),
        ("Requisite=b.service", &[], true),
        ("Requires=a.service", &[], false),
    ] {
        let drop_in = format!("[Unit]\n{text}\n");
        let own = ("etc/systemd/system/a.service.d/x.conf", drop_in.as_str());
        let all = [&[BASIC, UNIT, OTHER, own], files].concat();
        let (_tree, root) = made(&all);
        let held = Units::read(&root, &[]).held_back(&root, "a.service");
        assert_eq!(held.is_some(), expected, "{text} {held:?}");
    }
}

#[test]
fn services_that_do_not_stay() {
    for (text, expected) in [
        ("", ""),
        ("RuntimeMaxSec=2s\nRestart=no", "ends"),
        ("RuntimeMaxSec=2s", "ends"),
        ("RuntimeMaxSec=2s\nRestart=always", "perhaps"),
        ("RuntimeMaxSec=infinity", ""),
        ("ExecStart=", "ends"),
        ("ExecStart=\nExecStart=/usr/sbin/a -x", ""),
        ("ExecStart=\nExecStart=/bin/true", "perhaps"),
        ("ExecStart=/usr/sbin/a", "ends"),
        ("Type=oneshot\nExecStart=/usr/sbin/a", ""),
    ] {
        let drop_in = format!("[Service]\n{text}\n");
        let own = ("etc/systemd/system/a.service.d/x.conf", drop_in.as_str());
        let (_tree, root) = made(&[UNIT, own]);
        let found = match Units::read(&root, &[]).cut_short(&root, "a.service", &["a"]) {
            None => "",
            Some(Short::Ends(_)) => "ends",
            Some(Short::Perhaps(_)) => "perhaps",
        };
        assert_eq!(found, expected, "{text}");
    }
}
