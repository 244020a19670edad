//! A configuration with everything that it includes: lines with their places, under their Match blocks.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::build::Build;
use super::criteria::{Account, Connection, Criterion};
use super::keyword::{self, KEYWORDS};
use super::read::ConfigReader;
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// As sshd names the file, from the root of the tree.
    pub file: String,
    /// From 1; 0 for the command line.
    pub line: usize,
}

impl Location {
    /// `FILE:LINE`
    pub fn text(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

/// A line that says something of a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Index in [`KEYWORDS`].
    pub(super) keyword: usize,
    /// As `sshd -T` prints it; several where words add up, and of lists whose words may hold blanks.
    pub(super) values: Vec<String>,
    pub(super) location: Location,
    /// Index of the innermost Match block around it.
    pub(super) block: Option<usize>,
}

/// One Match block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) criteria: Vec<Criterion>,
    pub(super) location: Location,
    /// The block that the file with this one was included from.
    pub(super) parent: Option<usize>,
}

/// A line that a newer OpenSSH than is known here may understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Index in [`KEYWORDS`], where the keyword is known and its value is not.
    pub(super) keyword: Option<usize>,
    /// What is wrong with it for the newest version that is known.
    pub reason: String,
    /// Where it stands.
    pub location: Location,
}

/// What the files say, before anything is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub(super) directives: Vec<Directive>,
    pub(super) blocks: Vec<Block>,
    /// Directives by block: their indices, in order.
    pub(super) of_block: Vec<Vec<usize>>,
    /// What reads it.
    pub(super) build: Build,
    /// Every file that was read, in order.
    pub files: Vec<String>,
    /// Directories that `Include` looks for files in, whether it finds any or not.
    pub(super) directories: BTreeSet<String>,
    /// Lines that were passed over because the program is newer than what is known here.
    pub not_understood: Vec<NotUnderstood>,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no such main file.
    Missing,
    /// sshd would not start.
    Refused {
        /// In sshd's words where it has some.
        reason: String,
        /// Where.
        location: Location,
    },
    /// What sshd would do cannot be told.
    Unknown(String),
}

impl Config {
    /// Reads the file at `path` below the root, with what it includes, as that build of OpenSSH does;
    /// `options` are those of the command line (`-o`), which come first.
    pub fn read(
        root: &Root,
        path: &str,
        options: &[String],
        build: Build,
    ) -> Result<Config, Rejection> {
        let config = ConfigReader::new(root, build).read(path, options)?;
        super::consistent::check(&config)?;
        Ok(config)
    }

    /// Of each block, whether it and every block around it apply to the connection.
    pub(super) fn applying(
        &self,
        connection: Option<&Connection>,
        account: Option<&Account<'_>>,
    ) -> Vec<bool> {
        let mut applying: Vec<bool> = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            // A block stands behind those around it.
            let around = block.parent.is_none_or(|parent| applying[parent]);
            let holds = |criterion: &Criterion| criterion.holds(connection, account);
            applying.push(around && block.criteria.iter().all(holds));
        }
        applying
    }

    /// Whether the block, and every block around it, is for everybody.
    pub(super) fn for_everyone(&self, mut block: Option<usize>) -> bool {
        while let Some(index) = block {
            let found = &self.blocks[index];
            if !found.criteria.iter().all(|c| c.holds(None, None)) {
                return false;
            }
            block = found.parent;
        }
        true
    }

    /// Whether `sshd -T` ends because it is not told of the local port, which a criterion asks for.
    pub fn wants_local_port(&self, connection: Option<&Connection>) -> bool {
        if connection.is_some_and(|connection| connection.local_port.is_some()) {
            return false;
        }
        let applying = self.applying(connection, None);
        self.blocks.iter().any(|block| {
            let asked = |criterion: &Criterion| matches!(criterion, Criterion::LocalPort(_));
            block.criteria.iter().any(asked) && block.parent.is_none_or(|parent| applying[parent])
        })
    }

    /// The block and those around it, innermost first.
    pub(super) fn around(&self, block: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(block), |block| self.blocks[*block].parent)
    }

    /// The criteria of the block and of those around it, outermost first, as a person reads them.
    pub(super) fn whom(&self, block: usize) -> String {
        let of = |block: usize| {
            let criteria = self.blocks[block].criteria.iter().map(Criterion::text);
            criteria.collect::<Vec<_>>().join(" ")
        };
        let mut parts: Vec<String> = self.around(block).map(of).collect();
        parts.reverse();
        parts.join(" ")
    }

    /// Whether a connection of the account can come under the block.
    pub(super) fn can_apply_to(&self, block: usize, account: &Account<'_>) -> bool {
        self.around(block).all(|block| {
            let can = |criterion: &Criterion| criterion.can_hold_for(account);
            self.blocks[block].criteria.iter().all(can)
        })
    }

    /// Whether every connection of the account comes under the block, and none of another within it.
    pub(super) fn must_apply_to(&self, block: usize, account: &Account<'_>) -> bool {
        let holds = self.around(block).all(|block| {
            let must = |criterion: &Criterion| criterion.must_hold_for(account);
            self.blocks[block].criteria.iter().all(must)
        });
        holds && !self.blocks.iter().any(|other| other.parent == Some(block))
    }

    /// Whether a line right in the block is for the keyword.
    pub(super) fn sets(&self, block: usize, keyword: &str) -> bool {
        keyword::index(keyword).is_some_and(|keyword| {
            self.of_block[block]
                .iter()
                .any(|directive| self.directives[*directive].keyword == keyword)
        })
    }

    /// The lines for the keyword.
    pub(super) fn lines_of(&self, keyword: &str) -> impl Iterator<Item = &Directive> {
        let keyword = keyword::index(keyword);
        self.directives
            .iter()
            .filter(move |directive| Some(directive.keyword) == keyword)
    }

    /// The first line for one of the keywords whose value was not understood.
    pub(super) fn value_not_understood(&self, keywords: &[&str]) -> Option<&NotUnderstood> {
        self.not_understood.iter().find(|line| {
            let name = line.keyword.map(|keyword| KEYWORDS[keyword].name);
            name.is_some_and(|name| keywords.contains(&name))
        })
    }
}
