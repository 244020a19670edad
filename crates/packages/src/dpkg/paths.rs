//! Paths as dpkg writes them, made relative to the root.

use std::borrow::Cow;

/// PATH_MAX: dpkg unpacks by path, so nothing longer was ever installed.
// Own bound: the kernel's.
const MAX_LENGTH: usize = 4096;

/// The path without what dpkg skips in front (`/`, `./`) and behind (`/`).
///
/// `None` for what no package can hold: the root itself, NUL, `..`, more than `PATH_MAX` bytes.
pub(super) fn relative(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut path = path;
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            _ => break,
        };
    }
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    if path.is_empty() || path == b"." || path.len() > MAX_LENGTH || path.contains(&0) {
        return None;
    }
    // A name that needs a closer look starts with a dot or is empty.
    let mut before = b'/';
    let mut odd = false;
    for byte in path {
        odd |= before == b'/' && (*byte == b'.' || *byte == b'/');
        before = *byte;
    }
    if !odd {
        return Some(Cow::Borrowed(path));
    }
    let mut names = path.split(|b| *b == b'/');
    if names.any(|name| name == b"..") {
        return None;
    }
    let mut names = path.split(|b| *b == b'/');
    if !names.any(|name| name.is_empty() || name == b".") {
        return Some(Cow::Borrowed(path));
    }
    let names: Vec<&[u8]> = path
        .split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    Some(Cow::Owned(names.join(&b'/')))
}

/// The same for a path that has nothing to be cleaned inside; `None` for one that has.
pub(super) fn plain(path: &[u8]) -> Option<&[u8]> {
    match relative(path)? {
        Cow::Borrowed(path) => Some(path),
        Cow::Owned(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_and_stay_inside() {
        for (path, expected) in [
            ("usr/bin/x", Some("usr/bin/x")),
            ("/usr/bin/x", Some("usr/bin/x")),
            ("./usr/bin/x", Some("usr/bin/x")),
            (".//./usr//bin/./x/", Some("usr/bin/x")),
            (".hidden", Some(".hidden")),
            ("a/..b/c", Some("a/..b/c")),
            (" ", Some(" ")),
            ("/.", None),
            ("/", None),
            ("", None),
            ("..", None),
            ("a/../b", None),
            ("/../etc/shadow", None),
            ("a\0b", None),
        ] {
            let got = relative(path.as_bytes());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{path:?}");
        }
        assert!(relative(&[b'a'; 4097]).is_none());
    }
}
