//! What the signature of a package's builder covers, and what rpm's database adds to it.
//!
//! The first entry of a header is its immutable region: with its magic, its index and its data it is, byte for byte,
//! the header of the .rpm, over which the signature goes. Everything behind it (what is on disk, when it was installed,
//! the signatures themselves, or an entry of a tag that the region has too) rpm wrote on this host, or anybody else.

use super::files::{self, Facts, GHOST, accounts, each_file};
use super::header::{Header, tag};
use super::{evr, find, headers, name};
use crate::database::{Damages, ShippedAttributes};
use crate::installed::Package;
use agent_core::attributes::{Digest, FileType};
use agent_core::os::root::Root;
use std::collections::HashMap;

/// What goes before a header in a file (rpm's "header magic").
const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// One package of the database.
#[derive(Debug)]
pub struct InstalledPackage<'a> {
    header: Header<'a>,
    accounts: &'a Accounts,
}

/// Names to numbers, of the host.
#[derive(Debug)]
struct Accounts {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// What it was shipped with.
    pub recorded: ShippedAttributes,
    /// Of its contents.
    pub digest: Option<Digest>,
    /// Its contents are not the package's business (%ghost).
    pub ghost: bool,
    /// It may be changed by the host's owner (%config).
    pub config: bool,
}

/// Hands each package of rpm's database on, keys among them ([`InstalledPackage::key`]).
pub fn packages(root: &Root, each: &mut dyn FnMut(InstalledPackage<'_>)) -> Result<(), String> {
    let place = find(root)?;
    // An owner that cannot be told explains nothing; more need not be said of it here.
    let mut damages = Damages::default();
    let accounts = Accounts {
        users: accounts(root, "etc/passwd", &mut damages),
        groups: accounts(root, "etc/group", &mut damages),
    };
    let read = headers(root, &place, &mut |header| {
        each(InstalledPackage {
            header,
            accounts: &accounts,
        });
        Ok(())
    });
    read.map_err(|error| format!("{}: {error}", place.path()))
}

impl InstalledPackage<'_> {
    /// What the database says that it is; `None` for a header without a name.
    pub fn package(&self) -> Option<Package> {
        Some(super::package(name(&self.header)?, &self.header))
    }

    /// When it was installed, in seconds since 1970, and by which transaction.
    pub fn installed(&self) -> (Option<u64>, Option<u64>) {
        let number = |tag| self.header.number(tag);
        (number(tag::INSTALLTIME), number(tag::INSTALLTID))
    }

    /// A key that the database has as a package, armored; `None` for what is none.
    pub fn key(&self) -> Option<Vec<u8>> {
        let is_key = name(&self.header).as_deref() == Some("gpg-pubkey");
        let text = is_key
            .then(|| self.header.text(tag::DESCRIPTION))
            .flatten()?;
        Some(text.to_vec())
    }

    /// What the signature covers, with the header's magic; `None` where there is no region.
    pub fn signed_bytes(&self) -> Option<Vec<u8>> {
        Some([&MAGIC[..], &self.header.region_bytes()?].concat())
    }

    /// The signatures over it: OpenPGP packets, in base64 where rpm 6 wrote them.
    pub fn signatures(&self) -> Vec<Signature> {
        let tags = [tag::RSAHEADER, tag::DSAHEADER];
        let binary = tags
            .into_iter()
            .filter_map(|tag| self.header.bytes(tag))
            .map(|bytes| Signature::Binary(bytes.to_vec()));
        let texts = self.header.texts(tag::OPENPGP);
        binary
            .chain(texts.map(|text| Signature::Base64(text.to_vec())))
            .collect()
    }

    /// Its files as the database has them; states of the host count, so that what was not installed is left out.
    pub fn files(&self, each: &mut dyn FnMut(File)) {
        list(&self.header, self.accounts, each);
    }

    /// The package and its files as the region has them, whatever stands behind it; `None` where there is none.
    pub fn region(&self, each: &mut dyn FnMut(File)) -> Option<Package> {
        let bytes = self.header.region_bytes()?;
        let header = Header::parse(&bytes)?;
        list(&header, self.accounts, each);
        Some(Package {
            name: name(&header)?,
            version: evr(&header),
            arch: String::from_utf8_lossy(header.text(tag::ARCH).unwrap_or_default()).into_owned(),
        })
    }
}

/// A signature as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// OpenPGP packets.
    Binary(Vec<u8>),
    /// The same in base64.
    Base64(Vec<u8>),
}

fn list(header: &Header<'_>, accounts: &Accounts, each: &mut dyn FnMut(File)) {
    each_file(header, &mut |path, facts| {
        if let Some(path) = path.filter(|path| !path.is_empty())
            && facts.state == 0
            && let Some(kind) = facts.kind()
        {
            each(file(path, kind, facts, accounts));
        }
        true
    });
}

fn file(path: Vec<u8>, kind: FileType, facts: &Facts<'_>, accounts: &Accounts) -> File {
    let is_link = kind == FileType::Link;
    let is_file = kind == FileType::File;
    File {
        path,
        recorded: ShippedAttributes {
            kind,
            mode: u16::try_from(facts.mode & 0o7777).ok().filter(|_| !is_link),
            uid: accounts.users.get(facts.user).copied(),
            gid: accounts.groups.get(facts.group).copied(),
            size: facts.size.filter(|_| is_file),
            link: is_link.then(|| facts.link.into()),
            capability: facts.capability().filter(|_| is_file),
        },
        digest: is_file.then(|| facts.digest()).flatten(),
        ghost: facts.flags & GHOST != 0,
        config: facts.flags & files::CONFIG != 0,
    }
}
