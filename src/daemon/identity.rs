//! What every event says of where it comes from: host, binary, and what verdicts rest on.

use crate::daemon::baseline::ActiveBaseline;
use agent_baseline::profile::Profile;
use agent_checks::registry;
use agent_core::escape;
use agent_core::host::Host;
use agent_core::os::{last_word, procfs};
use agent_outbox::event::{Digests, EventSource};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Host and binary.
#[derive(Debug)]
pub(in crate::daemon) struct Identity {
    pub(in crate::daemon) host: Host,
    /// SHA-256 in hexadecimal; empty until it is known.
    pub(in crate::daemon) binary: String,
}

impl Identity {
    /// Takes in what the host knows of itself; whether that is news.
    pub(in crate::daemon) fn learn(&mut self, host: Host) -> bool {
        // A service that does not answer now has said what it said.
        let silent = host.cloud.is_none() && self.host.cloud.is_some();
        if host == self.host || (silent && !self.host.is_stale(&host)) {
            return false;
        }
        self.host = host;
        true
    }

    /// What every event says of its origin.
    pub(in crate::daemon) fn origin(
        &self,
        baseline: Option<&ActiveBaseline>,
        profile: &Profile,
    ) -> EventSource {
        let (manifest, signer) = baseline.map(ActiveBaseline::manifest).unwrap_or_default();
        let launch_record = baseline.map(ActiveBaseline::launch_record);
        EventSource {
            host: self.host.clone(),
            ip: address(&self.host),
            digests: Digests {
                manifest,
                signer,
                profile_name: profile.name.clone(),
                profile: profile.digest(),
                launch_record: launch_record.unwrap_or_default(),
                amendments: baseline.map(ActiveBaseline::amendments).unwrap_or_default(),
                binary: self.binary.clone(),
            },
            checks: registry::all().collect(),
        }
    }
}

/// The address that the metadata service told; empty where it told none.
fn address(host: &Host) -> String {
    let told = host.cloud.as_deref().map(|cloud| &cloud.private_ip);
    let told = told.filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    told.cloned().unwrap_or_default()
}

/// SHA-256 of the running binary, in hexadecimal; empty where it cannot be read. Read once.
pub(in crate::daemon) fn binary_digest() -> String {
    if let Some(known) = last_word::binary() {
        return known.to_owned();
    }
    let digest = digest_binary().unwrap_or_default();
    if !digest.is_empty() {
        last_word::know_binary(&digest);
    }
    digest
}

fn digest_binary() -> io::Result<String> {
    let mut file = procfs::own_program()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(escape::hex(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}
