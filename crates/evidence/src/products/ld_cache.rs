//! ld.so.cache, recomputed (ldconfig(8), glibc's `elf/cache.c` and `elf/ldconfig.c`): which names it gives to which
//! libraries must be what the directories hold that ld.so.conf names, and each of them as recorded or signed.
//!
//! What is compared is what the loader goes by: names, the libraries they lead to, for which machine, and which of
//! several comes first. What ldconfig writes beside that (its own version, hints about kernels) decides nothing.

use super::elf;
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::escape;
use agent_core::glob::{Glob, Syntax};
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::paths::split;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::fd::AsFd;

/// The file, relative to the root.
pub(super) const CACHE: &[u8] = b"etc/ld.so.cache";
const CONF: &[u8] = b"etc/ld.so.conf";
/// Directories that ldconfig looks into whatever ld.so.conf says; which of them depends on how it was built.
const BUILT_IN: [&[u8]; 4] = [b"lib64", b"usr/lib64", b"lib", b"usr/lib"];
const OLD: &[u8] = b"ld.so-1.7.0\0";
const NEW: &[u8] = b"glibc-ld.so.cache1.1";
/// Bytes of the header and of an entry, of both forms.
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Of flags, what says for which machine a library is.
const MACHINE: u32 = 0xff00;

/// A name, and where the cache says that its library is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CachedLibrary {
    name: Vec<u8>,
    machine: u32,
    /// With its leading slash.
    path: Vec<u8>,
}

/// Whether a path (relative to the root) is as recorded, or explained by a signature; else why not.
pub(super) type Holds<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), String>;

/// Whether the cache is what ldconfig would make of libraries that all hold; how many it names. Else what is wrong.
pub(super) fn judge(root: &Root, text: &[u8], holds: Holds<'_>) -> Result<usize, String> {
    let entries = parse(text)?;
    if entries.len() > bounds::LIBRARIES {
        return Err(format!(
            "it names more than {} libraries",
            bounds::LIBRARIES
        ));
    }
    let configured = configured(root, holds)?;
    let mut directories: Vec<Directory> = Vec::new();
    let ours = configured.iter().map(|path| (path.as_slice(), true));
    for (path, demanded) in ours.chain(BUILT_IN.map(|path| (path, false))) {
        let Some(directory) = Directory::read(root, path, demanded)? else {
            continue;
        };
        // One directory by two names is looked into once, as ldconfig does.
        if directories.iter().all(|known| known.real != directory.real) {
            directories.push(directory);
        }
    }
    compare(&entries, &directories)?;
    let mut known = HashSet::new();
    for entry in &entries {
        each_on_the_way(
            root,
            &entry.path,
            &mut |path| match known.insert(path.to_vec()) {
                true => holds(path),
                false => Ok(()),
            },
        )?;
    }
    Ok(entries.len())
}

/// A directory with libraries in it.
#[derive(Debug)]
struct Directory {
    /// As it was named, and without links.
    path: Vec<u8>,
    real: Vec<u8>,
    /// ld.so.conf names it: nothing of it may be missing.
    demanded: bool,
    /// Names with the machines of their libraries.
    names: BTreeSet<(Vec<u8>, u32)>,
}

impl Directory {
    fn read(root: &Root, path: &[u8], demanded: bool) -> Result<Option<Directory>, String> {
        let fault = |what: &dyn std::fmt::Display| format!("/{} {what}", shown(path));
        // ldconfig passes over what is not there.
        let Ok(Some(list)) = root.list(path) else {
            return Ok(None);
        };
        let real = root.resolve(path, true).map_err(|error| fault(&error))?;
        let mut directory = Directory {
            path: path.to_vec(),
            real: real.path,
            demanded,
            names: BTreeSet::new(),
        };
        let is_library = |name: &[u8]| {
            (name.starts_with(b"lib") || name.starts_with(b"ld-"))
                && memchr::memmem::find(name, b".so").is_some()
        };
        let libraries = list.iter().filter(|(name, _)| is_library(name));
        for (count, (name, _)) in libraries.enumerate() {
            if count == bounds::LIBRARIES {
                return Err(fault(&"holds more libraries than are looked at"));
            }
            let at = [path, b"/", name].concat();
            let is_link = root
                .resolve(&at, false)
                .ok()
                .and_then(|found| found.handle)
                .and_then(|handle| node::stat(handle).ok())
                .is_some_and(|stat| stat.kind == FileType::Link);
            // A link that leads nowhere, a directory, a text for the linker: no library.
            let Ok(Some(file)) = root.open_file(&at) else {
                continue;
            };
            let library = elf::read(&file).map_err(|error| fault(&error))?;
            if let Some(library) = library {
                let machine = machine(&library)
                    .ok_or_else(|| fault(&"holds libraries of a machine that is not known here"))?;
                directory
                    .names
                    .insert((called(name, is_link, library.soname), machine));
            }
        }
        Ok(Some(directory))
    }
}

/// The name that a library in a file of that name is asked for by.
fn called(name: &[u8], is_link: bool, soname: Option<Vec<u8>>) -> Vec<u8> {
    let soname = soname.unwrap_or_else(|| name.to_vec());
    // `libx.so -> libx.so.1`, for those who link programs, has an entry of its own.
    let for_linker = name.ends_with(b".so") && soname.starts_with(name);
    match is_link && for_linker {
        true => name.to_vec(),
        false => soname,
    }
}

/// The flag of a machine in the cache.
fn machine(library: &elf::Library) -> Option<u32> {
    Some(match (library.machine, library.class) {
        // x86: 32 bits; the same with wide registers (x32); 64 bits.
        (3, 32) => 0x0000,
        (62, 32) => 0x0800,
        (62, 64) => 0x0300,
        // AArch64
        (183, 64) => 0x0a00,
        _ => return None,
    })
}

/// The directories that ld.so.conf names, in order, relative to the root. Each file of it must hold.
fn configured(root: &Root, holds: Holds<'_>) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut read = 0;
    conf(root, CONF, 0, &mut read, &mut found, holds)?;
    Ok(found)
}

fn conf(
    root: &Root,
    path: &[u8],
    depth: usize,
    read: &mut usize,
    found: &mut Vec<Vec<u8>>,
    holds: Holds<'_>,
) -> Result<(), String> {
    let fault = |what: &dyn std::fmt::Display| format!("/{}: {what}", shown(path));
    *read = read.saturating_add(1);
    if *read > bounds::INCLUDED || depth > 8 {
        return Err(fault(&"it includes more than any configuration does"));
    }
    let text = root.read(path, bounds::SETTINGS_FILE);
    let Some(text) = text.map_err(|error| fault(&error))? else {
        return match depth {
            // Without one there are only those that are built in.
            0 => Ok(()),
            _ => Err(fault(&"it is gone")),
        };
    };
    each_on_the_way(root, path, holds)?;
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let line = line.trim_ascii();
        if let Some(pattern) = line
            .strip_prefix(b"include")
            .filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
        {
            for pattern in pattern.split(u8::is_ascii_whitespace) {
                for file in included(root, path, pattern).map_err(|error| fault(&error))? {
                    conf(root, &file, depth.saturating_add(1), read, found, holds)?;
                }
            }
            continue;
        }
        if line.is_empty() || line.starts_with(b"hwcap") {
            continue;
        }
        // `DIRECTORY=TYPE`
        let directory = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        let directory = directory.trim_ascii().strip_prefix(b"/");
        let directory = directory.ok_or_else(|| fault(&"a directory without its leading slash"))?;
        found.push(bytes::trim_end(directory, |byte| byte == b'/').to_vec());
    }
    Ok(())
}

/// The files that a pattern in that file names, sorted.
fn included(root: &Root, from: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if pattern.is_empty() {
        return Ok(Vec::new());
    }
    let whole = match pattern.strip_prefix(b"/") {
        Some(pattern) => pattern.to_vec(),
        None => [split(from).0, b"/", pattern].concat(),
    };
    let (directory, name) = split(&whole);
    if directory.iter().any(|byte| b"*?[".contains(byte)) {
        return Err("it includes by patterns of directories".into());
    }
    let glob = Glob::of_names(name, Syntax::Fnmatch);
    let names = root.list(directory).map_err(|error| error.to_string())?;
    let mut files: Vec<Vec<u8>> = (names.iter().flat_map(|names| names.iter()))
        .filter(|(name, _)| glob.matches(name))
        .map(|(name, _)| [directory, b"/", name].concat())
        .collect();
    files.sort();
    Ok(files)
}

/// Hands on the path and each link that it leads through, without links in their directories.
pub(super) fn each_on_the_way(root: &Root, path: &[u8], holds: Holds<'_>) -> Result<(), String> {
    let fault = |what: &dyn std::fmt::Display| format!("/{} {what}", shown(path));
    let mut path = path.to_vec();
    // Own bound: as many as Linux follows is more than a library has.
    for _ in 0..8 {
        let found = root.resolve(&path, false);
        let found = found.map_err(|error| fault(&error))?;
        let handle = found.handle.ok_or_else(|| fault(&"is not there"))?;
        holds(&found.path)?;
        let stat = node::stat(&handle).map_err(|error| fault(&error))?;
        if stat.kind != FileType::Link {
            return Ok(());
        }
        let target = node::read_link(handle.as_fd());
        let target = target.map_err(|error| fault(&error))?;
        path = match target.starts_with(b"/") {
            true => target.into_vec(),
            false => [split(&found.path).0, b"/", &target[..]].concat(),
        };
    }
    Err(fault(&"leads through too many links"))
}

fn shown(path: &[u8]) -> String {
    escape::lossless_text(path.strip_prefix(b"/").unwrap_or(path)).0
}

/// Whether the entries are those that the directories make, and the first of each name is the same.
fn compare(entries: &[CachedLibrary], directories: &[Directory]) -> Result<(), String> {
    let mut by_directory: BTreeMap<usize, BTreeSet<(Vec<u8>, u32)>> = BTreeMap::new();
    let mut last: BTreeMap<(&[u8], u32), usize> = BTreeMap::new();
    for entry in entries {
        let path = entry.path.strip_prefix(b"/").unwrap_or(&entry.path);
        let (place, name) = split(path);
        let mut numbered = directories.iter().enumerate();
        let directory = numbered.find(|(_, one)| one.path == place);
        let (rank, directory) = directory.ok_or_else(|| {
            format!(
                "it names /{}, which lies in no directory of ld.so.conf's",
                shown(path)
            )
        })?;
        let key = (entry.name.clone(), entry.machine);
        if name != entry.name || !directory.names.contains(&key) {
            return Err(format!(
                "it gives the name {} to /{}, which ldconfig would not",
                escape::lossless_text(&entry.name).0,
                shown(path)
            ));
        }
        let before = last.insert((&entry.name, entry.machine), rank);
        if before.is_some_and(|before| before >= rank) {
            return Err(format!(
                "it has the libraries of the name {} in another order than ldconfig would",
                escape::lossless_text(&entry.name).0
            ));
        }
        by_directory.entry(rank).or_default().insert(key);
    }
    for (rank, directory) in directories.iter().enumerate() {
        let named = by_directory.get(&rank);
        if named.is_none() && !directory.demanded {
            continue;
        }
        let is_named = |key: &&(Vec<u8>, u32)| named.is_some_and(|named| named.contains(*key));
        if let Some((name, _)) = directory.names.iter().find(|key| !is_named(key)) {
            return Err(format!(
                "it does not name /{}/{}",
                shown(&directory.path),
                escape::lossless_text(name).0
            ));
        }
    }
    Ok(())
}

/// The entries of a cache, of the new form or of both in one.
fn parse(text: &[u8]) -> Result<Vec<CachedLibrary>, String> {
    let damaged = || "it is damaged, or of a form that is not known here".to_owned();
    let word = |text: &[u8], at: usize| -> Option<usize> {
        let bytes = text.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let text = match text.starts_with(OLD) {
        false => text,
        true => {
            let count = word(text, 12).ok_or_else(damaged)?;
            let end = count.checked_mul(OLD_ENTRY);
            let end = end.and_then(|end| end.checked_add(OLD_HEADER)?.checked_next_multiple_of(8));
            end.and_then(|end| text.get(end..)).ok_or_else(damaged)?
        }
    };
    if !text.starts_with(NEW) {
        return Err(damaged());
    }
    let count = word(text, 20).ok_or_else(damaged)?;
    let string = |at: usize| -> Option<Vec<u8>> {
        let (string, _) = bytes::split_once(text.get(at..)?, 0)?;
        Some(string.to_vec())
    };
    let rows = count.checked_mul(ENTRY).ok_or_else(damaged)?;
    let rows = text.get(HEADER..).and_then(|rest| rest.get(..rows));
    let mut entries = Vec::new();
    for row in rows.ok_or_else(damaged)?.chunks_exact(ENTRY) {
        let flags = word(row, 0).and_then(|flags| u32::try_from(flags).ok());
        let name = word(row, 4).and_then(string);
        let path = word(row, 8).and_then(string);
        let (Some(flags), Some(name), Some(path)) = (flags, name, path) else {
            return Err(damaged());
        };
        if row.get(16..24) != Some(&[0; 8]) {
            return Err(
                "it names libraries for one kind of processor, which are not recomputed".into(),
            );
        }
        entries.push(CachedLibrary {
            name,
            machine: flags & MACHINE,
            path,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
