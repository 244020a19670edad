//! The examples for build servers: the script that they share runs for real, the rest is held against published schemas.

use super::file;
use harness::{agent_path, run, sha256, shell};
use std::process::Command;

/// A program of tests/requirements.txt.
fn tool(name: &str) -> Command {
    Command::new(file("target/python/bin").join(name))
}

#[test]
fn workflows_are_as_their_build_servers_take_them() {
    for (schema, name) in [
        ("vendor.github-workflows", "github-actions.yml"),
        ("vendor.gitlab-ci", "gitlab-ci.yml"),
    ] {
        let path = file("packaging/pipelines").join(name);
        let options = ["--builtin-schema", schema];
        run(tool("check-jsonschema").args(options).arg(path)).expect(0);
    }
    // No schema of these is published with a licence to carry it: they parse, and name what has to be there.
    let read = "
import sys, pathlib, hcl2
from ruamel.yaml import YAML
root = pathlib.Path(sys.argv[1])
spec = YAML(typ='safe').load(root / 'pipelines/buildspec.yml')
assert spec['version'] == 0.2 and set(spec['phases']) <= {'install', 'pre_build', 'build', 'post_build'}, spec
assert all(phase['commands'] for phase in spec['phases'].values())
assert spec['reports']['agent']['file-format'] == 'JUNITXML'
component = YAML(typ='safe').load(root / 'image/image-builder.yaml')
assert str(component['schemaVersion']) == '1.0' and component['phases']
packer = hcl2.loads((root / 'image/debian.pkr.hcl').read_text())
assert packer['source'] and packer['build']
";
    run(tool("python").args(["-c", read]).arg(file("packaging"))).expect(0);
}

/// A package that holds the agent under test, a key, and a sealed tree.
fn prepared(directory: &std::path::Path) {
    let binary = agent_path();
    shell(
        directory,
        &format!(
            "mkdir -p deb/DEBIAN deb/usr/bin root/etc root/usr/bin root/usr/share/host-integrity-agent
             printf 'Package: host-integrity-agent\\nVersion: 1\\nArchitecture: all\\nMaintainer: A <a@example.com>\\n\
Description: test\\n' > deb/DEBIAN/control
             cp {binary} deb/usr/bin/agent
             dpkg-deb --root-owner-group -Znone --build deb agent.deb
             printf 'ID=debian\\nVERSION_ID=\"12\"\\n' > root/etc/os-release; echo ls > root/usr/bin/ls
             ssh-keygen -q -t ed25519 -N '' -f key
             echo \"baker@example.com $(cat key.pub)\" > signers"
        ),
    );
    let root = directory.join("root");
    let manifest = root.join("usr/share/host-integrity-agent/manifest.mtree");
    let mut create = Command::new(binary);
    create.args(["baseline", "create", "--root"]).arg(&root);
    create.arg("--output").arg(manifest).arg("--sign-key");
    run(create.arg(directory.join("key"))).expect(0);
}

#[test]
fn the_script_fetches_verifies_checks_and_reports() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    prepared(directory);
    let package = std::fs::read(directory.join("agent.deb")).expect("built");
    let digest = sha256(&package);
    let check = |digest: &str| {
        let mut script = Command::new(file("packaging/pipelines/check-image"));
        script
            .current_dir(directory)
            .args(["root", "--only", "files.*"]);
        let url = format!("file://{}/agent.deb", directory.display());
        run(script.env("AGENT_URL", url).env("AGENT_SHA256", digest))
    };
    let good = check(&digest).expect(0);
    assert!(good.stdout.starts_with("PASS"), "{good:?}");
    for name in ["agent.xml", "agent.html", "agent.json"] {
        let report = std::fs::read_to_string(directory.join("reports").join(name));
        assert!(!report.expect("left behind").is_empty(), "{name}");
    }
    shell(directory, "echo changed > root/usr/bin/ls");
    let bad = check(&digest).expect(1);
    assert!(bad.stdout.contains("/usr/bin/ls"), "{bad:?}");

    // What came is not what was announced: nothing of it runs.
    let other = check(&sha256(b"other")).expect(2);
    assert!(
        other.stderr.contains("AGENT_SHA256") && other.stdout.is_empty(),
        "{other:?}"
    );
    let unnamed = run(Command::new(file("packaging/pipelines/check-image")).arg("root")).expect(2);
    assert!(unnamed.stderr.contains("AGENT_URL"), "{unnamed:?}");
}
