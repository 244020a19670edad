//! What the first boot changed: put on the record once, when cloud-init is done, and told with names.

use super::worker::Worker;
use crate::assess::baseline::Effort;
use crate::assess::launch::{self, LaunchRequest};
use crate::assess::tree;
use crate::daemon::baseline::{ActiveBaseline, one_line};
use crate::daemon::message::Message;
use crate::daemon::setup::Setup;
use agent_baseline::Baseline;
use agent_baseline::manifest::Role;
use agent_baseline::manifest::read::Manifest;
use agent_core::attributes::{AttributeSet, Attributes};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding;
use agent_core::os::root::Root;
use agent_core::paths::subject;
use agent_core::task;
use agent_outbox::event::LaunchEntry;
use agent_scan::files::aside::Aside;
use agent_scan::files::scan::Progress;
use base64ct::{Base64, Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

pub(super) fn run(worker: &Worker) {
    let recorded = match worker.left_out.has(task::Job::Launch, "") {
        true => Err("writing it brought the agent to its end again and again".into()),
        false => {
            let aside = &worker.left_out.files;
            record(&worker.setup, &worker.baseline, aside).map_err(one_line)
        }
    };
    worker.send(Message::Recorded(recorded));
    worker.end(Ok(None));
}

/// A launch record that has been written.
#[derive(Debug)]
pub(in crate::daemon) struct WrittenRecord {
    /// SHA-256 in hexadecimal.
    pub(in crate::daemon) sha256: String,
    /// Each path with what it was and is.
    pub(in crate::daemon) entries: Vec<LaunchEntry>,
    /// Accounts that were added, by name.
    pub(in crate::daemon) accounts: Vec<String>,
    /// Keys that were added, as `ACCOUNT FINGERPRINT`.
    pub(in crate::daemon) keys: Vec<String>,
}

/// Writes the record, as `agent baseline launch` does.
fn record(setup: &Setup, baseline: &ActiveBaseline, aside: &Aside) -> Result<WrittenRecord> {
    let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
        return Err(Error::new(
            "there is no manifest that the first boot could be compared with",
        ));
    };
    let manifest = &sealed.verified.manifest;
    let progress = Progress::default();
    let effort = Effort {
        workers: tree::threads(None).into(),
        pace: None,
        aside,
        progress: &progress,
        belief: None,
    };
    let time = format!("{:.0}", jiff::Timestamp::now());
    let (tree, profile) = (&setup.tree, &setup.profile);
    let launched = launch::write(
        tree,
        profile,
        manifest,
        LaunchRequest::default(),
        time,
        &effort,
    )?;
    let paths = launched.entries.iter().map(|entry| {
        let there = (entry.role == Role::Recorded).then_some(&entry.attributes);
        (entry.path.as_slice(), there)
    });
    let sha256 = escape::hex(&launched.sha256);
    tell(sha256, paths, manifest, &tree.root)
}

/// What is to be told of a record that somebody has written again, with the reason.
pub(in crate::daemon) fn written_again(
    setup: &Setup,
    baseline: &ActiveBaseline,
) -> Option<(WrittenRecord, String)> {
    let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
        return None;
    };
    let reason = sealed.again.clone()?;
    Some((found(setup, baseline)?, reason))
}

/// What is to be told of the record that is there.
pub(in crate::daemon) fn found(setup: &Setup, baseline: &ActiveBaseline) -> Option<WrittenRecord> {
    let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
        return None;
    };
    let entries = sealed.record.entries().iter();
    let paths = entries.map(|entry| (entry.path.as_slice(), entry.attributes.as_ref()));
    let manifest = &sealed.verified.manifest;
    let root = &setup.tree.root;
    tell(baseline.launch_record(), paths, manifest, root).ok()
}

/// What is to be told of a record. No secrets: digests of files, names, fingerprints.
fn tell<'a>(
    sha256: String,
    paths: impl Iterator<Item = (&'a [u8], Option<&'a Attributes>)>,
    manifest: &Manifest,
    root: &Root,
) -> Result<WrittenRecord> {
    let mut recorded = WrittenRecord {
        sha256,
        entries: Vec::new(),
        accounts: Vec::new(),
        keys: Vec::new(),
    };
    for (path, after) in paths {
        let before = manifest.find(path)?;
        recorded.entries.push(LaunchEntry {
            path: subject(path),
            before: before.as_ref().map(|entry| in_words(&entry.attributes)),
            after: after.map(in_words),
        });
        if path == b"etc/passwd" {
            let digest = before.and_then(|entry| digest_of(&entry.attributes));
            recorded.accounts = accounts(root, digest);
        }
        let holds_keys = [&b"authorized_keys"[..], b"authorized_keys2"]
            .iter()
            .any(|name| path.ends_with(name));
        if holds_keys && after.is_some() {
            recorded.keys.extend(keys(root, path));
        }
    }
    Ok(recorded)
}

fn digest_of(attributes: &Attributes) -> Option<[u8; 32]> {
    match attributes.digest {
        Some(agent_core::attributes::Digest::Sha256(digest)) => Some(digest),
        _ => None,
    }
}

/// `type=file,mode=0644,…`
pub(in crate::daemon) fn in_words(attributes: &Attributes) -> String {
    let evidence = finding::evidence(attributes, AttributeSet::ALL);
    let members = evidence.as_object().into_iter().flatten();
    let fields = members.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    fields.collect::<Vec<_>>().join(",")
}

/// Accounts that were added. useradd(8) leaves what was before in `/etc/passwd-`: if that is what the manifest
/// recorded, the difference is known; else every account of a person is named.
fn accounts(root: &Root, recorded: Option<[u8; 32]>) -> Vec<String> {
    let read = |path: &[u8]| root.read(path, bounds::ACCOUNTS_FILE);
    let now = match read(b"etc/passwd") {
        Ok(now) => now.unwrap_or_default(),
        Err(error) => return vec![format!("not known: /etc/passwd: {error}")],
    };
    let former = read(b"etc/passwd-").ok().flatten().unwrap_or_default();
    let known = recorded.is_some_and(|digest| Sha256::digest(&former)[..] == digest);
    added(&now, known.then_some(&former[..]))
}

/// Pure: see [`accounts`].
fn added(now: &[u8], former: Option<&[u8]>) -> Vec<String> {
    let rows = |text: &[u8]| -> Vec<(Vec<u8>, Option<u32>)> {
        let lines = text.split(|byte| *byte == b'\n');
        let rows = lines.map(|line| {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            let uid = fields.get(2).and_then(|uid| std::str::from_utf8(uid).ok());
            let name = fields.first().copied().unwrap_or_default();
            (name.to_vec(), uid.and_then(|uid| uid.parse().ok()))
        });
        rows.filter(|(name, uid)| !name.is_empty() && uid.is_some())
            .collect()
    };
    let before: Option<BTreeSet<Vec<u8>>> =
        former.map(|text| rows(text).into_iter().map(|(name, _)| name).collect());
    rows(now)
        .into_iter()
        .filter(|(name, uid)| match &before {
            Some(before) => !before.contains(name),
            // As login.defs(5) of every distribution has it; 65534 is nobody.
            None => uid.is_some_and(|uid| (1000..65534).contains(&uid)),
        })
        .map(|(name, _)| escape::lossless_text(&name).0)
        .collect()
}

/// The keys in an authorized_keys file, as `ACCOUNT FINGERPRINT`; the account goes by its directory's name.
fn keys(root: &Root, path: &[u8]) -> Vec<String> {
    let bytes = match root.read(path, bounds::SETTINGS_FILE) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => {
            let path = escape::lossless_text(&subject(path)).0;
            return vec![format!("not known: {path}: {error}")];
        }
    };
    let mut names = path.rsplit(|byte| *byte == b'/').skip(1);
    let account = names.find(|name| *name != b".ssh").unwrap_or(b"?");
    let account = escape::lossless_text(account).0;
    let lines = bytes.split(|byte| *byte == b'\n');
    let fingerprints = lines.filter_map(fingerprint);
    fingerprints.map(|key| format!("{account} {key}")).collect()
}

/// The fingerprint of the key on a line, as ssh-keygen(1) -l prints it.
fn fingerprint(line: &[u8]) -> Option<String> {
    let line = line.trim_ascii();
    if line.first().is_none_or(|first| *first == b'#') {
        return None;
    }
    let blob = line.split(u8::is_ascii_whitespace).find_map(|word| {
        // Every key begins with the length of its type's name.
        let word = std::str::from_utf8(word).ok()?;
        let blob = word.starts_with("AAAA").then(|| Base64::decode_vec(word));
        blob?.ok()
    })?;
    let digest = Base64Unpadded::encode_string(&Sha256::digest(&blob));
    Some(format!("SHA256:{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_by_what_was_there_before() {
        let before = b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
        let now = [
            &before[..],
            b"admin:x:1000:1000::/home/admin:/bin/sh\nsvc:x:900:900::/:/bin/false\n\nbad\n",
        ]
        .concat();
        assert_eq!(added(&now, Some(before)), ["admin", "svc"]);
        assert_eq!(added(&now, None), ["admin"]);
    }

    #[test]
    fn accounts_and_keys_of_a_file_beyond_its_bound_are_not_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::open(directory.path()).expect("a root");
        let put = |path: &str, size: u64| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().expect("one")).expect("made");
            let file = std::fs::File::create(path).expect("made");
            file.set_len(size).expect("a hole");
        };
        for (more, is_known) in [(0, true), (1, false)] {
            put("etc/passwd", bounds::ACCOUNTS_FILE + more);
            put("root/.ssh/authorized_keys", bounds::SETTINGS_FILE + more);
            for told in [
                accounts(&root, None),
                keys(&root, b"root/.ssh/authorized_keys"),
            ] {
                let text = told.join(" ");
                assert_eq!(text.is_empty(), is_known, "{text}");
                assert!(is_known || text.contains("larger than"), "{text}");
            }
        }
    }

    #[test]
    fn keys_are_told_by_fingerprint() {
        // As ssh-keygen does it: over the decoded key.
        let blob = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        let digest = Sha256::digest(Base64::decode_vec(blob).expect("base64"));
        let expected = format!("SHA256:{}", Base64Unpadded::encode_string(&digest));
        let with_options = format!("no-pty,command=\"a b\" ssh-ed25519 {blob} me@here");
        for line in [format!("ssh-ed25519 {blob}"), with_options] {
            assert_eq!(fingerprint(line.as_bytes()), Some(expected.clone()));
        }
        for line in ["", "# ssh-ed25519 AAAA", "ssh-ed25519 AAA!"] {
            assert_eq!(fingerprint(line.as_bytes()), None, "{line}");
        }
    }
}
