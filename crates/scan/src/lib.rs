//! Files: hashed and compared with what was recorded, and watched for changes.
//!
//! [`files`] walks a tree by directory handles, hashes several files in lock step, joins what it met with the manifest
//! and judges the difference. [`watch`] says which paths were touched since, and by whom.
//!
//! A [`files::scan::Scan`] compares a whole tree, a [`files::spot::Spot`] some of its paths, and each difference is a
//! [`files::deviation::Deviation`].
//!
//! May touch: every file below a root, for reading; inotify and fanotify. It writes nothing but manifests that it is
//! asked to record.
#![deny(unsafe_code)]

pub mod files;
pub mod watch;
