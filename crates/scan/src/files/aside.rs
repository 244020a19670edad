//! Paths that are not looked at, since looking at them brought the agent to its end again and again.

/// What is set aside, and how careful the rest is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aside {
    /// Relative to the root, sorted. Of a directory, with everything below it.
    paths: Vec<Vec<u8>>,
    /// Whether each file is digested alone, so that a panic is known to be its fault.
    pub alone: bool,
}

impl Aside {
    /// Nothing is set aside.
    pub const NONE: &'static Aside = &Aside {
        paths: Vec::new(),
        alone: false,
    };

    /// These paths are. The root itself never is.
    pub fn new(paths: impl IntoIterator<Item = Vec<u8>>, alone: bool) -> Aside {
        let mut paths: Vec<Vec<u8>> = paths.into_iter().filter(|p| !p.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        Aside { paths, alone }
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether that very path is.
    pub fn has(&self, path: &[u8]) -> bool {
        let found = self
            .paths
            .binary_search_by(|aside| aside.as_slice().cmp(path));
        found.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_set_aside_and_none_beside_it() {
        let aside = Aside::new([b"b/c".to_vec(), b"a".to_vec(), b"".to_vec()], false);
        assert!(aside.has(b"a") && aside.has(b"b/c"));
        assert!(!aside.has(b"") && !aside.has(b"b") && !aside.has(b"a/x"));
        assert!(!aside.is_empty() && Aside::NONE.is_empty());
    }
}
