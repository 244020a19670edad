//! A host as it is on EC2: for these tests, and for the simulations of a fleet in the examples of this crate and of
//! crates/ship, which take this file in by its path.

use agent_core::finding;
use agent_core::host::{Cloud, Host};
use agent_outbox::event::{Digests, EventSource};

pub(crate) fn source() -> EventSource {
    EventSource {
        host: Host {
            hostname: "ip-10-0-0-5".into(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            boot_id: "3f1c0000-0000-4000-8000-000000000001".into(),
            os: "Amazon Linux 2023".into(),
            benchmarks: Default::default(),
            instance_id: "i-0123456789abcdef0".into(),
            cloud: Some(Box::new(Cloud {
                image_id: "ami-0abcdef1234567890".into(),
                account_id: "123456789012".into(),
                region: "eu-central-1".into(),
                zone: "eu-central-1a".into(),
                instance_type: "t3.micro".into(),
                private_ip: "10.0.0.5".into(),
                verified: true,
            })),
        },
        ip: "10.0.0.5".into(),
        checks: finding::FILE_CHECKS.into_iter().collect(),
        digests: Digests {
            manifest: "ab".repeat(32),
            profile: "cd".repeat(32),
            binary: "12".repeat(32),
            ..Digests::default()
        },
    }
}
