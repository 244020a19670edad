//! Carries a store of an older version over, in one transaction: whole or not at all.

mod version_1;
mod version_2;

use super::state::{StoreState, VERSION};
use super::tables::{META, Result, STATE};
use redb::Database;
use std::ops::ControlFlow;

/// Maximum rows that are in memory at a time.
const AT_ONCE: usize = 1000;

/// Makes the store one of this version. Does nothing to one that is.
pub(super) fn migrate(database: &Database, state: &mut StoreState) -> Result<()> {
    if state.version == VERSION {
        return Ok(());
    }
    let mut new = state.clone();
    let transaction = database.begin_write()?;
    if state.version < 2 {
        version_1::carry_over(&transaction, &mut new)?;
    }
    version_2::carry_over(&transaction)?;
    new.version = VERSION;
    transaction
        .open_table(META)?
        .insert(STATE, new.to_row().as_slice())?;
    transaction.commit()?;
    *state = new;
    Ok(())
}

fn more(count: usize) -> ControlFlow<()> {
    match count < AT_ONCE {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}
