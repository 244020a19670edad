//! Events on their way out: packed, sent, and given back with what became of each.

pub mod parcel;
