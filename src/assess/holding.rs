//! Whether a path that others are made of is as recorded, or explained by a signature.

use super::explained::Ground;
use agent_core::attributes::{Attribute, AttributeSet, Attributes, Digest, FileType};
use agent_core::escape;
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_evidence::{Change, Explainer, Explanation};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::os::fd::AsFd;

/// Explains what is in no package.
type Products<'a> = &'a mut dyn FnMut(&mut Explainer, &Change<'_>) -> Option<Explanation>;

/// Whether it does; else why not. The path is relative to the root, links in its directory resolved.
pub(super) fn holds(
    explainer: &mut Explainer,
    ground: &Ground<'_>,
    path: &[u8],
    products: Products<'_>,
) -> Result<(), String> {
    let shown = || escape::lossless_text(path).0;
    let fault = |what: &dyn std::fmt::Display| format!("/{} {what}", shown());
    let observed = observe(ground.root, path).map_err(|error| fault(&error))?;
    let overlaid = ground.sealed.overlay().at(path);
    let expected = match overlaid {
        Some(expected) => expected.attributes.clone(),
        None => {
            let entry = ground.sealed.verified.manifest.find(path);
            let entry = entry.map_err(|error| fault(&error))?;
            entry.map(|entry| entry.attributes)
        }
    };
    let changed = match &expected {
        Some(expected) => expected.differing(&observed, compared()),
        None => AttributeSet::ALL,
    };
    let is_recorded = |expected: &Attributes| match observed.kind {
        FileType::File => expected.digest == observed.digest,
        FileType::Link => expected.link == observed.link,
        _ => false,
    };
    if changed.is_empty() && expected.as_ref().is_some_and(is_recorded) {
        return Ok(());
    }
    let change = Change {
        path,
        expected: expected.as_ref(),
        observed: &observed,
        changed,
    };
    let explanation = explainer
        .explain(&change)
        .or_else(|| products(explainer, &change));
    match explanation.is_some_and(|explanation| explanation.lowers) {
        true => Ok(()),
        false => Err(fault(
            &"is neither as recorded nor explained by a signature",
        )),
    }
}

/// What of a file or a link decides what it does.
fn compared() -> AttributeSet {
    AttributeSet::NONE
        .with(Attribute::Type)
        .with(Attribute::Mode)
        .with(Attribute::Uid)
        .with(Attribute::Gid)
        .with(Attribute::Link)
        .with(Attribute::Sha256)
}

fn observe(root: &Root, path: &[u8]) -> io::Result<Attributes> {
    let handle = root.resolve(path, false)?.handle;
    let handle = handle.ok_or_else(|| io::Error::other("is not there"))?;
    let stat = node::stat(&handle)?;
    let mut observed = stat.attributes();
    // What was not looked at is compared with nothing.
    (observed.nlink, observed.mtime) = (None, None);
    match observed.kind {
        FileType::Link => observed.link = Some(node::read_link(handle.as_fd())?),
        FileType::File => {
            let file = root.open_file(path)?;
            let mut file = file.ok_or_else(|| io::Error::other("is not there"))?;
            let is_it = node::stat(&file).is_ok_and(|now| now.id == stat.id);
            if !is_it {
                return Err(io::Error::other("changed while it was looked at"));
            }
            let mut digest = Sha256::new();
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => digest.update(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            observed.digest = Some(Digest::Sha256(digest.finalize().into()));
        }
        _ => {}
    }
    Ok(observed)
}
