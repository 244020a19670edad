//! Generated configurations through `sshd -T` of OpenSSH and through `agent sshd-effective`: the same lines,
//! the same refusals.
//!
//! Compared are this machine's sshd, and that of each root below `SSHD_ROOTS`, as
//! `debootstrap --variant=minbase --include=openssh-server trixie ROOT` makes them; a word says which are left out.
//!
//! Known differences, kept out of the grammar: host names in ListenAddress (resolved by sshd), service names
//! beyond a few, and `AuthenticationMethods publickey any` in a Match block (sshd 9.2 starts, and ends each
//! connection that the block is for).
// Long: the grammar of a configuration is one subject.

use harness::{Ran, agent_path, run, shell};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many configurations are compared.
const ROUNDS: u64 = 400;

/// Lines that may stand anywhere. Bad ones are among them.
const ANYWHERE: &[&str] = &[
    "PermitRootLogin no",
    "PermitRootLogin yes",
    "PermitRootLogin Prohibit-Password",
    "PermitRootLogin = forced-commands-only",
    "permitrootlogin without-password",
    "PermitRootLogin maybe",
    "PermitRootLogin",
    "PermitRootLogin no yes",
    "PermitRootLogin no # why",
    "PermitRootLogin no#why",
    "PermitRootLogin \"no\"",
    "PermitRootLogin 'no'",
    "PermitRootLogin n\"o\"",
    "PermitRootLogin \"no",
    "\"PermitRootLogin\" yes",
    "PasswordAuthentication no",
    "PasswordAuthentication=NO",
    "PasswordAuthentication == no",
    "PasswordAuthentication true",
    "KbdInteractiveAuthentication no",
    "ChallengeResponseAuthentication no",
    "SkeyAuthentication yes",
    "MaxAuthTries 4",
    "MaxAuthTries 010",
    "MaxAuthTries 0x4",
    "MaxAuthTries +3",
    "MaxAuthTries -1",
    "MaxAuthTries 2147483648",
    "MaxSessions 0",
    "ClientAliveInterval 5m5",
    "ClientAliveInterval 1h30m",
    "ClientAliveInterval none",
    "ClientAliveInterval 1.5",
    "ClientAliveInterval 1W2D",
    "ClientAliveCountMax 0",
    "X11Forwarding yes",
    "X11DisplayOffset 12",
    "X11UseLocalhost no",
    "AllowTcpForwarding all",
    "AllowTcpForwarding Local",
    "AllowStreamLocalForwarding remote",
    "GatewayPorts clientspecified",
    "IgnoreRhosts shosts-only",
    "DisableForwarding yes",
    "PermitTTY no",
    "PermitTunnel point-to-point",
    "PermitTunnel YES",
    "PermitTunnel ethernet",
    "Banner /etc/issue.net",
    "Banner none",
    "Banner \"/etc/a b\"",
    "ForceCommand echo \"a  b\"",
    "ForceCommand none",
    "ForceCommand internal-sftp -d %u",
    "ChrootDirectory %h",
    "ChrootDirectory /srv/x",
    "AuthorizedKeysFile .ssh/a /etc/keys/%u",
    "AuthorizedKeysFile none",
    "AuthorizedPrincipalsFile /etc/p",
    "TrustedUserCAKeys /etc/ca",
    "RevokedKeys none",
    "AllowUsers a b@10.0.0.0/8",
    "AllowUsers c",
    "AllowUsers d@10.0.0.1/8",
    "DenyUsers bad*",
    "AllowGroups wheel adm",
    "DenyGroups x",
    "AllowGroups \"\"",
    "AcceptEnv LANG LC_*",
    "AcceptEnv A=B",
    "SetEnv A=b C=\"d e\"",
    "SetEnv A",
    "SetEnv A=1 A=2",
    "LogLevel verbose",
    "LogLevel DEBUG1",
    "LogLevel LOUD",
    "PermitOpen any",
    "PermitOpen none",
    "PermitOpen host:22 [::1]:80",
    "PermitOpen host",
    "PermitListen 8080",
    "PermitListen localhost:80 *:81",
    "PermitOpen any x",
    "IPQoS af21",
    "IPQoS lowdelay 0x08",
    "IPQoS cs1 none",
    "IPQoS 300",
    "IPQoS ef af11",
    "RekeyLimit 1G 1h",
    "RekeyLimit default none",
    "RekeyLimit 5",
    "RekeyLimit 100K",
    "AuthenticationMethods publickey",
    "AuthenticationMethods publickey,password publickey,keyboard-interactive",
    "AuthenticationMethods any",
    "AuthenticationMethods bogus",
    "AuthenticationMethods any publickey",
    "AuthenticationMethods hostbased",
    "PubkeyAcceptedAlgorithms +ssh-rsa",
    "PubkeyAcceptedKeyTypes ssh-ed25519",
    "HostbasedAcceptedAlgorithms -ecdsa*",
    "CASignatureAlgorithms ^rsa-sha2-512",
    "PubkeyAcceptedAlgorithms bogus",
    "PubkeyAcceptedAlgorithms rsa*",
    "PubkeyAuthOptions touch-required verify-required",
    "PubkeyAuthOptions none",
    "PubkeyAuthOptions x",
    "StreamLocalBindMask 077",
    "StreamLocalBindMask 1777",
    "StreamLocalBindUnlink yes",
    "ExposeAuthInfo yes",
    "RequiredRSASize 2048",
    "UnusedConnectionTimeout 5m",
    "UnusedConnectionTimeout none",
    "ChannelTimeout session:*=5m x11=3",
    "ChannelTimeout none",
    "ChannelTimeout session",
    "LogVerbose kex.c:* x",
    "LogVerbose none",
    "HostbasedAuthentication yes",
    "GSSAPIAuthentication yes",
    "KerberosAuthentication no",
    "RSAAuthentication yes",
    "AuthorizedKeysFile2 x",
    "RDomain x",
    "AuthorizedKeysCommand /bin/x %u",
    "AuthorizedKeysCommand bin/x",
    "AuthorizedKeysCommandUser nobody",
    "Bogus yes",
    "# comment",
    "",
    "   \t",
    "\tPermitEmptyPasswords yes\r",
    "PermitEmptyPasswords\u{c}yes",
    "PermitEmptyPasswords yes\u{c}",
    "AllowAgentForwarding \\no",
    // Patterns of users and addresses.
    "AllowUsers a@",
    "AllowUsers a@10.1.2/24",
    "AllowUsers a@10.1.2",
    "AllowUsers a@10/8",
    "AllowUsers a@x,",
    "AllowUsers a@1.2.3.4/x",
    "DenyUsers a@10.1.0.0/+16",
    "DenyUsers a@012.0.0.0/8",
    "AllowUsers @",
    "PermitListen 0",
    "PermitOpen host:0",
    "PermitOpen none",
    "PermitOpen any host:1",
    "PermitOpen host:1 any",
    "LogLevel QUIET",
    "LogLevel SILENT",
    "AuthenticationMethods none",
    "AuthenticationMethods none,publickey",
    "AuthenticationMethods gssapi-with-mic publickey",
    "AuthenticationMethods publickey,password none",
    // What came after 10.0.
    "ClientAliveInterval 0.5",
    "ClientAliveInterval 1.9s",
    "ClientAliveInterval 1.5m",
    "ClientAliveInterval 5s5",
    "ClientAliveInterval .5",
    "ClientAliveInterval +5",
    "UnusedConnectionTimeout 0",
    "UnusedConnectionTimeout 0.5",
    "ChannelTimeout x11=1.5",
    "IPQoS va",
    "IPQoS 16",
    "IPQoS throughput af41",
    "RevokedKeys /a",
    "RevokedKeys /a /b",
    "RevokedKeys none",
    "RevokedKeys none /b",
    "AuthorizedKeysFile none x",
    "PubkeyAuthOptions max-pk-ok:3",
    "PubkeyAuthOptions touch-required max-pk-ok:256",
    "AgentSocketPath none",
    "AgentSocketPath user:.ssh/x",
    "AgentSocketPath /tmp/x",
    "PubkeyAcceptedAlgorithms ssh-mldsa44-ed25519",
    "PubkeyAcceptedAlgorithms -*",
    "CASignatureAlgorithms +webauthn*",
    "PAMServiceName other",
    "RefuseConnection yes",
    "SetEnv B=1",
    "StreamLocalBindMask 022",
    "RekeyLimit 1.5G",
    "KerberosAuthentication maybe",
];

/// Lines that are refused in a Match block.
const OUTSIDE: &[&str] = &[
    "UsePAM yes",
    "UsePAM no",
    "Port 2222",
    "Port 22",
    "Port 0",
    "Port x",
    "LoginGraceTime 60",
    "LoginGraceTime 2m",
    "LoginGraceTime 0",
    "MaxStartups 10:30:60",
    "MaxStartups 5",
    "MaxStartups 60:30:10",
    "MaxStartups 10:30",
    "PerSourceMaxStartups 3",
    "PerSourceMaxStartups none",
    "PerSourceNetBlockSize 24:64",
    "PerSourceNetBlockSize 40",
    "StrictModes no",
    "UseDNS yes",
    "Compression delayed",
    "Compression no",
    "TCPKeepAlive no",
    "KeepAlive no",
    "PrintMotd no",
    "PrintLastLog no",
    "PermitUserEnvironment yes",
    "PermitUserEnvironment LANG,LC_*",
    "PermitUserEnvironment YES",
    "Ciphers aes256-ctr,aes128-ctr",
    "Ciphers +3des-cbc",
    "Ciphers -chacha*",
    "Ciphers ^aes256-gcm@openssh.com",
    "Ciphers AES256-CTR",
    "Ciphers aes*",
    "MACs -hmac-sha1*",
    "MACs hmac-sha2-256",
    "KexAlgorithms curve25519-sha256",
    "KexAlgorithms -ecdh*",
    "KexAlgorithms +diffie-hellman-group1-sha1",
    "HostKeyAlgorithms +ssh-rsa",
    "SyslogFacility AUTHPRIV",
    "SyslogFacility local7",
    "SyslogFacility MAIL",
    "Subsystem sftp /usr/lib/openssh/sftp-server",
    "Subsystem sftp internal-sftp -l INFO",
    "Subsystem x",
    "ListenAddress 127.0.0.1",
    "ListenAddress 127.0.0.1:2200",
    "ListenAddress [::1]:22",
    "ListenAddress ::1",
    "PidFile none",
    "PidFile /run/x.pid",
    "VersionAddendum foo  bar # c",
    "VersionAddendum none",
    "FingerprintHash md5",
    "FingerprintHash x",
    "IgnoreUserKnownHosts yes",
    "Protocol 2",
    "UsePrivilegeSeparation sandbox",
    "ServerKeyBits 1024",
    "DSAAuthentication no",
    "GSSAPICleanupCredentials no",
    "GSSAPIKeyExchange yes",
    "ModuliFile /etc/m",
    "XAuthLocation /bin/xauth",
    "AddressFamily any",
    "AddressFamily inet",
    "AddressFamily inet6",
    "ListenAddress 127.1",
    "ListenAddress 10.0.0.1/22",
    "MaxStartups 10:30:60:5",
    "MaxStartups 10:50:60x",
    "MaxStartups 10:x",
    "MaxStartups \"10: 40:60\"",
    "PerSourceNetBlockSize 16",
    "PerSourceNetBlockSize 16:",
    "PerSourceNetBlockSize 16:64:3",
    "PerSourceNetBlockSize -1",
    "PerSourcePenalties no",
    "PerSourcePenalties max:3",
    "PerSourcePenalties max:4 authfail:9",
    "PerSourcePenalties authfail:0.5",
    "PerSourcePenalties overflow:deny-all",
    "PerSourcePenalties invaliduser:7",
    "PerSourcePenalties no max:3",
    "PerSourcePenaltyExemptList 10.0.0.0/8,::1",
    "PerSourcePenaltyExemptList 10.1.2/24",
    "WarnWeakCrypto no-pq-kex",
    "WarnWeakCrypto maybe",
    "TCPKeepAlive transport",
    "TCPKeepAlive all",
    "TCPKeepAlive true",
    "GSSAPIDelegateCredentials no",
    "GSSAPIStoreCredentialsOnRekey no",
    "PAMAuthenticationViaKbdInt yes",
    "DebianBanner no",
    "Ciphers -*",
    "KexAlgorithms mlkem768nistp256-sha256",
    "LoginGraceTime 0.5",
];

const MATCHES: &[&str] = &[
    "Match all",
    "Match User root",
    "Match user=root,admin",
    "Match User r*,!root",
    "Match User !root",
    "Match Group root",
    "Match Group nosuch,daemon",
    "Match Address 10.0.0.0/8",
    "Match Address 10.0.0.1/8",
    "Match address 10.1.*,192.168.1.1",
    "Match Address !10.1.0.0/16,10.0.0.0/8",
    "Match Host *.EXAMPLE.com",
    "Match LocalAddress 127.0.0.1",
    "Match LocalPort 22",
    "Match LocalPort 22,23",
    "Match User root Address ::1/128",
    "Match RDomain x",
    "Match",
    "Match User",
    "Match Bogus x",
    "Match all User x",
    "Match User root # why",
    "Match User \"root\"",
    "Match User = root",
    "Match Address 10.0.0.0/33",
    "Match Address 10.0.0.0/x",
    "Match Address 10.1.2/24",
    "Match LocalPort 0",
    "Match LocalPort x",
    "Match Invalid-User",
    "Match User=root",
];

const CONNECTIONS: &[&[&str]] = &[
    &[],
    &[
        "-C",
        "user=root,addr=10.1.2.3,host=a.example.com,laddr=127.0.0.1,lport=22",
    ],
    &[
        "-C",
        "user=admin,addr=192.168.1.1,host=b.test,laddr=10.0.0.1,lport=2222",
    ],
    &["-C", "user=root,lport=22"],
    &[
        "-C",
        "user=nosuch,addr=::1,host=x.EXAMPLE.com,laddr=::1,lport=22,rdomain=x",
    ],
];

/// A small generator (Knuth's MMIX constants): the same lines for the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound as u64).expect("below a usize")
    }
}

/// Mostly good lines, so that most configurations are taken: what is refused alone is drawn one time in ten.
fn line<'a>(dice: &mut Dice, list: &[&'a str], good: &[bool]) -> &'a str {
    loop {
        let at = dice.below(list.len());
        if good[at] || dice.below(40) == 0 {
            return list[at];
        }
    }
}

fn write_config(place: &Place, seed: u64, good: &[Vec<bool>; 3]) {
    let (directory, inside) = (place.directory.path(), &place.inside);
    let mut dice = Dice(seed);
    for name in ["b.inc", "a.inc", "main"] {
        let mut text = String::new();
        if name == "main" {
            writeln!(text, "HostKey {inside}/key").expect("memory");
        }
        for _ in 0..dice.below(6) {
            match dice.below(3) {
                0 => text.push_str(line(&mut dice, OUTSIDE, &good[1])),
                _ => text.push_str(line(&mut dice, ANYWHERE, &good[0])),
            }
            text.push('\n');
        }
        let included = match name {
            "main" if dice.below(2) == 0 => Some("*.inc"),
            "main" if dice.below(2) == 0 => Some("a.inc"),
            "a.inc" if dice.below(4) == 0 => Some("b.in[c]"),
            _ => None,
        };
        if let Some(pattern) = included {
            writeln!(text, "Include {inside}/{pattern} {inside}/none*").expect("memory");
        }
        for _ in 0..dice.below(3) {
            text.push_str(line(&mut dice, MATCHES, &good[2]));
            text.push('\n');
            for _ in 0..dice.below(4) {
                text.push_str(line(&mut dice, ANYWHERE, &good[0]));
                text.push('\n');
            }
            if name == "main" && dice.below(4) == 0 {
                writeln!(text, "Include {inside}/b.inc").expect("memory");
            }
        }
        fs::write(directory.join(name), text).expect("written");
    }
}

/// A server to compare with: this machine's, another program, or that of a root.
struct Server {
    name: String,
    sshd: String,
    /// Where `--openssh` is to say what the tree does not.
    version: Option<String>,
    root: Option<PathBuf>,
}

/// Another server than this machine's is named by the environment, with its version:
/// `SSHD=/path/to/sshd SSHD_VERSION=9.6 cargo test differential`.
fn servers() -> Vec<Server> {
    let sshd = std::env::var("SSHD").unwrap_or_else(|_| "/usr/sbin/sshd".into());
    let mut servers = vec![Server {
        name: sshd.clone(),
        sshd,
        version: std::env::var("SSHD_VERSION").ok(),
        root: None,
    }];
    let Ok(roots) = std::env::var("SSHD_ROOTS") else {
        eprintln!("left out: other versions, since SSHD_ROOTS names no directory of roots");
        return servers;
    };
    let entries = fs::read_dir(&roots).unwrap_or_else(|e| panic!("SSHD_ROOTS={roots}: {e}"));
    for entry in entries {
        let root = entry.expect("readable").path();
        let name = root.display().to_string();
        match root.join("usr/sbin/sshd").exists() && root.join("tmp").exists() {
            true => servers.push(Server {
                name,
                sshd: "/usr/sbin/sshd".into(),
                version: None,
                root: Some(root),
            }),
            false => eprintln!("left out: there is no sshd in {name}"),
        }
    }
    servers
}

/// A directory for configurations, and what the server calls it.
struct Place {
    directory: tempfile::TempDir,
    inside: String,
}

impl Place {
    fn of(server: &Server) -> Place {
        let base = server.root.as_deref().unwrap_or(Path::new("/"));
        let directory = tempfile::tempdir_in(base.join("tmp")).expect("a directory");
        fs::create_dir_all(base.join("run/sshd")).expect("made");
        shell(directory.path(), "ssh-keygen -q -t ed25519 -N '' -f key");
        let inside = directory.path().strip_prefix(base).expect("below");
        Place {
            inside: format!("/{}", inside.display()),
            directory,
        }
    }

    fn write(&self, text: &str) {
        let text = format!("HostKey {}/key\n{text}\n", self.inside);
        fs::write(self.directory.path().join("main"), text).expect("written");
    }
}

fn both(server: &Server, place: &Place, connection: &[&str]) -> (Ran, Ran) {
    let main = format!("{}/main", place.inside);
    let mut theirs = match &server.root {
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg(&server.sshd);
            command
        }
        None => Command::new(&server.sshd),
    };
    let theirs = run(theirs.args(["-T", "-f", &main]).args(connection));
    let mut ours = Command::new(agent_path());
    ours.args(["sshd-effective", "-T", "-f", &main]);
    if let Some(root) = &server.root {
        ours.arg("--root").arg(root);
    }
    if let Some(version) = &server.version {
        ours.args(["--openssh", version]);
    }
    (theirs, run(ours.args(connection)))
}

/// Whether the line is printed by every build of that version: not what distributions add, nor their paths.
fn of_every_build(server: &Server, line: &str) -> bool {
    server.version.is_none()
        || ![
            "gssapi",
            "sshdsessionpath",
            "sshdauthpath",
            "debianbanner",
            "requiredrsasize 1024",
        ]
        .iter()
        .any(|start| line.to_ascii_lowercase().starts_with(start))
}

/// Empty where both say the same.
fn difference(server: &Server, theirs: &Ran, ours: &Ran) -> String {
    // sshd 10.0 dies of a signal where a Match block has a Subsystem and -C is given.
    if theirs.status == -1 {
        return String::new();
    }
    if (theirs.status == 0) != (ours.status == 0) {
        return format!(
            "sshd: {} {}\nagent: {} {}",
            theirs.status, theirs.stderr, ours.status, ours.stderr
        );
    }
    if theirs.status != 0 {
        return String::new();
    }
    let lines = |ran: &Ran| {
        let lines = ran
            .stdout
            .lines()
            .filter(|line| of_every_build(server, line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    let mut text = String::new();
    for line in theirs.iter().filter(|line| !ours.contains(line)) {
        writeln!(text, "- {line}").expect("memory");
    }
    for line in ours.iter().filter(|line| !theirs.contains(line)) {
        writeln!(text, "+ {line}").expect("memory");
    }
    if text.is_empty() && theirs != ours {
        text.push_str("the same lines in another order");
    }
    text
}

#[test]
fn every_line_alone_is_read_as_sshd_reads_it() {
    let mut wrong = String::new();
    for server in servers() {
        let place = Place::of(&server);
        for line in ANYWHERE.iter().chain(OUTSIDE).chain(MATCHES) {
            let everywhere = ["", "Match User root\n", "Match all\n"];
            let around = match server.root {
                Some(_) => &everywhere[..2],
                None => &everywhere,
            };
            for around in around {
                place.write(&format!("{around}{line}"));
                let connection = match around.contains("root") {
                    true => CONNECTIONS[1],
                    false => &[],
                };
                let (theirs, ours) = both(&server, &place, connection);
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
        let place = Place::of(&server);
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
                place.write(lines);
                let (theirs, ours) = both(&server, &place, connection);
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
        let place = Place::of(&server);
        place.write("Match User nosuch\nPermitTTY no\nMatch User root\nX11Forwarding yes");
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
            let (theirs, ours) = both(&server, &place, &["-C", spec]);
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
        let place = Place::of(&server);
        // Which lines sshd takes by themselves decides only how often each is drawn.
        let good = [ANYWHERE, OUTSIDE, MATCHES].map(|list| {
            let taken = list.iter().map(|line| {
                place.write(line);
                both(&server, &place, &[]).0.status == 0
            });
            taken.collect::<Vec<_>>()
        });
        let mut taken = 0;
        let rounds = match server.root {
            Some(_) => ROUNDS / 4,
            None => ROUNDS,
        };
        for seed in 1..=rounds {
            write_config(&place, seed, &good);
            let connection = CONNECTIONS[usize::try_from(seed).expect("small") % CONNECTIONS.len()];
            let (theirs, ours) = both(&server, &place, connection);
            taken += u64::from(theirs.status == 0);
            let difference = difference(&server, &theirs, &ours);
            if !difference.is_empty() {
                let files = shell(place.directory.path(), "head -n 40 main a.inc b.inc");
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
