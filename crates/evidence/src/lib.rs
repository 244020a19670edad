//! What explains a changed file, and how far that can be believed.
//!
//! An update explains itself: who asks an [`Explainer`] about a [`Change`] hears which package owns the path, whether
//! what lies there is what that package shipped, when it came, and what vouches for it. Only a signature by a key that
//! the sealed manifest vouches for lowers a severity, by the rules of [`verdict::TABLE`]; an intruder who is root can
//! write everything else.
//!
//! May touch: the files of dpkg, apt and rpm below a root, and the files that are to be explained, for reading. It runs
//! no program and asks no network.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used
    )
)]

mod change;
mod debian;
mod digests;
mod explain;
mod openpgp;
mod products;
mod recorded;
mod removal;
mod rpm;
mod settings;
pub mod verdict;

pub use change::Change;
pub use debian::lists::ListsToKeep;
pub use explain::{Explainer, Explanation};
pub use products::Holds;
pub use recorded::{
    DIVERSIONS, INFO, PackageStatus, RecordedPackages, compare, is_trust, trust_paths,
};
pub use rpm::keys as rpm_keys;
