//! A host whose DMI names an instance: a chroot of the test's own with agent.toml and `/sys` in it.

use super::verdict;
use harness::imds::{Authority, Identity, Imds, Mode};
use harness::{Caught, Host, Ran};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const TAG: &str = "i-0123456789abcdef0";

/// A host on Nitro whose metadata service is this one.
fn host(imds: &Imds, instance: &str) -> Host {
    let host = Host::new();
    host.shell(&format!(
        "mkdir -p sys/devices/virtual/dmi/id
         echo {TAG} > sys/devices/virtual/dmi/id/board_asset_tag
         printf '[instance]\\nendpoint = \"{}\"\\n{instance}\\n' > etc/host-integrity-agent/agent.toml",
        imds.endpoint()
    ));
    host
}

fn check(host: &Host, more: &[&str]) -> Ran {
    host.agent(&[&["check", "--only", "instance.*", "--format", "json"], more].concat())
}

#[test]
fn the_report_says_which_host_it_was() {
    let imds = Imds::new().start();
    let summary = check(&host(&imds, ""), &[]).summary();
    let host = &summary["host"];
    for (key, value) in [
        ("machine_id", "0123456789abcdef0123456789abcdef"),
        ("instance_id", TAG),
        ("image_id", "ami-0123456789abcdef0"),
        ("account_id", "123456789012"),
        ("region", "eu-central-1"),
        ("zone", "eu-central-1a"),
        ("instance_type", "t3.micro"),
    ] {
        assert_eq!(host[key], value, "{key}");
    }
    assert_eq!(host["identity_verified"], false);
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
    assert_eq!(host["boot_id"], boot_id.trim());
}

#[test]
fn every_report_says_it() {
    let imds = Imds::new().start();
    let ran = host(&imds, "").agent(&["check", "--only", "files.*", "--format", "json"]);
    assert_eq!(ran.summary()["host"]["image_id"], "ami-0123456789abcdef0");
    assert!(ran.findings().iter().all(|finding| {
        !finding["check"]
            .as_str()
            .expect("a text")
            .starts_with("instance.")
    }));
}

#[test]
fn a_service_that_is_silent_keeps_nobody_waiting() {
    let imds = Imds::new().mode(Mode::Silent).start();
    let host = host(&imds, "");
    host.shell("head -c 1200K /dev/urandom > data/large");
    let manifest = "/usr/share/host-integrity-agent/manifest.mtree";
    host.agent(&["baseline", "create", "--output", manifest])
        .expect(0);
    // Files take twelve seconds, the service four and a half: who waited for one after the other would take all of that.
    let check = |only: &[&str]| {
        let begun = Instant::now();
        let command = ["check", "--max-rate", "100K", "--format", "json"];
        let ran = host.agent(&[&command, only].concat());
        (begun.elapsed(), ran)
    };
    let (files, _) = check(&["--only", "files.*"]);
    let (both, ran) = check(&["--only", "files.*", "--only", "instance.*"]);
    assert!(files > Duration::from_secs(10), "{files:?}");
    assert!(both < files + Duration::from_secs(4), "{files:?} {both:?}");
    assert_eq!(verdict(&ran, "imds_v2_token"), "unknown");
    assert!(ran.summary()["files"]["bytes"].as_u64() > Some(1200 << 10));
}

#[test]
fn an_identity_that_is_not_this_instances() {
    let authority = Authority::new();
    let another = Identity {
        instance_id: "i-ffffffffffffffff0".into(),
        ..Identity::default()
    };
    let expect = "expect_ami = [\"ami-0123456789abcdef0\"]";
    for (imds, verified, ami, image) in [
        // Signed by nobody, by a stranger, and another instance's.
        (
            Imds::new(),
            "unknown",
            "unknown",
            Some("ami-0123456789abcdef0"),
        ),
        (
            Imds::new().signed_by(&authority),
            "fail",
            "unknown",
            Some("ami-0123456789abcdef0"),
        ),
        (Imds::new().identity(&another), "fail", "unknown", None),
    ] {
        let imds = imds.start();
        let ran = check(&host(&imds, expect), &[]);
        assert_eq!(verdict(&ran, "identity_verified"), verified, "{ran:#?}");
        assert_eq!(verdict(&ran, "ami_trusted"), ami, "{ran:#?}");
        let told = &ran.summary()["host"];
        assert_eq!(told["instance_id"], TAG);
        assert_eq!(told["image_id"].as_str(), image);
        assert_ne!(told["identity_verified"], true);
    }
}

#[test]
fn nitro_and_the_manifests_age() {
    let imds = Imds::new().start();
    let host = host(&imds, "");
    assert_eq!(verdict(&check(&host, &[]), "nitro"), "pass");
    host.shell(
        "rm sys/devices/virtual/dmi/id/board_asset_tag
         mkdir -p sys/hypervisor; echo ec2e1916-9099-7caf-fd21-012345abcdef > sys/hypervisor/uuid",
    );
    assert_eq!(verdict(&check(&host, &[]), "nitro"), "fail");

    let days = |days: u32| {
        host.shell(&format!(
            "printf 'name = \"local\"\\n[[paths]]\\npath = \"/data\"\\nseverity = \"high\"\\n[settings.\"instance.image_age\"]\\ndemand = {days}\\n' > etc/host-integrity-agent/profile.toml"
        ));
        let profile = ["--profile", "/etc/host-integrity-agent/profile.toml"];
        verdict(&check(&host, &profile), "image_age")
    };
    assert_eq!(days(1), "unknown");
    host.agent(&[
        "baseline",
        "create",
        "--output",
        "/usr/share/host-integrity-agent/manifest.mtree",
    ])
    .expect(0);
    assert_eq!(days(1), "pass");
    host.shell("sed -i 's/^# time .*/# time 2026-01-01T00:00:00Z/' usr/share/host-integrity-agent/manifest.mtree");
    assert_eq!(days(1), "fail");
    assert_eq!(days(36500), "pass");
}

#[test]
fn the_ssm_agent_by_its_files() {
    let imds = Imds::new().start();
    let with = |lines: &str| {
        let host = host(&imds, "");
        host.shell(lines);
        host
    };
    let told = |host: &Host| {
        let finding = check(host, &[]).one("instance.ssm_agent", "amazon-ssm-agent");
        let verdict = finding["verdict"].as_str().expect("a text").to_owned();
        (verdict, finding["observed"]["version"].clone())
    };
    let notes = |version: &str| {
        format!(
            "mkdir -p etc/amazon/ssm; printf 'Latest\\n====\\n\\n{version}\\n====\\n' > etc/amazon/ssm/RELEASENOTES.md\n"
        )
    };
    let dpkg = |state: &str| {
        format!(
            "mkdir -p var/lib/dpkg; printf 'Package: other\\nStatus: install ok installed\\nVersion: 1\\n\\nPackage: amazon-ssm-agent\\nStatus: {state}\\nArchitecture: amd64\\nVersion: 3.2.2222.0-1\\n' > var/lib/dpkg/status\n"
        )
    };
    let rpm = "printf 'Name: amazon-ssm-agent\\nVersion: 3.3.40.0\\nRelease: 1.amzn2023\\nSummary: s\\nLicense: x\\nBuildArch: noarch\\n%%description\\ns\\n%%files\\n' > ../ssm.spec
        rpmbuild -bb --define \"_topdir $PWD/../top\" --define \"_rpmdir $PWD/..\" ../ssm.spec >&2
        rpm --root $PWD --dbpath /var/lib/rpm --install --nodeps ../noarch/amazon-ssm-agent-*.rpm";
    let snap = "mkdir -p snap/amazon-ssm-agent/current/meta; echo \"version: '3.1.0.0'\" > snap/amazon-ssm-agent/current/meta/snap.yaml";
    let hosts = [
        (with(""), "unknown", None),
        (with(&notes("3.1.338.0")), "pass", Some("3.1.338.0")),
        (with(&notes("2.3.1644.0")), "fail", Some("2.3.1644.0")),
        (with(snap), "pass", Some("3.1.0.0")),
        // The database is what counts, while the package is installed.
        (
            with(&(notes("3.1.338.0") + &dpkg("install ok installed"))),
            "pass",
            Some("3.2.2222.0-1"),
        ),
        (
            with(&(notes("3.1.338.0") + &dpkg("deinstall ok config-files"))),
            "pass",
            Some("3.1.338.0"),
        ),
        (
            with(&(notes("3.1.338.0") + rpm)),
            "pass",
            Some("3.3.40.0-1.amzn2023"),
        ),
    ];
    // No process of that name is on this machine.
    for (host, _, version) in &hosts {
        assert_eq!(told(host), ("fail".into(), (*version).into()));
    }
    let place = tempfile::tempdir().expect("a directory");
    let program = place.path().join("amazon-ssm-agent");
    fs::copy("/bin/sleep", &program).expect("a program");
    let _running = Caught::start(Command::new(&program).arg("60"));
    for (host, verdict, version) in &hosts {
        assert_eq!(told(host), ((*verdict).into(), (*version).into()));
    }
}

#[test]
fn what_is_too_large_to_be_read_may_lead_elsewhere() {
    let imds = Imds::new().start();
    let host = host(&imds, "");
    for (size, expected) in [(1 << 20, "pass"), ((1 << 20) + 1, "unknown")] {
        host.shell(&format!("truncate -s {size} etc/environment"));
        let finding = check(&host, &[]).one("instance.imds_endpoint", "metadata service");
        assert_eq!(finding["verdict"], expected, "{size}: {finding:#?}");
    }
}

#[test]
fn environments_and_configurations_that_lead_elsewhere() {
    let imds = Imds::new().start();
    let clean = host(&imds, "");
    assert_eq!(verdict(&check(&clean, &[]), "imds_endpoint"), "pass");
    for (line, location) in [
        (
            "echo AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1:80 > etc/environment",
            Some("/etc/environment:1"),
        ),
        (
            "mkdir -p etc/systemd/system/a.service.d; printf '[Service]\\nEnvironment=\"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1\"\\n' > etc/systemd/system/a.service.d/x.conf",
            Some("/etc/systemd/system/a.service.d/x.conf:2"),
        ),
        (
            "mkdir -p usr/lib/systemd/system; printf '[Service]\\nEnvironmentFile=-/etc/a.env\\n' > usr/lib/systemd/system/a.service; printf '\\nAWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1\\n' > etc/a.env",
            Some("/etc/a.env:2"),
        ),
        (
            "mkdir -p root/.aws; echo root:x:0:0::/root:/bin/sh > etc/passwd; printf '[default]\\nec2_metadata_service_endpoint = http://10.0.0.1\\n' > root/.aws/config",
            Some("/root/.aws/config:2"),
        ),
        (
            "mkdir -p etc/systemd/system.control; printf '[Service]\\nEnvironment=AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1\\n' > etc/systemd/system.control/a.service",
            Some("/etc/systemd/system.control/a.service:2"),
        ),
        (
            "mkdir -p usr/local/lib/systemd/system; printf '[Service]\\nEnvironment=A=b AWS_EC2_METADATA_SERVICE_\\\\x45NDPOINT=http://10.0.0.1\\n' > usr/local/lib/systemd/system/a.service",
            Some("/usr/local/lib/systemd/system/a.service:2"),
        ),
        (
            "mkdir -p usr/local/lib/systemd/system.conf.d; printf '[Manager]\\nDefaultEnvironment=AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1\\n' > usr/local/lib/systemd/system.conf.d/a.conf",
            Some("/usr/local/lib/systemd/system.conf.d/a.conf:2"),
        ),
        (
            "mkdir -p etc/systemd/system opt; printf '[Service]\\nEnvironmentFile=/opt/*.env\\n' > etc/systemd/system/a.service; echo AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1 > opt/x.env",
            Some("/etc/systemd/system/a.service:2"),
        ),
        (
            "mkdir -p etc/systemd/system opt; printf '[Service]\\nEnvironment=AWS_CONFIG_FILE=/opt/aws\\n' > etc/systemd/system/a.service; printf '[default]\\nec2_metadata_service_endpoint=http://10.0.0.1\\n' > opt/aws",
            Some("/opt/aws:2"),
        ),
        (
            "mkdir -p etc/profile.d; echo 'export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1' > etc/profile.d/x.sh",
            Some("/etc/profile.d/x.sh:1"),
        ),
        // AWS's own address, and what is no setting, lead nowhere.
        (
            "echo AWS_EC2_METADATA_SERVICE_ENDPOINT=http://169.254.169.254 > etc/environment",
            None,
        ),
        (
            "echo '# AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.0.0.1' > etc/environment",
            None,
        ),
    ] {
        let host = host(&imds, "");
        host.shell(line);
        let finding = check(&host, &[]).one("instance.imds_endpoint", "metadata service");
        assert_eq!(
            finding["location"].as_str(),
            location,
            "{line}: {finding:#?}"
        );
        let expected = if location.is_some() { "fail" } else { "pass" };
        assert_eq!(finding["verdict"], expected, "{line}");
    }
}
