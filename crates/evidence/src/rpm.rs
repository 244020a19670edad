//! What a host with rpm has as evidence on a path: the headers in its database, and the signatures over them.

use crate::change::{Change, Shipped};
use crate::digests::Digests;
use crate::explain::{Judged, MOST_OWNERS, case};
use crate::openpgp::Keyring;
use crate::recorded::RecordedPackages;
use agent_core::attributes::{Digest, FileType};
use agent_core::bounds;
use agent_core::explained::Evidence;
use agent_core::os::root::Root;
use agent_packages::Package;
use agent_packages::rpm::signed::{self, File, InstalledPackage, Signature};
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

fn key(entry: &InstalledPackage<'_>) -> Keyring {
    entry
        .key()
        .map_or_else(Keyring::default, |text| Keyring::parse(&text))
}

impl Headers {
    /// Reads the database and verifies each header.
    pub(crate) fn load(root: &Root, recorded: &RecordedPackages) -> Result<Headers, String> {
        let mut keys = Keyring::default();
        signed::packages(root, &mut |entry| keys.extend(key(&entry)))?;
        keys.extend(files_of_keys(root)?);
        keys.retain(&recorded.keys);
        let mut headers = Headers::default();
        let mut places = Places {
            root,
            known: HashMap::new(),
        };
        signed::packages(root, &mut |entry| headers.add(&entry, &keys, &mut places))?;
        Ok(headers)
    }

    fn add(&mut self, entry: &InstalledPackage<'_>, keys: &Keyring, places: &mut Places<'_>) {
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

/// How the packages that have the path explain the change.
pub(crate) fn judge(headers: &Headers, root: &Root, change: &Change<'_>) -> Vec<Judged> {
    let mut there: Option<Result<Digests, String>> = None;
    headers
        .of(change.path)
        .take(MOST_OWNERS)
        .map(|(header, shipped)| {
            let digest = match (&shipped.digest, change.observed.kind) {
                (Some(Digest::Md5(_)), FileType::File) => {
                    let there = there.get_or_insert_with(|| Digests::of(root, change));
                    there.as_ref().ok().map(|found| Digest::Md5(found.md5))
                }
                _ => change.observed.digest,
            };
            let (content, beyond) = change.against(shipped, digest.as_ref());
            let signed = header.signed.is_ok();
            let at = header
                .at
                .and_then(|at| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok());
            Judged {
                package: header.package.clone(),
                case: case(content, signed, beyond),
                evidence: match (signed, is_sha256(shipped.digest.as_ref())) {
                    (true, _) => Evidence::Signed,
                    (false, true) => Evidence::Sha256,
                    (false, false) => Evidence::Md5,
                },
                detail: header.signed.as_ref().err().cloned(),
                at: at.map(|at| at.to_string()),
                transaction: header
                    .transaction
                    .map(|number| format!("rpm transaction {number}")),
            }
        })
        .collect()
}

/// The keys that lie there as files. One that cannot be read is passed over: its signatures then prove nothing.
fn files_of_keys(root: &Root) -> Result<Keyring, String> {
    let mut keys = Keyring::default();
    let names = root.list(KEYS.as_bytes()).ok().flatten();
    for (number, (name, _)) in names.iter().flat_map(|names| names.iter()).enumerate() {
        if number == bounds::TRUST_FILES {
            return Err(format!("/{KEYS} holds more than {number} files"));
        }
        let path = [KEYS.as_bytes(), b"/", name].concat();
        let bytes = root.read(&path, bounds::KEYRING).ok().flatten();
        keys.extend(Keyring::parse(&bytes.unwrap_or_default()));
    }
    Ok(keys)
}

fn verify(entry: &InstalledPackage<'_>, keys: &Keyring) -> Result<(), String> {
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
fn is_sha256(digest: Option<&Digest>) -> bool {
    matches!(digest, Some(Digest::Sha256(_)))
}
