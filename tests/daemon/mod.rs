//! `agent run` as a whole.

mod bursts;
mod changes;
mod damage;
mod deadlines;
mod delivers;
mod disk;
mod editors;
mod fleet;
mod harness;
mod heartbeats;
mod interrupts;
mod launch;
mod links;
mod panics;
mod people;
mod rehash;
mod scans;
mod signals;
mod silent;
mod stopped;
mod storm;
mod survives;
mod taken_away;
mod transactions;
mod untrusted;
