//! Generated configurations through `sshd -T` of OpenSSH and through `agent sshd-effective`: the same lines,
//! the same refusals.
//!
//! Compared are this machine's sshd, and that of each root below `SSHD_ROOTS`, as
//! `debootstrap --variant=minbase --include=openssh-server trixie ROOT` makes them; a word says which are left out.
//!
//! Known differences, kept out of the grammar: host names in ListenAddress (resolved by sshd), service names
//! beyond a few, and `AuthenticationMethods publickey any` in a Match block (sshd 9.2 starts, and ends each
//! connection that the block is for).

mod grammar;
mod servers;

use grammar::{ANYWHERE, CONNECTIONS, MATCHES, OUTSIDE, write_config};
use harness::shell;
use servers::{ConfigDirectory, both, difference, servers};
use std::fmt::Write;

/// How many configurations are compared.
const ROUNDS: u64 = 400;

#[test]
fn every_line_alone_is_read_as_sshd_reads_it() {
    let mut wrong = String::new();
    for server in servers() {
        let directory = ConfigDirectory::of(&server);
        for line in ANYWHERE.iter().chain(OUTSIDE).chain(MATCHES) {
            let everywhere = ["", "Match User root\n", "Match all\n"];
            let around = match server.root {
                Some(_) => &everywhere[..2],
                None => &everywhere,
            };
            for around in around {
                directory.write(&format!("{around}{line}"));
                let connection = match around.contains("root") {
                    true => CONNECTIONS[1],
                    false => &[],
                };
                let (theirs, ours) = both(&server, &directory, connection);
                let difference = difference(&server, &theirs, &ours);
                if !difference.is_empty() {
                    writeln!(wrong, "{} {around}{line}\n{difference}", server.name)
                        .expect("memory");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Of two lines for one keyword: which counts, and what the later one leaves of the earlier.
#[test]
fn lines_that_meet_are_read_as_sshd_reads_them() {
    let mut wrong = String::new();
    for server in servers() {
        let directory = ConfigDirectory::of(&server);
        for lines in [
            "MaxStartups 10:50:60\nMaxStartups 5",
            "MaxStartups 5\nMaxStartups 10:50:60",
            "PerSourceNetBlockSize 16:64\nPerSourceNetBlockSize 8:32",
            "IPQoS af21\nIPQoS cs1",
            "StreamLocalBindMask 022\nStreamLocalBindMask 033",
            "FingerprintHash md5\nFingerprintHash sha256",
            "PerSourcePenalties max:3\nPerSourcePenalties max:4 min:2",
            "PerSourcePenalties no\nPerSourcePenalties max:3",
            "PerSourcePenalties yes\nPerSourcePenalties no",
            "PerSourcePenalties max:3 no",
            "Subsystem a b\nSubsystem a c",
            "PubkeyAuthOptions none\nPubkeyAuthOptions touch-required",
            "UnusedConnectionTimeout 5\nUnusedConnectionTimeout none",
            "UnusedConnectionTimeout 5\nUnusedConnectionTimeout 0",
            "AddressFamily inet\nListenAddress ::1",
            "AddressFamily inet6\nListenAddress 127.0.0.1",
            "ListenAddress 127.0.0.1\nListenAddress ::1\nAddressFamily inet",
            "AddressFamily inet\nListenAddress 127.0.0.1",
            "RekeyLimit 1G\nRekeyLimit 2G 1h",
            "AuthorizedKeysFile none\nMatch User root\nAuthorizedKeysFile x",
            "Match User root\nAuthorizedKeysFile none",
            "Match User root\nRevokedKeys none",
            "Match Invalid-User\nPermitTTY no",
            "AuthenticationMethods publickey\nPubkeyAuthentication no",
            "AuthenticationMethods none\nPasswordAuthentication no",
        ] {
            for connection in [&[][..], CONNECTIONS[1]] {
                directory.write(lines);
                let (theirs, ours) = both(&server, &directory, connection);
                let difference = difference(&server, &theirs, &ours);
                if !difference.is_empty() {
                    writeln!(
                        wrong,
                        "{} {lines} {connection:?}\n{difference}",
                        server.name
                    )
                    .expect("memory");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What `-C` takes.
#[test]
fn connections_are_read_as_sshd_reads_them() {
    let mut wrong = String::new();
    for server in servers() {
        let directory = ConfigDirectory::of(&server);
        directory.write("Match User nosuch\nPermitTTY no\nMatch User root\nX11Forwarding yes");
        for spec in [
            "user=root,lport=22,",
            "user=nosuch,,x",
            ",user=root",
            "user=nosuch,invalid-user",
            "",
            "user=root,lport=x",
            "user=root,lport=0",
            "user",
            "bogus=x",
        ] {
            let (theirs, ours) = both(&server, &directory, &["-C", spec]);
            let difference = difference(&server, &theirs, &ours);
            if !difference.is_empty() {
                writeln!(wrong, "{} -C {spec}\n{difference}", server.name).expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn generated_configurations_are_read_as_sshd_reads_them() {
    let mut wrong = String::new();
    for server in servers() {
        let directory = ConfigDirectory::of(&server);
        // Which lines sshd takes by themselves decides only how often each is drawn.
        let good = [ANYWHERE, OUTSIDE, MATCHES].map(|list| {
            let taken = list.iter().map(|line| {
                directory.write(line);
                both(&server, &directory, &[]).0.status == 0
            });
            taken.collect::<Vec<_>>()
        });
        let mut taken = 0;
        let rounds = match server.root {
            Some(_) => ROUNDS / 4,
            None => ROUNDS,
        };
        for seed in 1..=rounds {
            write_config(&directory, seed, &good);
            let connection = CONNECTIONS[usize::try_from(seed).expect("small") % CONNECTIONS.len()];
            let (theirs, ours) = both(&server, &directory, connection);
            taken += u64::from(theirs.status == 0);
            let difference = difference(&server, &theirs, &ours);
            if !difference.is_empty() {
                let files = shell(directory.path.path(), "head -n 40 main a.inc b.inc");
                let name = &server.name;
                writeln!(
                    wrong,
                    "{name} seed {seed} {connection:?}\n{files}\n{difference}"
                )
                .expect("memory");
            }
        }
        assert!(
            taken > rounds / 4,
            "hardly any configuration was taken by {}: {taken}",
            server.name
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}
