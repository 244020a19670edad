//! Package transactions as events (6002): begun, and ended. They say who held the lock, not what was installed.

use super::draft::{Draft, INFORMATIONAL};
use super::lifecycle::Transaction;
use super::own::{SUCCESS, lifecycle};
use serde_json::{Value, json};

/// A package manager holds its lock.
pub(super) fn begun(transaction: &Transaction, now: i64) -> Draft {
    let Transaction {
        holder,
        pid,
        manager,
    } = transaction;
    let message = format!("{holder} (process {pid}) holds {manager}'s lock");
    let activity = "Package transaction begun";
    lifecycle(99, activity, INFORMATIONAL, SUCCESS, &message, now)
        .unmapped("transaction", holding(transaction))
}

/// It holds the lock no more: since when it did, until when, and what waited for it.
pub(super) fn ended(
    transaction: &Transaction,
    (since, until): (i64, i64),
    waited: u64,
    now: i64,
) -> Draft {
    let Transaction {
        holder, manager, ..
    } = transaction;
    let length = (until - since).max(0);
    let message = format!(
        "{holder} holds {manager}'s lock no more, after {}.{:03} s: {waited} finding(s) waited for it",
        length / 1000,
        length % 1000
    );
    let activity = "Package transaction ended";
    lifecycle(99, activity, INFORMATIONAL, SUCCESS, &message, now)
        .with("start_time", json!(since))
        .with("end_time", json!(until))
        .with("duration", json!(length))
        .unmapped("transaction", holding(transaction))
        .unmapped("waited", json!(waited))
}

fn holding(transaction: &Transaction) -> Value {
    json!({
        "holder": transaction.holder, "pid": transaction.pid, "manager": transaction.manager,
    })
}
