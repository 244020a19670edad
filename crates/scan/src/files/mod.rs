//! The files of a host against what was recorded of them.
//!
//! ```text
//! walk (one thread, in order) ─► join with what is expected ─► look and judge (workers) ─► in order again ─► Deviation
//! ```
//! [`scan`] is the story of a run; [`record`] is the same walk with everything kept; [`judge`] is pure.

pub mod amend;
pub mod aside;
mod away;
pub mod belief;
pub mod deviation;
pub mod digest;
pub mod door;
pub mod exchanged;
pub mod join;
pub mod judge;
pub mod launch;
pub mod linked;
pub mod links;
pub mod look;
pub mod mounted;
mod overlay;
pub mod own;
pub mod owned;
pub mod pace;
pub mod pipeline;
pub mod plan;
pub mod probe;
pub mod record;
pub mod remote;
pub mod scan;
pub mod scope;
pub mod spot;
pub mod step;
pub mod texts;
pub mod walk;
pub mod wording;
mod worker;
