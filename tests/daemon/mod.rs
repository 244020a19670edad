//! `agent run` as a whole.

mod changes;
mod delivers;
mod house;
mod survives;
mod turns;
