//! What a host with rpm has as evidence on a path: the headers in its database, and the signatures over them.

use crate::change::Shipped;
use crate::openpgp::Keyring;
use crate::recorded::Recorded;
use agent_core::attributes::{Digest, FileType};
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_packages::Package;
use agent_packages::rpm::signed::{self, Entry, File, Signature};
use base64ct::{Base64, Encoding};
use std::collections::HashMap;

/// Where distributions leave their keys as files. Of what lies there and in the database only what the sealed manifest
/// names by fingerprint counts.
const KEYS: &str = "etc/pki/rpm-gpg";

/// The packages, and what they say of their files.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    packages: Vec<Header>,
    files: HashMap<Vec<u8>, Vec<(u32, Shipped)>>,
}

/// One package.
#[derive(Debug)]
pub(crate) struct Header {
    /// As the signed region has it where it is signed, else as the database says.
    pub(crate) package: Package,
    /// Why nothing signed vouches for it; `Ok` where a recorded key does.
    pub(crate) signed: Result<(), String>,
    /// When it was installed, in seconds since 1970.
    pub(crate) at: Option<u64>,
    /// Number of the transaction.
    pub(crate) transaction: Option<u64>,
}

/// The fingerprints of the keys that rpm trusts, for `# package-key` lines.
pub fn keys(root: &Root) -> Vec<String> {
    let mut keyring = Keyring::default();
    let read = signed::packages(root, &mut |entry| keyring.extend(key(&entry)));
    // Without a database there are none.
    match read {
        Ok(()) => keyring.fingerprints(),
        Err(_) => Vec::new(),
    }
}

fn key(entry: &Entry<'_>) -> Keyring {
    entry
        .key()
        .map_or_else(Keyring::default, |text| Keyring::parse(&text))
}

impl Headers {
    /// Reads the database and verifies each header.
    pub(crate) fn load(root: &Root, recorded: &Recorded) -> Result<Headers, String> {
        let mut keys = Keyring::default();
        signed::packages(root, &mut |entry| keys.extend(key(&entry)))?;
        if let Ok(Some(names)) = root.list(KEYS.as_bytes()) {
            for (name, _) in names.iter().take(bounds::TRUST_FILES) {
                let path = [KEYS.as_bytes(), b"/", name].concat();
                let bytes = root.read(&path, bounds::KEYRING).ok().flatten();
                keys.extend(Keyring::parse(&bytes.unwrap_or_default()));
            }
        }
        keys.retain(&recorded.keys);
        let mut headers = Headers::default();
        let mut places = Places {
            root,
            known: HashMap::new(),
        };
        signed::packages(root, &mut |entry| headers.add(&entry, &keys, &mut places))?;
        Ok(headers)
    }

    fn add(&mut self, entry: &Entry<'_>, keys: &Keyring, places: &mut Places<'_>) {
        let Some(package) = entry
            .package()
            .filter(|package| package.name != "gpg-pubkey")
        else {
            return;
        };
        let number = u32::try_from(self.packages.len()).unwrap_or(u32::MAX);
        let mut signed = verify(entry, keys);
        let (at, transaction) = entry.installed();
        let mut files = Vec::new();
        let mut take = |file: File| files.push(file);
        let package = match &signed {
            Ok(()) => match entry.region(&mut take) {
                Some(package) => package,
                None => {
                    signed = Err("its signed header is damaged".into());
                    package
                }
            },
            Err(_) => {
                entry.files(&mut take);
                package
            }
        };
        for file in files {
            if file.ghost {
                continue;
            }
            let path = places.real(&file.path);
            self.files
                .entry(path)
                .or_default()
                .push((number, shipped(file)));
        }
        self.packages.push(Header {
            package,
            signed,
            at,
            transaction,
        });
    }

    /// The packages.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().map(|header| &header.package)
    }

    /// The packages that have the path, and what they say of it.
    pub(crate) fn of(&self, path: &[u8]) -> impl Iterator<Item = (&Header, &Shipped)> {
        let found = self.files.get(path).into_iter().flatten();
        found.filter_map(|(number, shipped)| Some((self.packages.get(*number as usize)?, shipped)))
    }
}

fn verify(entry: &Entry<'_>, keys: &Keyring) -> Result<(), String> {
    if keys.is_empty() {
        return Err("the manifest names no key of the package manager's (# package-key)".into());
    }
    let bytes = entry
        .signed_bytes()
        .ok_or("its header has no signed region")?;
    let mut why = "its header has no signature".to_owned();
    for signature in entry.signatures() {
        let signature = match signature {
            Signature::Binary(bytes) => bytes,
            Signature::Base64(text) => {
                let text: Vec<u8> = text
                    .into_iter()
                    .filter(|byte| !byte.is_ascii_whitespace())
                    .collect();
                let text = String::from_utf8(text).unwrap_or_default();
                Base64::decode_vec(&text).map_err(|_| "its signature is damaged")?
            }
        };
        match keys.detached(&signature, &bytes) {
            Ok(_) => return Ok(()),
            Err(error) => why = format!("the signature of its header does not hold: {error}"),
        }
    }
    Err(why)
}

fn shipped(file: File) -> Shipped {
    let recorded = file.recorded;
    Shipped {
        kind: recorded.kind,
        mode: recorded.mode,
        uid: recorded.uid,
        gid: recorded.gid,
        link: recorded.link,
        digest: match recorded.kind {
            // An empty file has no digest in some headers.
            FileType::File => file.digest,
            _ => None,
        },
        capability: recorded.capability,
        names: None,
    }
}

/// Paths with the links in their directories resolved.
struct Places<'a> {
    root: &'a Root,
    known: HashMap<Vec<u8>, Vec<u8>>,
}

impl Places<'_> {
    fn real(&mut self, path: &[u8]) -> Vec<u8> {
        let (directory, name) = agent_core::paths::split(path);
        if directory.is_empty() {
            return path.to_vec();
        }
        let place = self.known.entry(directory.to_vec()).or_insert_with(|| {
            let found = self.root.resolve(directory, true);
            found.map_or_else(|_| directory.to_vec(), |found| found.path)
        });
        [&place[..], b"/", name].concat()
    }
}

/// How strong the database's own word on a digest is.
pub(crate) fn is_sha256(digest: Option<&Digest>) -> bool {
    matches!(digest, Some(Digest::Sha256(_)))
}
