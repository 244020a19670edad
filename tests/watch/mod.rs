//! What is touched is looked at: the holes of inotify, with the real kernel.

mod edits;
mod ledger;
mod spot;
