//! What is opened before anything is judged: the tree, the configuration, the profile, the manifest.

use super::deadline::{self, Stage};
use agent_baseline::manifest::verified::{self, Trust, VerifiedManifest};
use agent_baseline::profile::{Profile, load};
use agent_checks::registry;
use agent_core::bounds;
use agent_core::config::{Config, DEFAULT, MANIFEST};
use agent_core::error::{Error, Result};
use agent_core::host::Host;
use agent_core::os::host;
use agent_core::os::node::{self, Access};
use agent_core::os::root::Root;
use agent_core::os::trust::{self, Owner};
use agent_core::release::OsRelease;
use agent_scan::files::own::OwnFiles;
use agent_scan::files::pipeline::Workers;
use std::num::NonZeroUsize;
use std::path::Path;

/// The place of the launch record on a host, and in every tree.
pub(crate) const LAUNCH: &str = "/var/lib/host-integrity-agent/launch.mtree";
/// At least so many threads while files come from the disk: it answers several requests in the time of one.
const WAITING: usize = 6;

/// A tree and what it says it is.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Nothing is read but below it.
    pub root: Root,
    /// Which distribution it holds.
    pub release: OsRelease,
    /// Which host it is.
    pub host: Host,
}

impl Tree {
    /// Opens the tree at `path`; an error where it cannot be read at all, or not in time.
    pub(crate) fn open(path: &Path) -> Result<Tree> {
        let stage = Stage {
            name: "tree",
            deadline: bounds::ANSWER,
        };
        let own = path.to_owned();
        deadline::one(stage, move || Tree::open_now(&own)).unwrap_or_else(|why| {
            let why = format!("cannot be opened as a tree: {why}");
            Err(Error::in_file(path, why).help("look whether its file system answers"))
        })
    }

    fn open_now(path: &Path) -> Result<Tree> {
        let fault = |error| Error::in_file(path, format!("cannot be opened as a tree: {error}"));
        // However `/` is written, it is the running host.
        let path = match std::fs::canonicalize(path).map_err(fault)? {
            canonical if canonical == Path::new("/") => canonical,
            _ => path.to_owned(),
        };
        let root = Root::open(&path).map_err(fault)?;
        let release = host::os_release(&root).map_err(|error| {
            Error::in_file(
                path.join("etc/os-release"),
                format!("cannot be read: {error}"),
            )
        })?;
        let host = host::read(&root, &release);
        Ok(Tree {
            root,
            release,
            host,
        })
    }

    /// The profile that was asked for: by name, by file, or `auto`.
    pub(crate) fn profile(&self, name: &str) -> Result<Profile> {
        let profile = match name {
            "auto" => load::auto(&self.release),
            name => load::named(name),
        }?;
        registry::validate(&profile)?;
        Ok(profile)
    }

    /// The manifest that was named, else the tree's own.
    pub(crate) fn manifest(
        &self,
        named: Option<&Path>,
        config: &Config,
        trust: &Trust,
    ) -> Result<Option<VerifiedManifest>> {
        let (place, found) = match named {
            Some(path) => match verified::open_named(path, Owner::RootOrCaller, trust)? {
                Some(verified) => return Ok(Some(verified)),
                None => {
                    return Err(Error::in_file(path, "no such file, expected a manifest")
                        .help("`agent baseline create --output FILE` makes one"));
                }
            },
            None if self.root.is_live() => {
                let place = config.manifest.clone();
                let found = verified::open_named(&place, Owner::Root, trust)?;
                (place, found)
            }
            None => {
                let place = self.root.path().join(&MANIFEST[1..]);
                (
                    place,
                    verified::open_in(&self.root, Path::new(MANIFEST), trust)?,
                )
            }
        };
        // Else removing both files would be cheaper than removing the seal.
        if found.is_none() && trust.wants_seal() {
            return Err(Error::in_file(
                place,
                "no such file: signers are trusted on this host, so a sealed manifest is wanted",
            )
            .help("restore the manifest and its seal from where the image was baked")
            .untrusted());
        }
        Ok(found)
    }

    /// Which files of the tree are the agent's own: those of the manifest in use, and of the one that the daemon uses.
    pub(crate) fn own_files(&self, manifest: Option<&Path>, config: &Config) -> OwnFiles {
        let configured = self.root.is_live().then_some(config.manifest.as_path());
        let places: Vec<&Path> = manifest.into_iter().chain(configured).collect();
        OwnFiles::of(&self.root, &places)
    }
}

/// The configuration that was named, else the host's own, else the defaults.
pub(crate) fn config(named: Option<&Path>) -> Result<Config> {
    let (path, owner) = match named {
        Some(path) => (path, Owner::RootOrCaller),
        None => (Path::new(DEFAULT), Owner::Root),
    };
    let Some(file) = trust::open(path, owner)? else {
        return match named {
            Some(path) => Err(Error::in_file(
                path,
                "no such file, expected a configuration",
            )),
            None => Ok(Config::default()),
        };
    };
    let bytes = trust::read(&file, path, bounds::OWN_CONFIG)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::in_file(path, "is not UTF-8"))?;
    Config::parse(&text, path)
}

/// Whether the tree carries SELinux labels: its root does or does not.
pub(crate) fn labelled(root: &Root) -> Result<bool> {
    let xattrs = node::xattrs(root.as_fd(), Access::Open, false).map_err(|errno| {
        Error::in_file(root.path(), format!("its label cannot be read: {errno}"))
    })?;
    Ok(xattrs
        .iter()
        .any(|xattr| *xattr.name == *b"security.selinux"))
}

/// As many threads as asked for. Else one a processor, which work that has time keeps to.
pub(crate) fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// For work that somebody waits for: as many threads as asked for; else one a processor, and more while they wait
/// for the disk.
pub(crate) fn workers(asked: Option<NonZeroUsize>) -> Workers {
    Workers {
        steady: threads(asked),
        waiting: if asked.is_none() { WAITING } else { 0 },
    }
}
