//! Generated configurations through `sshd -T` of OpenSSH and through `agent sshd-effective`: the same lines,
//! the same refusals.
//!
//! Known differences, kept out of the grammar: host names in ListenAddress (resolved by sshd), service names
//! beyond a few, mixes of AddressFamily and ListenAddress, PerSourceNetBlockSize with one number (sshd 9.2
//! leaves the second one uninitialised; ours is the documented 128), and `AuthenticationMethods publickey any`
//! in a Match block (sshd starts, and ends each connection that the block is for).

use harness::{Ran, agent_path, run, shell};
use std::fmt::Write;
use std::fs;
use std::path::Path;
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

fn write_config(directory: &Path, seed: u64, good: &[Vec<bool>; 3]) {
    let mut dice = Dice(seed);
    for name in ["b.inc", "a.inc", "main"] {
        let mut text = String::new();
        if name == "main" {
            let key = directory.join("key");
            writeln!(text, "HostKey {}", key.display()).expect("memory");
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
            writeln!(text, "Include {}/{pattern} {0}/none*", directory.display()).expect("memory");
        }
        for _ in 0..dice.below(3) {
            text.push_str(line(&mut dice, MATCHES, &good[2]));
            text.push('\n');
            for _ in 0..dice.below(4) {
                text.push_str(line(&mut dice, ANYWHERE, &good[0]));
                text.push('\n');
            }
            if name == "main" && dice.below(4) == 0 {
                writeln!(text, "Include {}/b.inc", directory.display()).expect("memory");
            }
        }
        fs::write(directory.join(name), text).expect("written");
    }
}

/// Another server to compare with than this machine's, where the environment names one with its version:
/// `SSHD=/path/to/sshd SSHD_VERSION=9.6 cargo test differential`.
fn server() -> (String, Option<String>) {
    let sshd = std::env::var("SSHD").unwrap_or_else(|_| "/usr/sbin/sshd".into());
    (sshd, std::env::var("SSHD_VERSION").ok())
}

fn both(directory: &Path, connection: &[&str]) -> (Ran, Ran) {
    let main = directory.join("main");
    let (sshd, version) = server();
    let theirs = run(Command::new(sshd)
        .arg("-T")
        .arg("-f")
        .arg(&main)
        .args(connection));
    let mut command = Command::new(agent_path());
    command.args(["sshd-effective", "-T", "-f"]).arg(&main);
    if let Some(version) = version {
        command.args(["--openssh", &version]);
    }
    (theirs, run(command.args(connection)))
}

/// Whether the line is printed by every build of that version: not what distributions add, nor their paths.
fn of_every_build(line: &str) -> bool {
    server().1.is_none()
        || ![
            "gssapi",
            "sshdsessionpath",
            "sshdauthpath",
            "requiredrsasize 1024",
        ]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Empty where both say the same.
fn difference(theirs: &Ran, ours: &Ran) -> String {
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
        let lines = ran.stdout.lines().filter(|line| of_every_build(line));
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

fn place() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    shell(
        directory.path(),
        "mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f key",
    );
    directory
}

#[test]
fn every_line_alone_is_read_as_sshd_reads_it() {
    let directory = place();
    let mut wrong = String::new();
    for line in ANYWHERE.iter().chain(OUTSIDE).chain(MATCHES) {
        for around in ["", "Match all\n", "Match User root\n"] {
            let key = directory.path().join("key");
            fs::write(
                directory.path().join("main"),
                format!("HostKey {}\n{around}{line}\n", key.display()),
            )
            .expect("written");
            let (theirs, ours) = both(
                directory.path(),
                if around.contains("root") {
                    CONNECTIONS[1]
                } else {
                    &[]
                },
            );
            let difference = difference(&theirs, &ours);
            if !difference.is_empty() {
                writeln!(wrong, "{around}{line}\n{difference}").expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn generated_configurations_are_read_as_sshd_reads_them() {
    let directory = place();
    // Which lines sshd takes by themselves decides only how often each is drawn.
    let good = [ANYWHERE, OUTSIDE, MATCHES].map(|list| {
        list.iter()
            .map(|line| {
                let key = directory.path().join("key");
                fs::write(
                    directory.path().join("main"),
                    format!("HostKey {}\n{line}\n", key.display()),
                )
                .expect("written");
                both(directory.path(), &[]).0.status == 0
            })
            .collect::<Vec<_>>()
    });
    let (mut wrong, mut taken) = (String::new(), 0);
    for seed in 1..=ROUNDS {
        write_config(directory.path(), seed, &good);
        let connection = CONNECTIONS[usize::try_from(seed).expect("small") % CONNECTIONS.len()];
        let (theirs, ours) = both(directory.path(), connection);
        taken += u64::from(theirs.status == 0);
        let difference = difference(&theirs, &ours);
        if !difference.is_empty() {
            let files = shell(directory.path(), "head -n 40 main a.inc b.inc");
            writeln!(wrong, "seed {seed} {connection:?}\n{files}\n{difference}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(
        taken > ROUNDS / 4,
        "hardly any configuration was taken: {taken}"
    );
}
