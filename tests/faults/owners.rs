//! Files that steer the agent are believed only if they are regular, belong to the right owner and can be
//! written by nobody else: judged on what was opened, exit 2 otherwise.

use harness::{Host, Lab, Ran, agent_path, run, shell};
use std::fs;
use std::process::Command;

/// Neither root nor anybody who owns files here.
const NOBODY: &str = "65534";

/// A sealed lab with a configuration, every file of which can be named by an option.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("echo one > one");
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers
         echo '[scan]' > agent.toml; chmod 755 .",
    );
    lab.agent(
        &["baseline", "create"],
        &["--output", "manifest.mtree", "--sign-key", "key"],
    )
    .expect(0);
    lab.check(&ALL).expect(0);
    lab
}

const ALL: [&str; 4] = ["--trust", "signers", "--config", "agent.toml"];
const FILES: [&str; 5] = [
    "manifest.mtree",
    "manifest.mtree.sig",
    "signers",
    "profile.toml",
    "agent.toml",
];

/// A seal that may not be believed leaves the manifest without one, which is 4; any other such file is 2.
fn refused(file: &str) -> i32 {
    match file.ends_with(".sig") {
        true => 4,
        false => 2,
    }
}

#[test]
fn files_named_by_an_option() {
    let lab = lab();
    let breakages = [
        ("chmod 664 FILE", "group or others may write"),
        ("chmod 646 FILE", "group or others may write"),
        ("chmod 622 FILE", "group or others may write"),
        ("chown 65534 FILE", "belongs to uid 65534"),
        ("rm FILE; mkfifo FILE", "regular file"),
        ("rm FILE; mkdir FILE", "regular file"),
        ("rm FILE; ln -s /dev/zero FILE", "regular file"),
        (
            "mv FILE elsewhere; chmod 666 elsewhere; ln -s elsewhere FILE",
            "group or others may write",
        ),
    ];
    for file in FILES {
        for (line, word) in breakages {
            let line = line.replace("FILE", file);
            shell(
                lab.path(),
                &format!("rm -rf kept; cp -p {file} kept; {line}"),
            );
            let ran = lab.check(&ALL).silent().complains(&[file, word]);
            assert_eq!(ran.status, refused(file), "{line}: {ran:#?}");
            shell(
                lab.path(),
                &format!("rm -rf {file} elsewhere; mv kept {file}"),
            );
        }
    }
    lab.check(&ALL).expect(0);
}

/// A link to a good file, and a file of root's that others may read, are nothing to complain of.
#[test]
fn links_and_readable_files_are_fine() {
    let lab = lab();
    for file in FILES {
        shell(
            lab.path(),
            &format!("chmod 444 {file}; mv {file} real-{file}; ln -s real-{file} {file}"),
        );
    }
    lab.check(&ALL).expect(0);
}

/// Runs the agent as nobody on a tree that nobody may read.
fn as_nobody(lab: &Lab, more: &[&str]) -> Ran {
    fs::copy(agent_path(), lab.path().join("agent")).expect("copied");
    run(Command::new("setpriv")
        .args([
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
        ])
        .args([
            "./agent",
            "check",
            "--root",
            "root",
            "--profile",
            "./profile.toml",
        ])
        .args(["--manifest", "manifest.mtree", "--format", "json"])
        .args(["--only", "files.*"])
        .args(more)
        .current_dir(lab.path()))
}

#[test]
fn what_the_caller_named_may_belong_to_the_caller() {
    let lab = lab();
    shell(lab.path(), &format!("chmod 444 {}", FILES.join(" ")));
    as_nobody(&lab, &ALL).expect(0);
    for file in FILES {
        shell(lab.path(), &format!("chown {NOBODY} {file}"));
    }
    as_nobody(&lab, &ALL).expect(0);
    // To root they are now a stranger's.
    lab.check(&ALL).expect(2);
    shell(lab.path(), &format!("chown 1234 {}", FILES[0]));
    as_nobody(&lab, &ALL)
        .expect(2)
        .silent()
        .complains(&[FILES[0], "uid 1234", NOBODY]);
}

/// At the default places of a host, root alone is believed.
#[test]
fn files_at_their_default_places() {
    let host = Host::new();
    let etc = "etc/host-integrity-agent";
    let share = "usr/share/host-integrity-agent";
    host.shell(&format!(
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > {etc}/trusted_signers
         echo '[scan]' > {etc}/agent.toml; chmod 755 . ..; chmod -R go+rX .; chmod 600 key"
    ));
    let manifest = format!("/{share}/manifest.mtree");
    host.agent(&[
        "baseline",
        "create",
        "--output",
        &manifest,
        "--sign-key",
        "/key",
    ])
    .expect(0);
    host.shell(&format!("chmod 444 {share}/*"));
    let check = || host.agent(&["check", "--format", "json"]);
    check().expect(0);
    for file in [
        format!("{etc}/trusted_signers"),
        format!("{etc}/agent.toml"),
        format!("{etc}/profile.toml"),
        format!("{share}/manifest.mtree"),
        format!("{share}/manifest.mtree.sig"),
    ] {
        for (line, word) in [
            ("chown 65534 FILE", "belongs to uid 65534"),
            ("chmod g+w FILE", "group or others may write"),
            ("chmod o+w FILE", "group or others may write"),
            ("rm FILE; mkfifo FILE", "regular file"),
        ] {
            let line = line.replace("FILE", &file);
            host.shell(&format!("cp -p {file} kept; {line}"));
            let ran = check().silent().complains(&[&file, word]);
            assert_eq!(ran.status, refused(&file), "{line}: {ran:#?}");
            host.shell(&format!("rm -f {file}; mv kept {file}"));
        }
        // Whoever runs the agent is not believed there: not even the file's owner.
        host.shell(&format!("cp -p {file} kept; chown {NOBODY} {file}"));
        let ran = host.agent_as(NOBODY, &["check", "--format", "json"]);
        let ran = ran.silent().complains(&[&file, "expected root"]);
        assert_eq!(ran.status, refused(&file), "{file}: {ran:#?}");
        host.shell(&format!("mv kept {file}"));
    }
    host.agent_as(NOBODY, &["check", "--format", "json"])
        .expect(0);
    check().expect(0);
}
