//! Manifests that demand less than they should, whoever sealed them.

use harness::{Lab, shell};

const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\n\
     [[exclude]]\npath = \"/usr/share/**\"\nreason = \"data\"\n";
const TRUST: [&str; 2] = ["--trust", "signers"];

/// A tree that is recorded and sealed.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir -p usr/bin usr/share; for n in ls sudo; do echo one > usr/bin/$n; done");
    lab.profile(PROFILE);
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers",
    );
    lab.create().expect(0);
    edit(&lab, "true");
    lab.check(&TRUST).expect(0);
    lab
}

/// Edits the manifest by a line of shell, and seals it anew.
fn edit(lab: &Lab, line: &str) {
    shell(
        lab.path(),
        &format!(
            "{line}; rm -f manifest.mtree.sig
             ssh-keygen -q -Y sign -n host-integrity-agent -f key manifest.mtree"
        ),
    );
}

#[test]
fn a_sealed_manifest_that_demands_less_than_the_profile_is_told_by_the_line_that_does() {
    for (line, subject) in [
        ("cover low type /usr/bin/ls", "/usr/bin/ls"),
        ("cover high all launch /usr/bin/l*", "/usr/bin/l*"),
        ("exclude /us?/bin/ls", "/us?/bin/ls"),
        ("exclude /**/ls", "/**/ls"),
        ("exclude /usr/b*/**", "/usr/b*/**"),
    ] {
        let lab = lab();
        let hidden = if line.starts_with("exclude") {
            "/^.\\/usr\\/bin\\/ls /d;"
        } else {
            ""
        };
        let hidden = if line.ends_with("b*/**") {
            "/^.\\/usr\\/bin\\/.* /d;"
        } else {
            hidden
        };
        edit(
            &lab,
            &format!(
                "sed -i '{hidden} s|^# exclude .*|# {line}\\n&|' manifest.mtree
                 n=$(grep -c '^\\.' manifest.mtree); sed -i \"s/^# entries .*/# entries $n/\" manifest.mtree"
            ),
        );
        lab.shell("echo evil > usr/bin/ls");
        let ran = lab.check(&TRUST);
        let told = ran.told();
        assert!(ran.status == 3 || ran.status == 1, "{line}: {ran:#?}");
        assert!(
            told.contains(&format!("unknown files.profile {subject}")),
            "{line}: {told:?}"
        );
    }
}

#[test]
fn roles_of_launch_records_are_malformed_in_a_manifest() {
    for entry in [
        "type=file optional tags=,removed,",
        "type=file tags=,parent,",
        "type=dir tags=,parent,",
        "type=file tags=,mount,",
        "type=dir tags=,mount,",
    ] {
        let lab = lab();
        edit(
            &lab,
            &format!("sed -i 's|^./usr/bin/ls .*|./usr/bin/ls {entry}|' manifest.mtree"),
        );
        lab.check(&TRUST)
            .expect(2)
            .silent()
            .complains(&["manifest.mtree:", "tag"]);
    }
}

#[test]
fn a_manifest_of_very_many_patterns_is_refused_at_once() {
    let lab = lab();
    edit(
        &lab,
        "{ sed '/^# exclude/,$d' manifest.mtree; seq -f '# exclude /**/x%.0f*' 60000; \
           sed -n '/^# exclude/,$p' manifest.mtree; } > m; mv m manifest.mtree",
    );
    lab.check(&TRUST)
        .expect(2)
        .silent()
        .complains(&["more than 4096 entries"]);
}

/// What fs-verity sealed when it was recorded and is not sealed now can be written again.
#[test]
fn a_seal_of_fs_verity_that_is_lost_is_a_change_of_flags() {
    let lab = lab();
    edit(
        &lab,
        "sed -i '/^.\\/usr\\/bin\\/ls /s/$/ tags=,verity=sha256:4096::d167,/' manifest.mtree",
    );
    let ran = lab.check(&TRUST).expect(1);
    assert_eq!(ran.told(), ["fail files.changed /usr/bin/ls flags"]);
    let finding = ran.one("files.changed", "/usr/bin/ls");
    assert_eq!(finding["expected"]["flags"], "V");
    assert_eq!(finding["expected"]["verity"], "sha256:4096::d167");
}
