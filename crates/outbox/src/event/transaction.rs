//! Package transactions as events (6002): begun, ended with numbers, and what they brought that is new. What is explained is
//! told by package ([`super::by_package`]).

use super::draft::{Draft, INFORMATIONAL, severity};
use super::lifecycle::{NewPackage, Transaction, TransactionCounts};
use super::own::{SUCCESS, lifecycle};
use agent_core::finding::Severity;
use agent_core::words::{counted, thousands};
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
    counts: &TransactionCounts,
    now: i64,
) -> Draft {
    let Transaction {
        holder, manager, ..
    } = transaction;
    let length = until.saturating_sub(since).max(0);
    let message = format!(
        "{holder} holds {manager}'s lock no more, after {}.{:03} s: {} explained by {}, {} told by themselves ({} critical); {} waited for it",
        length / 1000,
        length % 1000,
        counted(counts.explained, "path"),
        counted(counts.packages, "package"),
        thousands(counts.single),
        thousands(counts.critical),
        counted(waited, "finding")
    );
    let activity = "Package transaction ended";
    lifecycle(99, activity, INFORMATIONAL, SUCCESS, &message, now)
        .with("start_time", json!(since))
        .with("end_time", json!(until))
        .with("duration", json!(length))
        .unmapped("transaction", holding(transaction))
        .unmapped("waited", json!(waited))
        .unmapped(
            "told",
            json!({
                "packages": counts.packages, "explained": counts.explained,
                "single": counts.single, "critical": counts.critical,
            }),
        )
}

/// A package is there that was not when the manifest was recorded: one line for all its files, which are told by themselves.
pub(super) fn new_package(package: &NewPackage, now: i64) -> Draft {
    let NewPackage {
        name,
        version,
        evidence,
        at,
        transaction,
    } = package;
    let message = format!(
        "{name} {version} is new on this host: it was not there when the manifest was recorded, and its files keep their severity"
    );
    let level = severity(Severity::Low);
    let mut about = json!({ "name": name, "version": version });
    for (key, value) in [
        ("evidence", json!(evidence)),
        ("at", json!(at)),
        ("transaction", json!(transaction)),
    ] {
        if !value.is_null() {
            about[key] = value;
        }
    }
    lifecycle(99, "New package", level, SUCCESS, &message, now).unmapped("package", about)
}

fn holding(transaction: &Transaction) -> Value {
    json!({
        "holder": transaction.holder, "pid": transaction.pid, "manager": transaction.manager,
    })
}
