//! Version 2 kept what is deferred in a form of its own: the subject in base64, the context as `cause` among the keys of
//! the finding.

use super::super::pack::{self, Sample};
use super::super::rows::Rows;
use super::super::tables::{DEFERRED, Deferred, Result, SAMPLES, damaged};
use super::more;
use crate::event::StoredFinding;
use agent_core::escape;
use base64ct::{Base64, Encoding};
use redb::WriteTransaction;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Makes the store one of version 3.
pub(super) fn carry_over(transaction: &WriteTransaction) -> Result<()> {
    let samples = Rows::new(transaction.open_table(SAMPLES)?);
    let mut deferred = Rows::new(transaction.open_table(DEFERRED)?);
    let mut known: HashMap<u32, Sample> = HashMap::new();
    samples.walk(0.., |number, text| {
        known.insert(number, Sample::new(text.to_vec()));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut rows = Vec::new();
        deferred.walk(after.as_deref().unwrap_or_default().., |key, row| {
            if after.as_deref() != Some(key) {
                rows.push((key.to_vec(), row.to_vec()));
            }
            Ok(more(rows.len()))
        })?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        for (key, row) in rows {
            let row = rewritten(&row, &known).ok_or_else(|| damaged("deferred"))?;
            deferred.insert(key.as_slice(), row.as_slice())?;
        }
    }
}

fn rewritten(row: &[u8], samples: &HashMap<u32, Sample>) -> Option<Vec<u8>> {
    let row = Deferred::read(row)?;
    let sample = samples.get(&row.sample)?;
    let text = pack::unpack(sample.text(), row.packed)?;
    let packed = sample.pack(&finding(&text)?.to_text());
    let packed = &packed;
    Some(Deferred { packed, ..row }.write())
}

fn finding(text: &[u8]) -> Option<StoredFinding> {
    let mut finding: Value = serde_json::from_slice(text).ok()?;
    let context = finding.as_object_mut()?.remove("cause")?;
    let subject = Base64::decode_vec(finding["subject"].as_str()?).ok()?;
    let (text, whole) = escape::lossless_text(&subject);
    finding["subject"] = json!(text);
    finding["subject_base64"] = json!((!whole).then(|| Base64::encode_string(&subject)));
    Some(StoredFinding {
        finding: serde_json::from_value(finding).ok()?,
        context: serde_json::from_value(context).ok()?,
    })
}
