//! The comment lines before the first entry: which profile was in force, and whatever else must ride with the seal.

use crate::profile::path_rules::PathRules;
use agent_core::bytes;
use agent_core::escape;

/// The first line: what tells mtree readers what the file is.
pub const MAGIC: &[u8] = b"#mtree";
/// The second line: what tells us that it is ours, and which version.
pub const VERSION: &[u8] = b"# host-integrity-agent manifest 1";

/// What stands before the first entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Name of the profile that was in force.
    pub profile: String,
    /// Its [`digest`](crate::profile::Profile::digest).
    pub profile_digest: String,
    /// What it covered: an exclusion added later cannot hide behind the seal.
    pub path_rules: PathRules,
    /// Whether SELinux labels were recorded: the tree's root carried one.
    pub selinux: bool,
    /// When it was made (RFC 3339, UTC).
    pub time: String,
    /// The distribution, as `debian 12`.
    pub os: String,
    /// What was mounted at covered paths, or above them, in the order in which it was found: the root first. Empty in
    /// a manifest that does not say.
    pub mounts: Vec<Mounted>,
    /// The packages that were installed, in the order of their database.
    pub packages: Vec<Package>,
    /// SHA-256 of the texts that were kept, in hexadecimal; empty where none were.
    pub text: String,
    /// Fingerprints of the keys that the package manager trusted, where it keeps them in its database (`# package-key`).
    pub package_keys: Vec<String>,
    /// What a launch record is bound to; `None` in a manifest.
    pub launch: Option<Launch>,
}

/// Something that was mounted (`# mount PATH FSTYPE [SHOWN]`). A place has as many lines as file systems lie on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// Relative to the root; empty for the root itself.
    pub path: Vec<u8>,
    /// The type of the file system, as proc_pid_mountinfo(5) names it.
    pub fstype: String,
    /// Which directory of it was shown there; `/` where the line does not say.
    pub shown: String,
}

/// A package that was installed when the tree was recorded (`# package NAME VERSION ARCH`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name, without architecture.
    pub name: String,
    /// `[EPOCH:]VERSION[-RELEASE]`
    pub version: String,
    /// As the package manager names it.
    pub arch: String,
}

/// What ties a launch record to one instance and one manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// [`binding`](agent_core::host::Host::binding) of the instance.
    pub instance: String,
    /// SHA-256 of the manifest that it was compared with.
    pub manifest: String,
    /// Why it was written a second time.
    pub reason: Option<String>,
}

impl Header {
    /// The header's lines, each with its newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |words: &[u8]| {
            out.extend_from_slice(words);
            out.push(b'\n');
        };
        line(MAGIC);
        line(VERSION);
        line(format!("# profile {} {}", self.profile, self.profile_digest).as_bytes());
        for (key, value) in [("time", &self.time), ("os", &self.os), ("text", &self.text)] {
            if !value.is_empty() {
                line(format!("# {key} {value}").as_bytes());
            }
        }
        line(match self.selinux {
            true => b"# selinux recorded",
            false => b"# selinux none",
        });
        for key in &self.package_keys {
            line(format!("# package-key {key}").as_bytes());
        }
        for mounted in &self.mounts {
            let mut words = b"# mount /".to_vec();
            escape::push_octal(&mut words, &mounted.path);
            words.push(b' ');
            escape::push_octal(&mut words, mounted.fstype.as_bytes());
            if mounted.shown != "/" {
                words.push(b' ');
                escape::push_octal(&mut words, mounted.shown.as_bytes());
            }
            line(&words);
        }
        for Package {
            name,
            version,
            arch,
        } in &self.packages
        {
            line(format!("# package {name} {version} {arch}").as_bytes());
        }
        if let Some(launch) = &self.launch {
            line(format!("# launch {}", launch.instance).as_bytes());
            line(format!("# launch-of {}", launch.manifest).as_bytes());
            if let Some(reason) = &launch.reason {
                let mut words = b"# launch-again ".to_vec();
                escape::push_octal(&mut words, reason.as_bytes());
                line(&words);
            }
        }
        for rule in self.path_rules.lines() {
            line(&[b"# ", &rule[..]].concat());
        }
        out
    }

    /// The types of what was mounted at that place, lowest first.
    pub fn mounted_at<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = &'a str> {
        let here = self
            .mounts
            .iter()
            .filter(move |mounted| mounted.path == path);
        here.map(|mounted| mounted.fstype.as_str())
    }

    /// Whether the header says what was mounted, and that nothing was at that place.
    pub fn lacks_mount(&self, path: &[u8]) -> bool {
        !self.mounts.is_empty() && self.mounted_at(path).next().is_none()
    }

    /// Takes in one `# key value` line behind the first two; the error says what was expected.
    pub fn push_line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(words) = line.strip_prefix(b"# ") else {
            return Err("expected `# key value`, or an entry".into());
        };
        let (key, bytes) = bytes::split_once(words, b' ').unwrap_or((words, b""));
        let text =
            String::from_utf8(bytes.to_vec()).map_err(|_| "expected UTF-8 in a header line")?;
        if text.contains(char::is_control) {
            return Err("expected no control characters in a header line".into());
        }
        let mut once = |slot: fn(&mut Header) -> &mut String| {
            let slot = slot(self);
            if !slot.is_empty() || text.is_empty() {
                return Err(format!(
                    "expected one `# {} …`",
                    String::from_utf8_lossy(key)
                ));
            }
            slot.clone_from(&text);
            Ok(())
        };
        match key {
            b"profile" => {
                let (name, digest) = text
                    .split_once(' ')
                    .filter(|(_, digest)| escape::from_hex::<32>(digest.as_bytes()).is_some())
                    .ok_or("expected `# profile NAME SHA256`")?;
                if !self.profile.is_empty() || name.is_empty() {
                    return Err("expected one `# profile NAME SHA256`".into());
                }
                self.profile = name.to_owned();
                self.profile_digest = digest.to_owned();
            }
            b"time" => once(|h| &mut h.time)?,
            b"os" => once(|h| &mut h.os)?,
            b"text" => {
                escape::from_hex::<32>(bytes).ok_or("expected `# text SHA256`")?;
                once(|h| &mut h.text)?;
            }
            b"selinux" => {
                self.selinux = match bytes {
                    b"recorded" => true,
                    b"none" => false,
                    _ => return Err("expected `# selinux recorded` or `# selinux none`".into()),
                }
            }
            b"mount" => self.mounts.push(
                Mounted::parse(&text)
                    .ok_or("expected `# mount /PATH FSTYPE` or `# mount /PATH FSTYPE /SHOWN`, odd bytes as \\ooo")?,
            ),
            b"package" => {
                let package = package(&text).ok_or("expected `# package NAME VERSION ARCH`")?;
                self.packages.push(package);
            }
            b"package-key" => {
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err("expected `# package-key FINGERPRINT` in hexadecimal digits".into());
                }
                self.package_keys.push(text);
            }
            b"launch" => once(|h| &mut h.launch.get_or_insert_default().instance)?,
            b"launch-of" => once(|h| &mut h.launch.get_or_insert_default().manifest)?,
            b"launch-again" => {
                let reason = escape::from_octal(bytes).and_then(|b| String::from_utf8(b).ok());
                self.launch.get_or_insert_default().reason =
                    Some(reason.ok_or("expected the reason with odd bytes as \\ooo")?);
            }
            b"cover" | b"exclude" | b"writer" => self.path_rules.push_line(words)?,
            // Further lines are for people: a label, a ticket, a pipeline's name.
            _ => {}
        }
        Ok(())
    }
}

impl Mounted {
    /// Reads `/PATH FSTYPE`, and ` /SHOWN` where a part of the file system was bound; odd bytes as `\\ooo`.
    pub fn parse(text: &str) -> Option<Mounted> {
        let mut words = text.split(' ');
        let decoded = |word: &str| String::from_utf8(escape::from_octal(word.as_bytes())?).ok();
        let path = words.next()?.strip_prefix('/')?;
        let path = escape::from_octal(path.as_bytes())?;
        let fstype = decoded(words.next()?).filter(|fstype| !fstype.is_empty())?;
        let shown = match words.next() {
            Some(shown) => decoded(shown).filter(|shown| shown.starts_with('/'))?,
            None => String::from("/"),
        };
        let mounted = Mounted {
            path,
            fstype,
            shown,
        };
        words.next().is_none().then_some(mounted)
    }
}

/// A package of a `# package` line; all three are words.
fn package(text: &str) -> Option<Package> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let package = Package {
        name: words.next()?.to_owned(),
        version: words.next()?.to_owned(),
        arch: words.next()?.to_owned(),
    };
    words.next().is_none().then_some(package)
}
