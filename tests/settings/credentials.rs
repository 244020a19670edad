//! `credentials.*`: nothing secret lies about, and none is told.

use super::{check, told, tree};
use harness::{Caught, Host, Lab, run, shell};
use std::fmt::Write;
use std::process::Command;

/// An id as IAM gives them, and a secret beside it; put together so that no scanner finds them here.
fn id(kind: &str) -> String {
    format!("{kind}{}WXYZ", "Q7".repeat(6))
}
const SECRET: &str = "wJalrSecretSecretSecretSecretSecretSecret";

/// `id subject` of what failed, for one check.
fn failed(lab: &Lab, name: &str) -> Vec<String> {
    let mut failed = told(&check(lab, "credentials"), "fail");
    failed.retain(|told| told.starts_with(name));
    failed
        .iter()
        .map(|told| told[name.len() + 1..].to_owned())
        .collect()
}

#[test]
fn access_keys_where_tools_and_services_look() {
    let mut wrong = String::new();
    let file = |path: &str| {
        format!(
            "mkdir -p $(dirname {path}); echo \"aws_access_key_id = $ID\naws_secret_access_key = $SECRET\" > {path}"
        )
    };
    let unit = |path: &str, line: &str| {
        format!("mkdir -p $(dirname {path}); printf \"[Service]\\n{line}\\n\" > {path}")
    };
    for (line, expected) in [
        (":".to_owned(), vec![]),
        (file("root/.aws/credentials"), vec!["/root/.aws/credentials"]),
        (file("home/ann/.aws/config"), vec!["/home/ann/.aws/config"]),
        (file("home/stray/.s3cfg"), vec!["/home/stray/.s3cfg"]),
        (file("home/ann/.boto"), vec!["/home/ann/.boto"]),
        (file("home/ann/.bash_history"), vec!["/home/ann/.bash_history"]),
        (file("home/ann/.local/share/fish/fish_history"), vec!["/home/ann/.local/share/fish/fish_history"]),
        (file("home/ann/.config/fish/config.fish"), vec!["/home/ann/.config/fish/config.fish"]),
        (file("etc/zsh/zshrc"), vec!["/etc/zsh/zshrc"]),
        (file("etc/rc.local"), vec!["/etc/rc.local"]),
        (file("etc/cloud/cloud.cfg.d/90.cfg"), vec!["/etc/cloud/cloud.cfg.d/90.cfg"]),
        (file("home/ann/notes.txt"), vec![]),
        (file("etc/boto.cfg"), vec!["/etc/boto.cfg"]),
        (file("etc/environment"), vec!["/etc/environment"]),
        (file("etc/default/app"), vec!["/etc/default/app"]),
        (file("etc/sysconfig/app"), vec!["/etc/sysconfig/app"]),
        (file("etc/profile.d/aws.sh"), vec!["/etc/profile.d/aws.sh"]),
        (
            file("var/lib/cloud/instances/i-1/user-data.txt"),
            vec!["/var/lib/cloud/instances/i-1/user-data.txt"],
        ),
        // A service has a home too.
        (
            format!("echo 'app:x:300:300::/srv/app:/usr/sbin/nologin' >> etc/passwd; {}", file("srv/app/.aws/credentials")),
            vec!["/srv/app/.aws/credentials"],
        ),
        (
            unit("etc/systemd/system/app.service", "Environment=AWS_ACCESS_KEY_ID=$ID"),
            vec!["/etc/systemd/system/app.service"],
        ),
        (
            unit("usr/lib/systemd/system/app.service.d/x.conf", "Environment=AWS_ACCESS_KEY_ID=$ID"),
            vec!["/usr/lib/systemd/system/app.service.d/x.conf"],
        ),
        (
            format!("{}; {}", unit("etc/systemd/system/app.service", "EnvironmentFile=-/opt/app/*.env"), file("opt/app/prod.env")),
            vec!["/opt/app/prod.env"],
        ),
        (
            format!("mkdir -p opt/app; {}; ln -s /opt/app/app.service etc/systemd/system/app.service", unit("opt/app/app.service", "Environment=A=$ID")),
            vec!["/etc/systemd/system/app.service"],
        ),
        // Read once, by whatever name.
        (
            format!("{}; ln -s usr/lib lib", unit("usr/lib/systemd/system/app.service", "Environment=A=$ID")),
            vec!["/usr/lib/systemd/system/app.service"],
        ),
        // Links out of the tree lead to nothing.
        ("mkdir root/.aws 2>/dev/null || mkdir -p root/.aws; ln -s /etc/hostname root/.aws/credentials".into(), vec![]),
    ] {
        for (kind, counts) in [("AKIA", true), ("ASIA", false)] {
            let lab = tree();
            lab.shell("mkdir -p root home/ann");
            lab.shell(&format!("ID={} SECRET={SECRET}; {line}", id(kind)));
            let found = failed(&lab, "no_long_term_keys");
            let expected = if counts { expected.clone() } else { vec![] };
            if found != expected {
                writeln!(wrong, "{kind} {line}\n{found:?}").expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn of_a_key_the_last_four_characters_are_told() {
    let lab = tree();
    lab.shell(&format!(
        "mkdir -p root/.aws; printf '[default]\\naws_access_key_id = {}\\naws_secret_access_key = {SECRET}\\n' > root/.aws/credentials",
        id("AKIA")
    ));
    let ran = check(&lab, "credentials");
    let finding = ran.one("credentials.no_long_term_keys", "/root/.aws/credentials");
    assert_eq!(finding["observed"]["keys"], serde_json::json!(["WXYZ"]));
    assert_eq!(finding["location"], "/root/.aws/credentials:2");
    assert!(
        !ran.stdout.contains(SECRET) && !ran.stdout.contains("Q7Q7"),
        "{ran:#?}"
    );
    // Where the profile says so it may lie.
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"credentials.no_long_term_keys\"]\ndemand = [\"/root/.aws/*\"]\n");
    assert!(failed(&lab, "no_long_term_keys").is_empty());
}

#[test]
fn environments_of_what_runs() {
    let host = Host::new();
    host.shell("echo root:x:0:0::/root:/bin/sh > etc/passwd");
    let sleep = |kind: &str| {
        Caught::start(
            Command::new("bash")
                .args(["-c", "exec -a x \"$0\" 600"])
                .arg(host.lab().path().join("sleep-for-a-test"))
                .env("AWS_ACCESS_KEY_ID", id(kind)),
        )
    };
    // The kernel keeps fifteen characters of a program's name.
    shell(host.lab().path(), "cp /bin/sleep sleep-for-a-test");
    let name = "no_long_term_keys environment of sleep-for-a-tes";
    let has = |host: &Host| {
        let ran = host.agent(&[
            "check",
            "--only",
            "credentials.no_long_term_keys",
            "--format",
            "json",
        ]);
        assert!(!ran.stdout.contains("Q7Q7"), "{ran:#?}");
        told(&ran, "fail").contains(&name.to_owned())
    };
    assert!(!has(&host));
    let short = sleep("ASIA");
    assert!(!has(&host), "a key that expires counts as none");
    drop(short);
    let _long = sleep("AKIA");
    // The program is there once the shell has become it.
    while !has(&host) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What ssh-keygen opens without a passphrase, and nothing else, is found.
#[test]
fn private_keys_as_ssh_keygen_opens_them() {
    let lab = tree();
    lab.shell(
        "mkdir -p root home/ann/.ssh home/ann/deep/er opt/app tmp; cd home/ann
         ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
         ssh-keygen -q -t ed25519 -N secret -f .ssh/shut_ed25519
         ssh-keygen -q -t rsa -b 2048 -N '' -f deep/er/rsa
         ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f rsa.pem
         ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f shut.pem
         ssh-keygen -q -t ecdsa -m PEM -N '' -f ec
         ssh-keygen -q -t ecdsa -m PKCS8 -N '' -f pkcs8
         ssh-keygen -q -t ecdsa -m PKCS8 -N secret -f shut_pkcs8
         openssl genrsa -out genrsa 2048 2>/dev/null
         openssl genrsa -aes128 -passout pass:secret -out genrsa_shut 2048 2>/dev/null
         head -n 5 rsa.pem > cut; head -c 300 .ssh/id_ed25519 > cut2
         (openssl req -x509 -key genrsa -subj /CN=x 2>/dev/null; cat genrsa) > combined
         sed 's/$/\\r/' genrsa > dos
         echo 'the header is -----BEGIN RSA PRIVATE KEY-----, see the manual, and what follows it is base64 of DER, in lines' > notes
         chmod 600 *; cp genrsa ../../opt/app/k; cp genrsa ../../tmp/k",
    );
    let found = failed(&lab, "no_ssh_private_keys");
    let files = lab.shell("find home opt tmp -type f | sort");
    let mut wrong = String::new();
    for file in files.lines() {
        let theirs = run(Command::new("ssh-keygen")
            .args(["-y", "-P", "", "-f", file])
            .current_dir(lab.root()));
        // OpenSSL finds a key behind a certificate; ssh-keygen as well.
        let ours = found.contains(&format!("/{file}"));
        if ours != (theirs.status == 0) {
            writeln!(wrong, "{file}: found here: {ours}; {theirs:?}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(found.len() >= 8, "{found:?}");
    let ran = check(&lab, "credentials");
    let body = lab.shell("sed -n 2p home/ann/.ssh/id_ed25519");
    assert!(!ran.stdout.contains(body.trim()), "a key was told");
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"credentials.no_ssh_private_keys\"]\ndemand = [\"/home/*\", \"/opt/app/k\"]\n");
    assert_eq!(failed(&lab, "no_ssh_private_keys"), ["/tmp/k"]);
}

#[test]
fn places_that_are_not_searched() {
    let lab = tree();
    lab.shell(
        "mkdir -p etc/ssh usr/share var/lib/app/data
         for file in etc/ssh/ssh_host_rsa_key usr/share/k var/lib/app/data/k; do openssl genrsa -out $file 2048 2>/dev/null; done
         echo 'app:x:300:300::/var/lib/app:/usr/sbin/nologin' >> etc/passwd",
    );
    assert!(failed(&lab, "no_ssh_private_keys").contains(&"/var/lib/app/data/k".to_owned()));
    lab.shell("mkdir var/lib/app/data/deeper; mv var/lib/app/data/k var/lib/app/data/deeper");
    assert!(failed(&lab, "no_ssh_private_keys").is_empty());
}

/// Whatever users put into their homes, an answer comes, and it says what was not looked at.
#[test]
fn hostile_homes() {
    for (line, verdict) in [
        (
            "mkfifo home/ann/id_rsa home/ann/.bash_history; mkdir home/ann/.aws; mkfifo home/ann/.aws/credentials",
            "unknown",
        ),
        ("truncate -s 100G home/ann/big home/ann/big.pem", "unknown"),
        ("truncate -s 100G home/ann/.bash_history", "unknown"),
        (
            "d=home/ann; for i in {1..60}; do d=$d/d; done; mkdir -p $d",
            "unknown",
        ),
        ("cd home/ann; seq 120000 | xargs touch", "unknown"),
        (
            "mkdir dev; mknod dev/null c 1 3; ln -s . home/ann/loop; ln -s / home/ann/all; ln -s /dev/null home/ann/.bash_history",
            "pass",
        ),
        (
            "mknod home/ann/id_rsa c 1 5; ln -s self home/ann/self",
            "pass",
        ),
        (
            "for i in {1..200}; do mkdir -p home/u$i/a/b/c; done",
            "pass",
        ),
    ] {
        let lab = Lab::in_memory();
        lab.shell(
            "mkdir -p etc home/ann root; echo ann:x:1000:1000::/home/ann:/bin/sh > etc/passwd",
        );
        lab.shell(line);
        let ran = check(&lab, "credentials");
        let unknown = told(&ran, "unknown");
        assert_eq!(
            !unknown.is_empty(),
            verdict == "unknown",
            "{line}: {ran:#?}"
        );
        // A history that long is residue all the same.
        let mut failed = told(&ran, "fail");
        failed.retain(|told| !told.starts_with("ami_residue"));
        assert!(failed.is_empty(), "{line}: {ran:#?}");
    }
}

/// An instance that cloud-init launched a while ago, with what its first boot made.
fn launched() -> Lab {
    let lab = tree();
    lab.shell(
        "mkdir -p etc/ssh root home/ann/.ssh var/log var/lib/cloud/instances/i-1/sem
         ln -s /var/lib/cloud/instances/i-1 var/lib/cloud/instance
         for file in etc/ssh/ssh_host_rsa_key home/ann/.ssh/authorized_keys etc/machine-id var/lib/cloud/instances/i-1/sem/config_ssh; do
           echo 0123456789abcdef0123456789abcdef > $file; touch -d '2026-01-02 03:04' $file
         done",
    );
    lab
}

#[test]
fn residue_on_an_instance() {
    let old = |file: &str| {
        format!("mkdir -p $(dirname {file}); echo x > {file}; touch -d 2025-12-01 {file}")
    };
    for (line, expected) in [
        (":".to_owned(), vec![]),
        (old("etc/ssh/ssh_host_rsa_key"), vec!["/etc/ssh/ssh_host_rsa_key"]),
        (old("etc/ssh/ssh_host_rsa_key.pub"), vec![]),
        (old("root/.ssh/authorized_keys"), vec!["/root/.ssh/authorized_keys"]),
        (old("home/ann/.bash_history"), vec!["/home/ann/.bash_history"]),
        (old("etc/machine-id"), vec!["/etc/machine-id"]),
        // Written on since, with the times of before.
        ("printf '#1700000000\\nls\\n' > root/.bash_history".into(), vec!["/root/.bash_history"]),
        ("printf ': 1700000000:0;ls\\n' > root/.zsh_history".into(), vec!["/root/.zsh_history"]),
        ("printf '#1790000000\\nls\\n' > root/.bash_history".into(), vec![]),
        ("mkdir -p var/lib/cloud/instances/i-2".into(), vec!["/var/lib/cloud/instances/i-2"]),
        ("mkdir -p var/log/journal/ffffffffffffffffffffffffffffffff".into(), vec!["/var/log"]),
        ("mkdir -p var/log/journal/0123456789abcdef0123456789abcdef".into(), vec![]),
        ("mkdir -p var/log/journal/0123456789abcdef0123456789abcdef.web".into(), vec![]),
        ("mkdir -p var/log/journal/ffffffffffffffffffffffffffffffff.web".into(), vec!["/var/log"]),
        (old("var/lib/systemd/credential.secret"), vec!["/var/lib/systemd/credential.secret"]),
        ("mkdir -p var/lib/systemd; echo x > var/lib/systemd/credential.secret".into(), vec![]),
        (
            old("var/lib/amazon/ssm/Vault/Store/RegistrationKey"),
            vec!["/var/lib/amazon/ssm/Vault/Store/RegistrationKey"],
        ),
        ("python3 -c \"import sys,struct; sys.stdout.buffer.write(b'\\0'*340+struct.pack('=I',1700000000)+b'\\0'*40)\" > var/log/wtmp".into(), vec!["/var/log"]),
        ("python3 -c \"import sys,struct; sys.stdout.buffer.write(b'\\0'*340+struct.pack('=I',1790000000)+b'\\0'*40)\" > var/log/wtmp".into(), vec![]),
    ] {
        let lab = launched();
        lab.shell(&line);
        assert_eq!(failed(&lab, "ami_residue"), expected, "{line}");
    }
    let finding = check(&launched(), "credentials").one("credentials.ami_residue", "credentials");
    assert_eq!(finding["verdict"], "pass");
}

#[test]
fn residue_in_an_image() {
    // A tree that was never launched is an image; so is what the profile says is one.
    for (lab, demand) in [(tree(), "instance"), (launched(), "image")] {
        lab.profile(&format!("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"credentials.ami_residue\"]\ndemand = \"{demand}\"\n"));
        lab.shell(
            "mkdir -p etc/ssh root/.ssh var/log var/lib/systemd
             for file in etc/ssh/ssh_host_rsa_key root/.ssh/authorized_keys etc/machine-id root/.bash_history var/lib/systemd/random-seed var/log/secure; do echo x > $file; done",
        );
        let found = failed(&lab, "ami_residue");
        for path in [
            "/etc/ssh/ssh_host_rsa_key",
            "/root/.ssh/authorized_keys",
            "/etc/machine-id",
            "/root/.bash_history",
            "/var/lib/systemd/random-seed",
            "/var/log",
        ] {
            assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
        }
        assert_eq!(
            found.contains(&"/var/lib/cloud/instances/i-1".to_owned()),
            demand == "image"
        );
        lab.shell("rm -rf etc/ssh root home/ann var/lib; echo uninitialized > etc/machine-id; : > var/log/secure");
        assert!(failed(&lab, "ami_residue").is_empty(), "{demand}");
    }
}

/// A statement of Python that makes a database of logins with one at `at` seconds, if any.
fn logins(path: &str, at: Option<i64>) -> String {
    let (table, factor) = match path.contains("lastlog") {
        true => ("Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT)", 1),
        false => (
            "wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER)",
            1_000_000,
        ),
    };
    let row = match (at, path.contains("lastlog")) {
        (None, _) => String::new(),
        (Some(at), true) => {
            format!("d.execute(\"INSERT INTO Lastlog2 VALUES('ann', {at}, 'ssh')\")")
        }
        (Some(at), false) => format!(
            "d.execute(\"INSERT INTO wtmp(Type, User, Login) VALUES(3, 'ann', {})\")",
            at * factor
        ),
    };
    format!(
        "mkdir -p $(dirname {path}); python3 - <<'END'\nimport sqlite3\nd = sqlite3.connect('{path}')\nd.execute(\"CREATE TABLE {table}\")\n{row}\nd.commit()\nEND"
    )
}

#[test]
fn residue_in_databases_of_logins() {
    let (before, after) = (Some(1_700_000_000), Some(1_790_000_000));
    for path in [
        "var/log/wtmp.db",
        "var/lib/wtmpdb/wtmp.db",
        "var/lib/lastlog/lastlog2.db",
    ] {
        for (lab, at, found) in [
            (tree(), before, true),
            (tree(), None, false),
            (launched(), before, true),
            (launched(), after, false),
            (launched(), None, false),
        ] {
            lab.shell(&logins(path, at));
            let told = failed(&lab, "ami_residue");
            let expected = if found { vec!["/var/log"] } else { vec![] };
            assert_eq!(told, expected, "{path} {at:?}");
        }
    }
    let lab = tree();
    lab.shell("mkdir -p var/lib/wtmpdb; ln -s ../../log/wtmp.db var/lib/wtmpdb/wtmp.db");
    assert!(failed(&lab, "ami_residue").is_empty());
    lab.shell("mkdir -p var/log; echo rubbish > var/log/wtmp.db");
    let finding = check(&lab, "credentials").one("credentials.ami_residue", "credentials");
    assert_eq!(finding["verdict"], "unknown");
}
