//! The service's real addresses, in a network namespace of the test's own.

use super::verdict;
use harness::imds::Imds;
use harness::{Host, Ran, private};
use std::process::Command;
use std::thread;

/// A network namespace with the addresses of the metadata service; gone when dropped.
struct Namespace(String);

impl Namespace {
    fn new() -> Namespace {
        let namespace = Namespace(format!(
            "agent-test-{}-{}",
            std::process::id(),
            fastrand::u32(..)
        ));
        let name = &namespace.0;
        for line in [
            format!("netns add {name}"),
            format!("-n {name} link set lo up"),
            format!("-n {name} address add 169.254.169.254/32 dev lo"),
            format!("-n {name} address add fd00:ec2::254/128 dev lo nodad"),
        ] {
            let status = Command::new("ip")
                .args(line.split(' '))
                .status()
                .expect("ip");
            assert!(status.success(), "ip {line}");
        }
        namespace
    }

    /// The host's agent, in the namespace.
    fn check(&self, host: &Host, mode: &str, more: &[&str]) -> Ran {
        self.check_as("0:0", host, mode, more)
    }

    /// The same as a user that has no capability.
    fn check_as_nobody(&self, host: &Host, mode: &str, more: &[&str]) -> Ran {
        self.check_as("65534:65534", host, mode, more)
    }

    fn check_as(&self, user: &str, host: &Host, mode: &str, more: &[&str]) -> Ran {
        let script = format!(
            "cd root
            mount --bind \"$AGENT\" agent
            for dir in lib lib64 proc; do if [ -e /$dir ]; then mount --rbind /$dir $dir; fi; done
            export AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE={mode}
            exec ip netns exec {} chroot --userspec={user} --groups= . /agent check --only 'instance.*' --format json \"$@\"",
            self.0
        );
        private(host.lab().path(), &script, more)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What could not be made need not be taken away.
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.0])
                .status(),
        );
    }
}

fn host(dmi: bool) -> Host {
    let host = Host::new();
    if dmi {
        host.shell(
            "mkdir -p sys/devices/virtual/dmi/id
             echo i-0123456789abcdef0 > sys/devices/virtual/dmi/id/board_asset_tag",
        );
    }
    host
}

#[test]
fn at_the_real_addresses() {
    let namespace = Namespace::new();
    let v4 = Imds::new()
        .role("writer")
        .start_in(&namespace.0, "169.254.169.254:80");
    let host_on_ec2 = host(true);
    let ran = namespace.check(&host_on_ec2, "IPv4", &[]);
    for (id, expected) in [
        ("imds_v1_disabled", "pass"),
        ("imds_v2_token", "pass"),
        ("imds_hop_limit", "pass"),
        ("imds_endpoint", "pass"),
        ("role_present", "pass"),
        ("nitro", "pass"),
    ] {
        assert_eq!(verdict(&ran, id), expected, "{id}: {ran:#?}");
    }
    assert_eq!(ran.summary()["host"]["zone"], "eu-central-1a");
    let asked = v4.asked().len();

    // Without DMI this is no instance, and nobody asks; whether asking is forbidden makes no difference there.
    let forbidden = "IPv4 AWS_EC2_METADATA_DISABLED=True";
    for environment in ["IPv4", forbidden] {
        let ran = namespace.check(&host(false), environment, &[]);
        assert!(
            ran.findings()
                .iter()
                .all(|finding| finding["verdict"] == "not_applicable")
        );
        assert_eq!(ran.summary()["host"]["zone"], serde_json::Value::Null);
    }
    // On an instance there is something to look at, and nobody looked.
    let ran = namespace.check(&host_on_ec2, forbidden, &[]);
    for id in ["imds_v1_disabled", "imds_v2_token", "imds_hop_limit"] {
        assert_eq!(verdict(&ran, id), "unknown", "{id}: {ran:#?}");
    }
    assert_eq!(v4.asked().len(), asked);

    // IPv6: off while nobody listens there, then on.
    let demand = |word: &str| {
        host_on_ec2.shell(&format!(
            "printf 'name = \"local\"\\n[[paths]]\\npath = \"/data\"\\nseverity = \"high\"\\n[settings.\"instance.imds_endpoint\"]\\ndemand = \"{word}\"\\n' > etc/host-integrity-agent/profile.toml"
        ));
        let profile = ["--profile", "/etc/host-integrity-agent/profile.toml"];
        verdict(
            &namespace.check(&host_on_ec2, "IPv4", &profile),
            "imds_endpoint",
        )
    };
    assert_eq!(demand("off"), "pass");
    assert_eq!(demand("on"), "fail");
    let v6 = Imds::new()
        .hops(3)
        .start_in(&namespace.0, "[fd00:ec2::254]:80");
    assert_eq!(demand("off"), "fail");
    assert_eq!(demand("on"), "pass");
    assert_eq!(v6.asked().len(), 2);

    let ran = namespace.check(&host_on_ec2, "IPv6", &[]);
    assert_eq!(verdict(&ran, "imds_v2_token"), "pass");
    let finding = ran.one("instance.imds_hop_limit", "metadata service");
    assert_eq!(finding["observed"]["hops"], "more than 2");
    assert!(v6.asked().len() >= 8);
}

#[test]
fn how_far_the_token_travels_needs_no_privilege() {
    let host = host(true);
    host.shell(
        "printf 'name = \"local\"\\n[[paths]]\\npath = \"/data\"\\nseverity = \"high\"\\n[settings.\"instance.imds_hop_limit\"]\\ndemand = 1\\n' > strict.toml",
    );
    let strict = ["--profile", "/strict.toml"];
    for (hops, verdicts) in [
        (1, ["pass", "pass"]),
        (2, ["pass", "fail"]),
        (64, ["fail", "fail"]),
    ] {
        let namespace = Namespace::new();
        for (mode, address) in [
            ("IPv4", "169.254.169.254:80"),
            ("IPv6", "[fd00:ec2::254]:80"),
        ] {
            let _imds = Imds::new().hops(hops).start_in(&namespace.0, address);
            let told = [&[][..], &strict].map(|more| {
                verdict(
                    &namespace.check_as_nobody(&host, mode, more),
                    "imds_hop_limit",
                )
            });
            assert_eq!(told, verdicts, "{mode} {hops}");
        }
    }
}

#[test]
fn lost_segments_are_no_small_number() {
    let host = &host(true);
    // All at once: most of the time goes by in waiting.
    thread::scope(|scope| {
        for (loss, hops, expected) in [
            // Every other answer is lost once, and comes when it is sent again.
            ("numgen inc mod 2 < 1", 1, "pass"),
            ("numgen inc mod 2 < 1", 2, "pass"),
            ("numgen inc mod 2 < 1", 64, "fail"),
            // Whatever could go with a small number is lost, and what comes goes with a large one.
            ("ip ttl < 3", 2, "unknown"),
            ("ip ttl < 3", 64, "fail"),
            // Nothing comes.
            ("ip ttl > 0", 1, "unknown"),
        ] {
            scope.spawn(move || {
                let namespace = Namespace::new();
                let _imds = Imds::new()
                    .hops(hops)
                    .start_in(&namespace.0, "169.254.169.254:80");
                let rules = format!(
                    "table inet lossy {{
                        chain out {{
                            type filter hook output priority 0;
                            tcp sport 80 ip length > 120 {loss} drop
                        }}
                    }}"
                );
                let status = Command::new("ip")
                    .args(["netns", "exec", &namespace.0, "nft", &rules])
                    .status()
                    .expect("ip");
                assert!(status.success(), "nft {loss}");
                let ran = namespace.check_as_nobody(host, "IPv4", &[]);
                let told = verdict(&ran, "imds_hop_limit");
                assert_eq!(told, expected, "{loss} {hops}: {ran:#?}");
            });
        }
    });
}
