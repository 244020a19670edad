//! `agent run` as a whole.

mod changes;
mod house;
mod survives;
mod turns;
