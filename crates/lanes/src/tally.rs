//! How full the lanes were: for benches alone.

use std::sync::atomic::{AtomicU64, Ordering};

/// As many lanes as any path has.
// Own bound: of lanes; nothing comes from outside.
const MOST: usize = 16;

static BLOCKS: [AtomicU64; MOST + 1] = [const { AtomicU64::new(0) }; MOST + 1];

/// Counts `count` blocks taken in each of `active` lanes.
pub(super) fn add(active: usize, count: usize) {
    BLOCKS[active.min(MOST)].fetch_add((active * count) as u64, Ordering::Relaxed);
}

/// Blocks digested so far, by the number of lanes that were in use.
pub fn blocks_by_lanes() -> Vec<u64> {
    BLOCKS
        .iter()
        .map(|blocks| blocks.load(Ordering::Relaxed))
        .collect()
}
