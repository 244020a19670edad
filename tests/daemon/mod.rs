//! `agent run` as a whole.

mod changes;
mod delivers;
mod editors;
mod house;
mod links;
mod scans;
mod stopped;
mod storm;
mod survives;
mod transactions;
mod turns;
