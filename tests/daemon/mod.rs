//! `agent run` as a whole.

mod changes;
mod damage;
mod deadlines;
mod delivers;
mod editors;
mod heartbeats;
mod house;
mod launch;
mod links;
mod scans;
mod silent;
mod stopped;
mod storm;
mod survives;
mod transactions;
mod turns;
mod untrusted;
