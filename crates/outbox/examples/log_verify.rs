//! `agent log verify` without the rest of the agent, for a bench of the verification alone: `log_verify DIRECTORY` prints
//! what it found and the seconds that reading and judging took.

use agent_core::error::{Error, Result};
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Stray, Verifier};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

struct Nobody;

impl Reporter for Nobody {
    fn stray(&mut self, stray: &Stray) -> Result<()> {
        println!("{stray:?}");
        Ok(())
    }

    fn problem(&mut self, chain: &str, problem: &Problem) -> Result<()> {
        println!("{chain} {problem:?}");
        Ok(())
    }

    fn chain(&mut self, _: &ChainSummary) -> Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|error| Error::in_file(path, error.to_string()))?;
    Ok(Box::new(file))
}

fn main() {
    let directory = std::env::args().nth(1).expect("a directory");
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let began = Instant::now();
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    let verifier = Verifier::take(&files, readers, &open).unwrap_or_else(|error| panic!("{error}"));
    let read = began.elapsed();
    let totals = verifier
        .judge(&mut Nobody)
        .unwrap_or_else(|error| panic!("{error}"));
    let all = began.elapsed();
    println!(
        "{totals:?}; read {:.2} s, judged {:.2} s",
        read.as_secs_f64(),
        (all - read).as_secs_f64()
    );
}
