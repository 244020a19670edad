//! `network.*`: real sockets, rules and mounts in a network namespace, services on trees.
// Long: one table of rulesets and services.

use super::{check, told, tree};
use harness::{Lab, Ran, agent_path, run, shell};
use serde_json::json;
use std::process::Command;

/// `check` of the live host's network after `script`, in network and mount namespaces of its own.
///
/// `listen PROGRAM PROTO ADDRESS PORT` starts a listener whose program bears that name.
fn live(lab: &Lab, script: &str, only: &str) -> Ran {
    let listener = "import socket, sys, time
proto, host, port, ready = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_STREAM if proto == 'tcp' else socket.SOCK_DGRAM)
s.bind((host, port))
if proto == 'tcp': s.listen()
open(ready, 'w').close()
time.sleep(600)";
    std::fs::write(lab.path().join("listener.py"), listener).expect("a listener");
    let all = format!(
        "ip link set lo up; ip address add 192.0.2.1/32 dev lo
        python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
        export PYTHONHOME=$(python3 -c 'import sys; print(sys.base_prefix)')
        n=0
        listen() {{
          n=$((n + 1)); rm -f ready$n; [ -e \"$1\" ] || cp \"$python\" \"$1\"; \"./$1\" listener.py \"$2\" \"$3\" \"$4\" ready$n & children=\"$children $!\"
          for i in {{1..600}}; do if [ -e ready$n ]; then return; fi; sleep 0.05; done; exit 99
        }}
        children=
        trap 'for child in $children; do kill $child; done' EXIT
        {script}
        \"$AGENT\" check --profile ./profile.toml --only '{only}' --format json"
    );
    run(Command::new("unshare")
        .args(["--net", "--mount", "bash", "-euc", &all])
        .env("AGENT", agent_path())
        .current_dir(lab.path()))
}

fn profile(id: &str, demand: &str) -> String {
    format!(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"{id}\"]\ndemand = {demand}\n"
    )
}

#[test]
fn listeners_are_seen_with_their_programs() {
    let lab = Lab::new();
    let id = "network.listening_allowlist";
    lab.profile(&profile(
        id,
        r#"["tcp/8000@webby", "tcp/9000-9001", "udp/*@chatter"]"#,
    ));
    let ran = live(
        &lab,
        "listen webby tcp 0.0.0.0 8000; listen other tcp 192.0.2.1 9001; listen chatter udp 192.0.2.1 5353
         listen other tcp 127.0.0.1 22; listen other tcp ::1 23; listen other udp 127.0.0.1 53",
        id,
    )
    .expect(0);
    let finding = ran.one(id, "listeners");
    assert_eq!(finding["verdict"], "pass");
    let listeners = finding["observed"]["listeners"].as_array().expect("a list");
    assert_eq!(listeners.len(), 3, "loopback does not count: {finding:#?}");
    let ran = live(
        &lab,
        "listen sneaky tcp 0.0.0.0 8000; listen sneaky tcp :: 4444; listen webby udp 0.0.0.0 5353",
        id,
    )
    .expect(1);
    assert_eq!(
        told(&ran, "fail"),
        [
            "listening_allowlist tcp/4444",
            "listening_allowlist tcp/8000",
            "listening_allowlist udp/5353"
        ]
    );
    let finding = ran.one(id, "tcp/4444");
    assert_eq!(
        finding["observed"],
        json!({ "socket": "tcp/4444", "program": "sneaky", "addresses": ["::"] })
    );
    // The kernel's own word on the same sockets.
    let seen = live(&lab, "listen sneaky tcp :: 4444; ss -Hlntu > ss; true", id);
    assert_eq!(told(&seen, "fail").len(), 1);
    let ss = std::fs::read_to_string(lab.path().join("ss")).expect("ss");
    assert!(ss.contains(":4444") && ss.lines().count() == 1, "{ss}");
}

/// A program that the caller may not look into is no match for a named one, and no mismatch.
#[test]
fn a_program_that_cannot_be_seen_is_unknown() {
    let lab = Lab::new();
    let id = "network.listening_allowlist";
    lab.profile(&profile(id, r#"["tcp/8000@webby"]"#));
    lab.shell("chmod 755 .. .");
    let ran = live(
        &lab,
        "listen webby tcp 0.0.0.0 8000; cp \"$AGENT\" agent; AGENT=./as-nobody
         printf '#!/bin/sh\\nexec setpriv --reuid=65534 --regid=65534 --clear-groups ./agent \"$@\"\\n' > as-nobody
         chmod 755 agent as-nobody",
        id,
    )
    .expect(3);
    let finding = ran.one(id, "tcp/8000");
    assert_eq!(finding["verdict"], "unknown");
    assert!(finding["observed"]["program"].is_null(), "{finding}");
}

#[test]
fn without_a_list_nothing_is_demanded_and_a_bad_entry_is_told() {
    let lab = Lab::new();
    let id = "network.listening_allowlist";
    let ran = live(&lab, "listen webby tcp 0.0.0.0 8000", id).expect(0);
    let finding = ran.one(id, "listeners");
    assert_eq!(finding["verdict"], "not_applicable");
    assert_eq!(finding["observed"]["listeners"][0]["program"], "webby");
    lab.profile(&profile(id, r#"["8000"]"#));
    let finding = live(&lab, "", id).expect(3).one(id, "listeners");
    assert!(
        finding["message"]
            .as_str()
            .expect("text")
            .contains("\"8000\"")
    );
    let finding = check(&lab, "network").one(id, "listeners");
    assert_eq!(finding["verdict"], "not_applicable");
}

/// Ports of old services: by any program for file sharing, by the service's own programs for the rest.
#[test]
fn services_that_listen() {
    let lab = Lab::new();
    for (script, id, subject, verdict) in [
        (
            "listen x tcp 0.0.0.0 2049",
            "no_file_sharing",
            "nfs",
            "fail",
        ),
        (
            "listen x udp 192.0.2.1 69",
            "no_file_sharing",
            "tftp",
            "fail",
        ),
        ("listen x tcp :: 445", "no_file_sharing", "smb", "fail"),
        (
            "listen telnetd tcp 0.0.0.0 23",
            "legacy_services",
            "telnet",
            "fail",
        ),
        (
            "listen in.rshd tcp 0.0.0.0 514",
            "legacy_services",
            "rsh",
            "fail",
        ),
    ] {
        let id = format!("network.{id}");
        let ran = live(&lab, script, &id);
        assert_eq!(ran.one(&id, subject)["verdict"], verdict, "{script}");
    }
    for (script, id, subject) in [
        ("listen x tcp 127.0.0.1 2049", "no_file_sharing", "nfs"),
        ("listen rsyslogd tcp 0.0.0.0 514", "legacy_services", "rsh"),
        ("listen sshd tcp 0.0.0.0 23", "legacy_services", "telnet"),
    ] {
        let id = format!("network.{id}");
        let ran = live(&lab, script, &id);
        assert!(
            ran.findings()
                .iter()
                .all(|finding| finding["subject"] != subject),
            "{script}: {ran:#?}"
        );
    }
}

/// The rules that nft itself loads.
#[test]
fn a_ruleset_counts_if_it_filters_input() {
    let lab = Lab::new();
    let id = "network.firewall";
    let input =
        "nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'";
    for (rules, loaded) in [
        ("", false),
        ("nft add table inet t", false),
        (input, false),
        (
            &*format!("{input}; nft add rule inet t in tcp dport 23 drop"),
            true,
        ),
        (
            "nft add table ip t; nft 'add chain ip t in { type filter hook input priority 0; policy drop; }'",
            true,
        ),
        (
            "nft add table ip6 t; nft 'add chain ip6 t in { type filter hook input priority 0; policy drop; }'",
            false,
        ),
        (
            "nft add table bridge t; nft 'add chain bridge t in { type filter hook input priority 0; policy drop; }'",
            false,
        ),
        (
            "nft add table arp t; nft 'add chain arp t in { type filter hook input priority 0; policy drop; }'",
            false,
        ),
        (
            "nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; policy drop; }'; nft 'add table inet t { flags dormant; }'",
            false,
        ),
        (
            "nft add table netdev t; nft 'add chain netdev t in { type filter hook ingress device lo priority 0; policy drop; }'",
            false,
        ),
        (
            "nft add table ip t; nft 'add chain ip t out { type filter hook output priority 0; policy drop; }'",
            false,
        ),
        (
            "nft add table ip t; nft 'add chain ip t pre { type filter hook prerouting priority 0; }'; nft add rule ip t pre tcp dport 23 drop",
            true,
        ),
        (
            "nft add table ip t; nft 'add chain ip t nat { type nat hook prerouting priority -100; }'; nft add rule ip t nat tcp dport 80 redirect to 8080",
            false,
        ),
    ] {
        let ran = live(&lab, rules, id);
        let finding = ran.one(id, "firewall");
        assert_eq!(
            finding["observed"]["loaded"], loaded,
            "{rules}: {finding:#?}"
        );
    }
    lab.profile(&profile(id, "\"host\""));
    let finding = live(&lab, "", id).one(id, "firewall");
    assert_eq!(finding["verdict"], "fail");
}

#[test]
#[allow(clippy::too_many_lines)]
fn what_loads_a_ruleset_at_boot() {
    let unit = |name: &str| {
        format!(
            "mkdir -p etc/systemd/system/multi-user.target.wants; touch etc/empty; echo '[Unit]' > usr/lib/systemd/system/{name}; ln -s /usr/lib/systemd/system/{name} etc/systemd/system/multi-user.target.wants/{name}"
        )
    };
    let nft = unit("nftables.service");
    for (line, host, default) in [
        (":".to_owned(), "fail", "not_applicable"),
        // As Debian ships it: chains and no rule.
        (
            format!(
                "{nft}; echo 'chain input {{ type filter hook input priority filter; }}' > etc/nftables.conf"
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{nft}; echo 'table inet t {{ chain c {{ type filter hook input priority 0; tcp dport 23 drop; }}; }}' > etc/nftables.conf"
            ),
            "pass",
            "pass",
        ),
        // nft loads a file whole, or nothing of it.
        (
            format!(
                "{nft}; echo 'table inet t {{ chain c {{ type filter hook input priority 0; tcp dport 23 drop; }}; }}' > etc/nftables.conf; \
                 echo 'include \"/etc/missing.nft\"' >> etc/nftables.conf"
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{nft}; echo 'table ip6 t {{ chain c {{ type filter hook input priority 0; policy drop; }}; }}' > etc/nftables.conf"
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{nft}; echo 'table inet t {{ flags dormant; chain c {{ type filter hook input priority 0; policy drop; }}; }}' > etc/nftables.conf"
            ),
            "fail",
            "not_applicable",
        ),
        (unit("firewalld.service"), "pass", "pass"),
        (
            format!(
                "{}; mkdir -p etc/firewalld/zones; echo \"<zone target = 'ACCEPT'></zone>\" > etc/firewalld/zones/public.xml",
                unit("firewalld.service")
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{}; ln -s /dev/null etc/systemd/system/firewalld.service",
                unit("firewalld.service")
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{}; mkdir etc/ufw; echo ENABLED=no > etc/ufw/ufw.conf",
                unit("ufw.service")
            ),
            "fail",
            "not_applicable",
        ),
        (
            format!(
                "{}; mkdir etc/ufw; echo ENABLED=yes > etc/ufw/ufw.conf",
                unit("ufw.service")
            ),
            "pass",
            "pass",
        ),
        (
            format!(
                "{}; mkdir etc/sysconfig; echo '-A INPUT -j DROP' > etc/sysconfig/iptables",
                unit("iptables.service")
            ),
            "pass",
            "pass",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        let finding = check(&lab, "network").one("network.firewall", "firewall");
        assert_eq!(finding["verdict"], default, "{line}");
        lab.profile(&profile("network.firewall", "\"host\""));
        let finding = check(&lab, "network").one("network.firewall", "firewall");
        assert_eq!(finding["verdict"], host, "{line}");
    }
}

/// Whether a unit counts as started, beside systemctl's own word on the same tree.
#[test]
fn units_as_systemctl_sees_them() {
    let unit = "echo '[Service]' > usr/lib/systemd/system/rsyncd.service; printf '[Install]\\nWantedBy=multi-user.target\\n' >> usr/lib/systemd/system/rsyncd.service";
    let wants = "mkdir -p etc/systemd/system/multi-user.target.wants; ln -s /usr/lib/systemd/system/rsyncd.service etc/systemd/system/multi-user.target.wants/";
    for line in [
        unit.to_owned(),
        format!("{unit}; {wants}"),
        format!("{unit}; {}", wants.replace("wants", "requires")),
        format!("{unit}; {wants}; ln -s /dev/null etc/systemd/system/rsyncd.service"),
        format!("{unit}; {wants}; : > etc/systemd/system/rsyncd.service"),
        format!("{unit}; {wants}; ln -s ../../../dev/null etc/systemd/system/rsyncd.service"),
        format!(
            "{unit}; {wants}; ln -s /opt/none etc/systemd/system/rsyncd.service; ln -s /dev/null opt/none"
        ),
        format!("{unit}; {wants}; ln -s /nowhere etc/systemd/system/rsyncd.service"),
        format!("{unit}; {wants}; cp usr/lib/systemd/system/rsyncd.service etc/systemd/system/"),
        format!("{unit}; ln -s /dev/null usr/local/lib/systemd/system/rsyncd.service"),
        format!("{unit}; {wants}; rm usr/lib/systemd/system/rsyncd.service"),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "mkdir -p opt usr/local/lib/systemd/system; {line}"
        ));
        let said = shell(
            &lab.root(),
            "systemctl --root=\"$PWD\" is-enabled rsyncd.service 2>&1 || true",
        );
        let failed = told(&check(&lab, "network"), "fail");
        let ours = failed.contains(&"no_file_sharing rsync".to_owned());
        assert_eq!(ours, said.trim() == "enabled", "{line}: {said} {failed:?}");
    }
}

#[test]
fn services_on_a_tree() {
    let dpkg = "mkdir -p var/lib/dpkg; printf 'Package: base-files\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: amd64\\n\\n' > var/lib/dpkg/status";
    let package = |name: &str, state: &str| {
        format!(
            "{dpkg}; printf 'Package: {name}\\nStatus: install ok {state}\\nVersion: 1\\nArchitecture: amd64\\n\\n' >> var/lib/dpkg/status"
        )
    };
    let unit = |name: &str, more: &str| {
        format!(
            "{dpkg}; mkdir -p etc/systemd/system/multi-user.target.wants; printf '[Unit]\\n{more}\\n' > usr/lib/systemd/system/{name}; ln -s /usr/lib/systemd/system/{name} etc/systemd/system/multi-user.target.wants/{name}"
        )
    };
    for (line, expected) in [
        (dpkg.to_owned(), &[][..]),
        (package("telnetd", "installed"), &["legacy_services telnet"]),
        (package("telnetd", "config-files"), &[]),
        (package("telnet", "installed"), &[]),
        (
            package("xinetd", "half-configured"),
            &["legacy_services xinetd"],
        ),
        (package("samba", "installed"), &[]),
        (unit("smbd.service", ""), &["no_file_sharing smb"]),
        (
            unit("tftpd-hpa.service", ""),
            &["no_file_sharing tftp", "legacy_services tftp"],
        ),
        (unit("ksmbd.service", ""), &["no_file_sharing smb"]),
        (unit("nfs-ganesha.service", ""), &["no_file_sharing nfs"]),
        (unit("proftpd.socket", ""), &["no_file_sharing ftp"]),
        (
            format!(
                "{}; mkdir -p etc/systemd/system/multi-user.target.wants; echo '[Unit]' > usr/lib/systemd/system/vsftpd@.service; ln -s /usr/lib/systemd/system/vsftpd@.service etc/systemd/system/multi-user.target.wants/vsftpd@x.service",
                dpkg
            ),
            &["no_file_sharing ftp"],
        ),
        // As Debian enables rsync wherever it is installed.
        (
            unit("rsync.service", "ConditionPathExists=/etc/rsyncd.conf"),
            &[],
        ),
        (
            format!(
                "{}; touch etc/rsyncd.conf",
                unit("rsync.service", "ConditionPathExists=/etc/rsyncd.conf")
            ),
            &["no_file_sharing rsync"],
        ),
        (
            format!(
                "{dpkg}; printf '#ftp x\\ntelnet stream tcp nowait root /x\\n' > etc/inetd.conf"
            ),
            &["legacy_services telnet"],
        ),
        (
            format!("{dpkg}; mkdir etc/rc3.d; ln -s ../init.d/smbd etc/rc3.d/S20smbd"),
            &["no_file_sharing smb"],
        ),
        // systemd starts scripts by a generator, which it has no more from 260 on.
        (
            format!(
                "{dpkg}; mkdir -p etc/rc3.d usr/lib/systemd; ln -s ../init.d/smbd etc/rc3.d/S20smbd; touch usr/lib/systemd/systemd"
            ),
            &[],
        ),
        (
            format!(
                "{dpkg}; mkdir -p etc/rc3.d usr/lib/systemd/system-generators; ln -s ../init.d/smbd etc/rc3.d/S20smbd; touch usr/lib/systemd/systemd usr/lib/systemd/system-generators/systemd-sysv-generator"
            ),
            &["no_file_sharing smb"],
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        assert_eq!(told(&check(&lab, "network"), "fail"), expected, "{line}");
    }
    let lab = tree();
    let unknown = told(&check(&lab, "network").expect(3), "unknown");
    assert_eq!(unknown, ["legacy_services services"], "no package database");
    lab.shell(&package("telnetd", "installed"));
    lab.profile(&profile("network.legacy_services", "[\"telnet\"]"));
    assert_eq!(told(&check(&lab, "network").expect(0), "fail"), [""; 0]);
}

#[test]
fn mounts_written_down() {
    for (line, expected) in [
        (
            "echo '10.0.0.1:/x /srv nfs4 defaults 0 0' > etc/fstab",
            "fail",
        ),
        ("echo 'fs-1:/ /srv efs _netdev,tls 0 0' > etc/fstab", "pass"),
        ("echo '//h/s /srv cifs seal 0 0' > etc/fstab", "pass"),
        (
            "printf '[Mount]\\nWhat=10.0.0.1:/x\\nWhere=/srv\\nType=nfs\\n' > etc/systemd/system/srv.mount",
            "fail",
        ),
        (
            "printf '[Mount]\\nWhat=10.0.0.1:/x\\nWhere=/srv\\nType=nfs\\nOptions=ro,sec=krb5p\\n' > etc/systemd/system/srv.mount",
            "pass",
        ),
    ] {
        let lab = tree();
        lab.shell(line);
        let ran = check(&lab, "network");
        let finding = ran.one("network.encrypted_mounts", "/srv");
        assert_eq!(finding["verdict"], expected, "{line}");
    }
    let lab = tree();
    lab.shell("echo '/dev/vda1 / ext4 defaults 0 1' > etc/fstab");
    let finding = check(&lab, "network").one("network.encrypted_mounts", "mounts");
    assert_eq!(finding["verdict"], "not_applicable");
}
