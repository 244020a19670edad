//! What stands open directly in a directory.

use super::tables::{LEDGER, Result, damaged, entry_from_row};
use crate::ledger::key;
use agent_core::paths::subject;
use redb::ReadTransaction;

/// Paths with an open finding that are direct entries of a directory: see [`super::Store::open_in`].
///
/// What lies deeper is jumped over: one seek for each entry with something open at or below them.
pub(super) fn entries(
    transaction: &ReadTransaction,
    directory: &[u8],
    after: &[u8],
    most: usize,
) -> Result<Vec<Vec<u8>>> {
    let ledger = transaction.open_table(LEDGER)?;
    let above = key::below(&subject(directory));
    let mut from = match after {
        [] => above.clone(),
        after => {
            let mut from = key::below(&subject(after));
            pass(&mut from);
            from
        }
    };
    let mut found = Vec::new();
    while found.len() < most {
        let Some((key, row)) = ledger.range(from.as_slice()..)?.next().transpose()? else {
            break;
        };
        let key = key.value();
        let Some(rest) = key.strip_prefix(above.as_slice()) else {
            break;
        };
        let length = rest
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len());
        let mut name = rest.to_vec();
        name.truncate(length);
        if name.is_empty() {
            // The directory itself.
            from = above.clone();
            from.push(1);
            continue;
        }
        let mut own = above.clone();
        own.extend(&name);
        own.push(0);
        let is_own = key.get(own.len()) == Some(&0);
        let stands = !entry_from_row(row.value())
            .ok_or_else(|| damaged("ledger"))?
            .gone;
        if is_own && stands {
            let mut path = directory.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(&name);
            found.push(path);
            pass(&mut own);
            from = own;
        } else if is_own {
            // Gone and not yet told; another check may have found something there.
            from = key.to_vec();
            from.push(0);
        } else {
            pass(&mut own);
            from = own;
        }
    }
    Ok(found)
}

/// From the beginning of a path's keys to what comes behind all of them: no name holds what ends a name.
fn pass(key: &mut Vec<u8>) {
    key.pop();
    key.push(1);
}
