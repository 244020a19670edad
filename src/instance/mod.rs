//! Eye 3: the instance. The metadata service's posture, the signed identity, the role.

use crate::finding::Check;

/// The checks that judge the instance.
pub static CHECKS: [&Check; 0] = [];
