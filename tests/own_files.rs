//! What lies where the agent's own sealed files are, or would be: they alone are never compared.

use super::accept::check;
use harness::{Host, agent};

/// A host that covers the places of the agent's own files, /opt among them.
fn covering() -> Host {
    let host = Host::new();
    host.shell(
        "mkdir -p opt/rec
         for path in data opt usr/share/host-integrity-agent; do
             printf '[[paths]]\\npath = \"/%s\"\\nseverity = \"high\"\\n' $path
         done | sed '1i name = \"local\"' > etc/host-integrity-agent/profile.toml",
    );
    host
}

/// What is planted where manifest, seal and texts lie by default, and what is told of it.
const PLANTED: &str = "cd usr/share/host-integrity-agent; touch x; chmod 4755 x
    cp -p x manifest.mtree; cp -p x manifest.mtree.text; mkdir manifest.mtree.sig; cp -p x manifest.mtree.sig/program
    rm x";
const TOLD: [&str; 4] = [
    "fail files.added /usr/share/host-integrity-agent/manifest.mtree",
    "fail files.added /usr/share/host-integrity-agent/manifest.mtree.sig",
    "fail files.added /usr/share/host-integrity-agent/manifest.mtree.sig/program",
    "fail files.added /usr/share/host-integrity-agent/manifest.mtree.text",
];

fn sorted(mut told: Vec<String>) -> Vec<String> {
    told.sort();
    told
}

#[test]
fn what_could_run_in_the_place_of_the_agents_own_files_is_told() {
    let host = covering();
    let root = host.lab().root().display().to_string();
    let outside = tempfile::tempdir().expect("a directory");
    let manifest = outside.path().join("m.mtree").display().to_string();
    let profile = format!("{root}/etc/host-integrity-agent/profile.toml");
    let of_tree = ["--root", &root, "--profile", &profile];
    agent([&["baseline", "create", "--output", &manifest], &of_tree[..]].concat()).expect(0);
    let check = || {
        let what = [
            "check",
            "--manifest",
            &manifest,
            "--format",
            "json",
            "--only",
            "files.*",
        ];
        agent([&what[..], &of_tree].concat())
    };
    check().expect(0);
    // It was put there after it was recorded, as images have it.
    let place = format!("{root}/usr/share/host-integrity-agent/manifest.mtree");
    std::fs::copy(&manifest, &place).expect("copied");
    host.shell("cd usr/share/host-integrity-agent; touch manifest.mtree.sig manifest.mtree.text");
    check().expect(0);
    host.shell("rm usr/share/host-integrity-agent/*");
    host.shell(PLANTED);
    assert_eq!(sorted(check().expect(1).told()), TOLD);
    host.shell("rm -r usr/share/host-integrity-agent/*");
    check().expect(0);
    for (act, name) in [
        ("ln -s /bin/sh manifest.mtree", ""),
        (
            "touch manifest.mtree.text; chmod 0646 manifest.mtree.text",
            ".text",
        ),
        (
            "touch manifest.mtree.sig; chown 1 manifest.mtree.sig",
            ".sig",
        ),
    ] {
        host.shell(&format!("cd usr/share/host-integrity-agent; {act}"));
        let told = format!("fail files.added /usr/share/host-integrity-agent/manifest.mtree{name}");
        assert_eq!(check().expect(1).told(), [told], "{act}");
        host.shell("rm usr/share/host-integrity-agent/*");
    }
}

/// Those in use are where the configuration says, and there alone.
#[test]
fn a_manifest_at_a_place_of_its_own_is_not_compared_with_itself() {
    let host = covering();
    host.shell(
        "printf 'manifest = \"/opt/rec/manifest.mtree\"\\n[sinks.cloudwatch_logs]\\nenabled = false\\n' \
         > etc/host-integrity-agent/agent.toml",
    );
    let create = ["baseline", "create", "--output", "/opt/rec/manifest.mtree"];
    host.agent(&create).expect(0);
    check(&host).expect(0);
    // Again, with the first one lying there.
    host.agent(&create).expect(0);
    check(&host).expect(0);
    host.shell(PLANTED);
    assert_eq!(sorted(check(&host).expect(1).told()), TOLD);
    host.shell("rm -r usr/share/host-integrity-agent/*; touch usr/share/host-integrity-agent/manifest.mtree");
    assert_eq!(check(&host).expect(1).told(), TOLD[..1]);
}
