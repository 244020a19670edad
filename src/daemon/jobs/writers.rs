//! Expected writers: what a program wrote that the sealed profile lets write exactly that, and nothing else.
//!
//! The program itself by its executable, which is as the manifest has it: not what it starts, and not its control group,
//! which root can join. What it wrote is one of the pinned contents: root can make any program write anything.

use super::worker::Worker;
use crate::daemon::message::{ActorQuestion, Message};
use crate::daemon::writers;
use agent_baseline::Baseline;
use agent_baseline::manifest::read::Manifest;
use agent_baseline::manifest::verified::SealStatus;
use agent_baseline::profile::path_rules::Writer;
use agent_core::attributes::{Attribute, AttributeSet, Attributes, Digest, FileType};
use agent_core::change::{Actor, Executable};
use agent_core::finding::Finding;
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_scan::files::deviation::{Deviation, DeviationKind};
use agent_scan::files::launch::Record;
use sha2::Digest as _;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::sync_channel;

/// Bits of a mode that no writer brings unseen: to run as somebody else, and to be written by anybody.
const NEVER: u16 = 0o7022;
/// The extended attribute that holds a file's capabilities (capabilities(7)).
const CAPABILITIES: &[u8] = b"security.capability";

/// Lowers the finding where a sealed writer with pinned contents explains it.
pub(super) fn explain(worker: &Worker, deviation: &Deviation, finding: &mut Finding) {
    let Some(Baseline::Manifest(sealed)) = &worker.baseline.opened.baseline else {
        return;
    };
    if !matches!(sealed.verified.seal_status, SealStatus::Sealed(_)) {
        return;
    }
    let writers = sealed.scope.writers(&deviation.path);
    let Some(contents) = contents(&deviation.kind) else {
        return;
    };
    let may: Vec<&Writer> = (writers.iter())
        .filter(|writer| writer.contents.contains(&contents))
        .collect();
    if may.is_empty() {
        return;
    }
    let Some(actor) = ask(worker, &deviation.path) else {
        return;
    };
    let writer = may.into_iter().find(|writer| {
        let recorded = recorded(sealed.overlay(), &sealed.verified.manifest, &writer.program);
        recorded.is_some_and(|recorded| is(&worker.setup.tree.root, writer, &actor, recorded))
    });
    if let Some(writer) = writer {
        let at = format!("{:.0}", jiff::Timestamp::now());
        writers::lower(finding, &writer.program, at);
    }
}

/// The contents that came, where nothing else did that a writer may not bring.
fn contents(kind: &DeviationKind) -> Option<[u8; 32]> {
    let is_plain = |observed: &Attributes| {
        let xattrs = observed.xattrs.as_deref();
        observed.kind == FileType::File
            && observed.mode.is_some_and(|mode| mode & NEVER == 0)
            && (observed.uid, observed.gid) == (Some(0), Some(0))
            && xattrs.is_some_and(|xattrs| xattrs.iter().all(|x| &*x.name != CAPABILITIES))
    };
    let observed = match kind {
        DeviationKind::Added(observed) if is_plain(observed) => observed,
        DeviationKind::Changed {
            observed, changed, ..
        } => {
            let by_writing = AttributeSet::NONE
                .with(Attribute::Mtime)
                .with(Attribute::Size)
                .with(Attribute::Sha256);
            if !changed.without(by_writing).is_empty() {
                return None;
            }
            observed
        }
        _ => return None,
    };
    match observed.digest {
        Some(Digest::Sha256(digest)) => Some(digest),
        _ => None,
    }
}

/// Who wrote to the path, as far as anybody saw.
fn ask(worker: &Worker, path: &[u8]) -> Option<Actor> {
    let (reply, answer) = sync_channel(1);
    let question = ActorQuestion {
        job: worker.id,
        path: path.to_vec(),
        reply,
    };
    let asked = worker.questions.blocking_send(Message::Actor(question));
    asked.ok()?;
    answer.recv().ok()?
}

/// The digest of the program as amendments, launch record or manifest have it.
fn recorded(overlay: &Record, manifest: &Manifest, program: &str) -> Option<[u8; 32]> {
    let path = program.trim_start_matches('/').as_bytes();
    let attributes = match overlay.at(path) {
        Some(expected) => expected.attributes.clone()?,
        None => manifest.find(path).ok()??.attributes,
    };
    match attributes.digest {
        Some(Digest::Sha256(digest)) if attributes.kind == FileType::File => Some(digest),
        _ => None,
    }
}

/// Whether the process ran that program, and the file that it ran is as recorded: while it runs nobody can write to it,
/// and its ctime says that nobody has since.
fn is(root: &Root, writer: &Writer, actor: &Actor, recorded: [u8; 32]) -> bool {
    let Some(executable) = actor.executable else {
        return false;
    };
    if actor.program.as_deref() != Some(&writer.program) {
        return false;
    }
    let Ok(Some(file)) = root.open_file(writer.program.as_bytes()) else {
        return false;
    };
    let same = |file: &File| stat(file) == Some(executable);
    same(&file) && digest(&file) == Some(recorded) && same(&file)
}

fn stat(file: &File) -> Option<Executable> {
    let told = node::stat(file).ok()?;
    Some(Executable {
        device: told.id.device,
        inode: told.id.inode,
        ctime: (told.ctime.seconds, told.ctime.nanoseconds),
    })
}

fn digest(mut file: &File) -> Option<[u8; 32]> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Some(hasher.finalize().into()),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(_) => return None,
        }
    }
}
