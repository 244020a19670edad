//! Findings that are open, the chain of events that tells of them, and the store that keeps both.
//!
//! [`ledger`] decides what is new, repeated or over; [`event`] writes it as OCSF and chains it by digests, and verifies
//! such chains; [`store`] keeps ledger, chain and what is still to be delivered in one database, so that a kill at any
//! moment leaves all of a change or nothing.
//!
//! May touch: the state directory, and nothing else. It sends nothing: a sink takes [`parcel::Parcel`]s and says what
//! became of them.
//!
//! Begin with [`store::Store`], which is told of findings and hands out events; [`ledger::OpenFinding`], what is known of
//! a deviation that stands; and [`event::StoredFinding`], a finding as it is kept and told.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod event;
pub mod ledger;
pub mod parcel;
pub mod store;
