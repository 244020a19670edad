//! Somebody at work against the agent: each way leaves a mark. docs/threat-model.md names these tests.

mod confined;
mod corpora;
mod environment;
mod liar;
mod limits;
mod manifests;
mod mounts;
mod threat_model;
