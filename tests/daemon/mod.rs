//! `agent run` as a whole.

mod bursts;
mod changes;
mod damage;
mod deadlines;
mod delivers;
mod disk;
mod editors;
mod heartbeats;
mod house;
mod interrupts;
mod launch;
mod links;
mod panics;
mod scans;
mod silent;
mod stopped;
mod storm;
mod survives;
mod transactions;
mod turns;
mod untrusted;
