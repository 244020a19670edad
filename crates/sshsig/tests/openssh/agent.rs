//! Sealing through ssh-agent, and times that depend on the zone: both need an environment of their own.

use super::bench::*;
use base64ct::{Base64, Encoding};
use harness::ssh_agent::SshAgent;
use sshsig::{AgentError, HashAlgorithm, NAMESPACE, SigningKey};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

const TASK: &str = "SEAL_TEST_TASK";

/// What other tests need done in an environment of its own, which a process
/// gets only when it starts. Prints a seal, or why there is none.
#[test]
fn in_an_environment_of_its_own() {
    let Some(task) = std::env::var_os(TASK) else {
        return;
    };
    let path = PathBuf::from(task);
    let hash = HashAlgorithm::Sha512;
    let sealed = SigningKey::load(&path).and_then(|key| key.sign(hash, &digest(hash, MESSAGE)));
    match sealed {
        Ok(seal) => fs::write(path.with_extension("sealed"), seal).unwrap(),
        Err(error) => fs::write(path.with_extension("refused"), error.to_string()).unwrap(),
    }
}

/// Runs one of the ignored tests of this file in a process of its own.
fn run_test(name: &str, task: &Path, environment: &[(&str, &Path)]) {
    let name = match module_path!().split_once("::") {
        Some((_crate, module)) => format!("{module}::{name}"),
        None => name.to_owned(),
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &name])
        .env_remove("SSH_AUTH_SOCK")
        .env(TASK, task)
        .envs(environment.iter().copied());
    let stdout = run(&mut command, b"").success();
    assert!(stdout.contains("1 passed"), "{stdout}");
}

/// Seals in a process whose agent is at `socket`.
fn seal_by_agent(key: &Path, socket: Option<&Path>) -> Result<String, String> {
    let environment: Vec<(&str, &Path)> = socket
        .map(|path| ("SSH_AUTH_SOCK", path))
        .into_iter()
        .collect();
    run_test("in_an_environment_of_its_own", key, &environment);
    fs::read_to_string(key.with_extension("sealed"))
        .map_err(|_| fs::read_to_string(key.with_extension("refused")).unwrap())
}

#[test]
fn a_key_in_ssh_agent() {
    let lab = Lab::new();
    let agent = SshAgent::start(&lab.0);
    for (index, (name, kind)) in KINDS.into_iter().enumerate() {
        let key = lab.key(&format!("key{index}"), kind);
        let public_path = key.with_extension("pub");
        let refused = seal_by_agent(&public_path, Some(&agent.socket)).unwrap_err();
        assert!(refused.contains("does not hold"), "{refused}");
        assert!(refused.contains(&fingerprint(&key)), "{refused}");

        agent.add(&key);
        let seal = seal_by_agent(&public_path, Some(&agent.socket)).unwrap();
        let signers = format!("alice {}\n", public(&key));
        assert_eq!(judge_now(&seal, &signers).unwrap().key_type, name);
        assert!(lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
        fs::remove_file(public_path.with_extension("sealed")).unwrap();
    }

    let public_path = lab.path("key0.pub");
    let refused = seal_by_agent(&public_path, None).unwrap_err();
    assert!(refused.contains("SSH_AUTH_SOCK is not set"), "{refused}");
    let refused = seal_by_agent(&public_path, Some(Path::new(""))).unwrap_err();
    assert!(refused.contains("SSH_AUTH_SOCK is not set"), "{refused}");
    let refused = seal_by_agent(&public_path, Some(&lab.path("absent"))).unwrap_err();
    assert!(refused.contains("cannot reach ssh-agent"), "{refused}");
}

/// Agents that answer nonsense, too much, nothing, or decline.
#[test]
fn a_hostile_agent() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let public_path = key.with_extension("pub");
    let blob = Base64::decode_vec(public(&key).split(' ').nth(1).unwrap()).unwrap();
    let holds = [&[12, 0, 0, 0, 1][..], &string(&blob), &string(b"c")].concat();
    let wrong = [
        vec![14],
        string(&[string(b"ssh-ed25519"), string(&[1; 64])].concat()),
    ]
    .concat();
    let malformed = "does not speak the ssh-agent protocol";
    let unverified = "gave no valid signature";
    let cases: [(Vec<Vec<u8>>, &str); 10] = [
        (vec![vec![]], "broke"),
        (vec![vec![0, 0]], "broke"),
        (vec![string(b"")], malformed),
        (vec![u32::MAX.to_be_bytes().to_vec()], malformed),
        (vec![string(&[5])], malformed),
        (vec![string(&[12, 0xff, 0xff, 0xff, 0xff])], malformed),
        (
            vec![string(&[12, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])],
            malformed,
        ),
        (vec![string(&holds), string(&[5])], "declined"),
        (vec![string(&holds), string(&wrong)], unverified),
        (vec![string(&holds), string(&[14, 0, 0, 0, 0])], unverified),
    ];
    for (index, (replies, expected)) in cases.into_iter().enumerate() {
        let socket = lab.path(&format!("socket{index}"));
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let length = u64::from(u32::from_be_bytes(length));
                let mut request = Vec::new();
                (&mut stream)
                    .take(length)
                    .read_to_end(&mut request)
                    .unwrap();
                stream.write_all(&reply).unwrap();
            }
        });
        let refused = seal_by_agent(&public_path, Some(&socket)).unwrap_err();
        assert!(refused.contains(expected), "case {index}: {refused}");
        agent.join().unwrap();
    }
    assert!(AgentError::Unset.to_string().contains("ssh-add"));
}

/// Local time in winter, where ssh-keygen and a clock on the wall agree.
#[test]
fn times_without_a_z_are_local() {
    let lab = Lab::new();
    let key = lab.ed25519();
    fs::write(
        lab.path("local.signers"),
        format!("alice valid-after=\"202301150000\" {}\n", public(&key)),
    )
    .unwrap();
    let seal = keygen_seal(&key, NAMESPACE, "sha512");
    lab.write("local.sealed", seal.as_bytes());
    let zone = "CET-1CEST,M3.5.0,M10.5.0/3";
    run_test(
        "in_a_time_zone_of_its_own",
        &lab.path("local"),
        &[("TZ", Path::new(zone))],
    );
    for (time, expected) in [("20230114225959Z", false), ("20230114230000Z", true)] {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-Y", "verify", "-n", NAMESPACE, "-I", "alice", "-f"])
            .arg(lab.path("local.signers"))
            .arg("-s")
            .arg(lab.path("local.sealed"))
            .args(["-O", &format!("verify-time={time}")])
            .env("TZ", zone);
        assert_eq!(run(&mut command, MESSAGE).succeeded, expected, "{time}");
    }
}

#[test]
fn in_a_time_zone_of_its_own() {
    let Some(task) = std::env::var_os(TASK) else {
        return;
    };
    let task = PathBuf::from(task);
    let seal = fs::read(task.with_extension("sealed")).unwrap();
    let signers = fs::read(task.with_extension("signers")).unwrap();
    // 2023-01-14T23:00:00Z is midnight in the zone CET.
    assert!(judge(&seal, MESSAGE, &signers, at(1_673_737_199)).is_err());
    assert!(judge(&seal, MESSAGE, &signers, at(1_673_737_200)).is_ok());
}
