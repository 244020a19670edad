//! Findings to events to the store: chain, spool, losses that are declared.
