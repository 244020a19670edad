//! `agent run` as a whole.
