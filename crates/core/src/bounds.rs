//! How long a look may take.
use std::time::Duration;
/// One area of settings
pub const SETTINGS_AREA: Duration = Duration::from_secs(60);
/// The package database
pub const PACKAGE_DATABASE: Duration = Duration::from_secs(300);
/// Judging the instance
pub const INSTANCE: Duration = Duration::from_secs(30);
