//! States side by side, as vectors take them.

use super::constants::State;
use super::engine::Bank;

/// The working variables of `N` lanes: row by word, column by lane.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Words<const N: usize>(pub(crate) [[u32; N]; 8]);

impl<const N: usize> Bank for Words<N> {
    fn new() -> Self {
        Self([[0; N]; 8])
    }

    #[inline]
    fn put(&mut self, lane: usize, state: &State) {
        for (row, word) in self.0.iter_mut().zip(state) {
            row[lane] = *word;
        }
    }

    #[inline]
    fn get(&self, lane: usize) -> State {
        self.0.each_ref().map(|row| row[lane])
    }
}
