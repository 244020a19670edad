//! What files are compared with: one choice, with whatever a caller carries along with it.

/// A manifest, or the package database where there is none. Where neither can be used there is no `Baseline`: an
/// `Option` says so.
///
/// `M` and `P` are what goes with the choice: an opened manifest, a line of a report, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline<M = (), P = ()> {
    /// A manifest, perhaps with a launch record.
    Manifest(M),
    /// The database of the package manager.
    Packages(P),
}

impl<M, P> Baseline<M, P> {
    /// The choice alone.
    pub fn kind(&self) -> Baseline {
        match self {
            Baseline::Manifest(_) => Baseline::Manifest(()),
            Baseline::Packages(_) => Baseline::Packages(()),
        }
    }

    /// As status and reports name it.
    pub fn name(&self) -> &'static str {
        match self {
            Baseline::Manifest(_) => "manifest",
            Baseline::Packages(_) => "packages",
        }
    }

    /// What goes with a manifest.
    pub fn manifest(&self) -> Option<&M> {
        match self {
            Baseline::Manifest(manifest) => Some(manifest),
            Baseline::Packages(_) => None,
        }
    }

    /// Whether package metadata is all there is.
    pub fn is_packages(&self) -> bool {
        matches!(self, Baseline::Packages(_))
    }
}
