//! Which lines of a file changed, masked where they look like secrets: of paths whose profile entry says `keep_text`.

use super::deviation::{Deviation, DeviationKind};
use super::probe::Target;
use super::scope::Scope;
use super::step::Step;
use super::walk::Walk;
use agent_baseline::texts::{self, Texts, may_keep};
use agent_core::attributes::{Attributes, Digest, FileType};
use agent_core::bounds;
use agent_core::mask::Masker;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

/// Lines that a finding shows at most; more are counted.
const LINES: usize = 40;
/// Characters of a line that are shown at most.
const WIDTH: usize = 200;
/// Beyond so many comparisons of lines, what lies between the equal ends of both texts counts as changed.
const COMPARED: usize = 1 << 20;

/// The texts that are to be kept of a tree, and the paths for which there was no room among all of them. What is no text,
/// or too long, is not kept; what cannot be read is told by whoever records it.
pub fn collect(root: &Root, scope: &Scope) -> (Texts, Vec<Vec<u8>>) {
    let mut texts = Texts::default();
    let mut left_out = Vec::new();
    for step in Walk::new(root, scope) {
        let Step::Look { target, policy, .. } = step else {
            continue;
        };
        let path = target.path();
        if !policy.demand.keep_text || policy.leads || !may_keep(&path) {
            continue;
        }
        if let Target::Entry {
            directory, name, ..
        } = &target
            && let Some(contents) = read(directory.fd.as_fd(), name)
        {
            match texts.has_no_room(contents.len()) {
                true => left_out.push(path),
                false => drop(texts.keep(path, contents)),
            }
        }
    }
    (texts, left_out)
}

/// The contents of a regular file, if they are not too long.
fn read(directory: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let handle = node::open_handle(directory, name).ok()?;
    let stat = node::stat(&handle).ok()?;
    if stat.kind != FileType::File || stat.size > bounds::KEPT_TEXT as u64 {
        return None;
    }
    let file = node::open_file(directory, name).ok()?;
    whole(&File::from(file))
}

fn whole(file: &File) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    let most = bounds::KEPT_TEXT as u64 + 1;
    file.take(most).read_to_end(&mut contents).ok()?;
    (contents.len() <= bounds::KEPT_TEXT).then_some(contents)
}

/// The lines that changed, as `-3: TEXT` and `+3: TEXT`; nothing where they cannot be told: no text was kept of what is
/// expected, or what is there now is not what was looked at.
pub fn lines(deviation: &Deviation, root: &Root, texts: &Texts) -> Option<Vec<String>> {
    let path = &deviation.path;
    if !deviation.policy.demand.keep_text || !may_keep(path) {
        return None;
    }
    let (was, is) = match &deviation.kind {
        DeviationKind::Added(observed) => (None, Some(observed)),
        DeviationKind::Removed(expected) => (expected.attributes.as_ref(), None),
        DeviationKind::Changed {
            expected, observed, ..
        } => (expected.attributes.as_ref(), Some(observed)),
        DeviationKind::Unseen(_)
        | DeviationKind::Blind(_)
        | DeviationKind::Mounted(_)
        | DeviationKind::Exchanged(_)
        | DeviationKind::MountsUnknown
        | DeviationKind::Weaker(..) => return None,
    };
    let old = match was {
        Some(was) if was.kind == FileType::File => {
            let (text, sha256) = texts.get(path)?;
            // Another text is expected by now: it was accepted.
            (digest(was)? == *sha256).then_some(text)?
        }
        Some(_) => return None,
        None => "",
    };
    let new = match is {
        Some(is) => now(root, path, is)?,
        None => String::new(),
    };
    (old != new).then(|| differing(old, &new))
}

fn digest(attributes: &Attributes) -> Option<[u8; 32]> {
    match attributes.digest {
        Some(Digest::Sha256(digest)) => Some(digest),
        _ => None,
    }
}

/// The text that was looked at: whoever puts another file in its place in between does not have it shown.
fn now(root: &Root, path: &[u8], observed: &Attributes) -> Option<String> {
    let wanted = digest(observed).filter(|_| observed.kind == FileType::File)?;
    let file = root.open_file(path).ok()??;
    let contents = whole(&file)?;
    let found = texts::digest(&contents);
    let text = String::from_utf8(contents).ok()?;
    (found == wanted && !text.contains('\0')).then_some(text)
}

/// What differs, line by line.
fn differing(old: &str, new: &str) -> Vec<String> {
    let (a, b) = (numbered(old), numbered(new));
    let same = |(x, y): (&Line<'_>, &Line<'_>)| x.raw == y.raw;
    let head = a.iter().zip(&b).take_while(|two| same(*two)).count();
    let (a, b) = (&a[head..], &b[head..]);
    let ends = a.iter().rev().zip(b.iter().rev());
    let tail = ends.take_while(|two| same(*two)).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let (gone, come) = match a.len().saturating_mul(b.len()) <= COMPARED {
        true => apart(a, b),
        false => (a.iter().collect(), b.iter().collect()),
    };
    let gone = gone.into_iter().map(|line| format!("-{}", line.shown()));
    let come = come.into_iter().map(|line| format!("+{}", line.shown()));
    let mut lines: Vec<String> = gone.chain(come).collect();
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("… {more} more"));
    }
    lines
}

/// A line with its number, as it is and as it may be shown.
struct Line<'a> {
    number: usize,
    raw: &'a str,
    masked: String,
}

impl Line<'_> {
    fn shown(&self) -> String {
        let mut text: String = self.masked.chars().take(WIDTH).collect();
        if text.len() < self.masked.len() {
            text.push('…');
        }
        format!("{}: {text}", self.number)
    }
}

/// Masked from the first line on: what a line is may depend on those before it.
fn numbered(text: &str) -> Vec<Line<'_>> {
    let mut masker = Masker::default();
    let lines = text.lines().zip(1..);
    lines
        .map(|(raw, number)| Line {
            number,
            raw,
            masked: masker.line(raw),
        })
        .collect()
}

/// The lines of each that are not in their longest common part.
fn apart<'a, 't>(a: &'a [Line<'t>], b: &'a [Line<'t>]) -> (Vec<&'a Line<'t>>, Vec<&'a Line<'t>>) {
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = match a[i].raw == b[j].raw {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i].raw == b[j].raw {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            gone.push(&a[i]);
            i += 1;
        } else {
            come.push(&b[j]);
            j += 1;
        }
    }
    (gone, come)
}

#[cfg(test)]
mod tests {
    use super::differing;

    #[test]
    fn lines_that_changed_are_told_with_their_numbers() {
        let cases: [(&str, &str, &[&str]); 6] = [
            ("a\nb\nc\n", "a\nx\nc\n", &["-2: b", "+2: x"]),
            ("", "a\nb\n", &["+1: a", "+2: b"]),
            ("a\n", "", &["-1: a"]),
            ("a\nb\nc\nd\n", "b\nc\ny\nd\n", &["-1: a", "+3: y"]),
            (
                "password = one\nkey1=x\n",
                "password = two\nkey1=x\n",
                &["-1: password = ***", "+1: password = ***"],
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\n",
                "-----BEGIN PRIVATE KEY-----\nBBB\n-----END PRIVATE KEY-----\n",
                &["-2: ***", "+2: ***"],
            ),
        ];
        for (old, new, expected) in cases {
            assert_eq!(differing(old, new), expected, "{old:?} {new:?}");
        }
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let told = differing("", &many);
        assert_eq!((told.len(), told[40].as_str()), (41, "… 60 more"));
    }
}
