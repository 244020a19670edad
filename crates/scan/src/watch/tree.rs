//! The map of what is watched: which directory a watch descriptor stands for. Pure.
//!
//! A directory costs its name and some 60 bytes; its path is put together when it is asked for. One descriptor stands for
//! several directories where the same one is mounted twice.

use crate::files::probe::join;
use std::collections::HashMap;

/// A directory in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(u32);

/// The root's.
pub(super) const ROOT: Node = Node(0);

/// A watch descriptor, as inotify gives them.
pub(super) type Descriptor = i32;

#[derive(Debug)]
struct TreeEntry {
    name: Box<[u8]>,
    above: Node,
    descriptor: Descriptor,
    /// Sorted by name.
    below: Vec<Node>,
}

/// Which directories stand behind a descriptor.
#[derive(Debug)]
enum Behind {
    One(Node),
    Several(Vec<Node>),
}

/// The map.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The root first; empty until there is one.
    entries: Vec<Option<TreeEntry>>,
    free: Vec<Node>,
    behind: HashMap<Descriptor, Behind>,
}

impl Tree {
    /// Number of directories.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Takes in the root, of an empty map.
    pub(super) fn plant(&mut self, descriptor: Descriptor) -> Node {
        debug_assert!(self.entries.is_empty());
        self.put(TreeEntry {
            name: Box::default(),
            above: ROOT,
            descriptor,
            below: Vec::new(),
        })
    }

    /// Takes in the entry `name` of a directory; there is none of that name.
    pub(super) fn add(&mut self, above: Node, name: &[u8], descriptor: Descriptor) -> Option<Node> {
        let place = self.place(above, name)?.err()?;
        let node = self.put(TreeEntry {
            name: name.into(),
            above,
            descriptor,
            below: Vec::new(),
        });
        self.entry_mut(above)?.below.insert(place, node);
        Some(node)
    }

    fn put(&mut self, entry: TreeEntry) -> Node {
        let descriptor = entry.descriptor;
        let node = match self.free.pop() {
            Some(node) => {
                self.entries[node.0 as usize] = Some(entry);
                node
            }
            None => {
                // Four thousand million directories do not fit into memory.
                let node = Node(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
                self.entries.push(Some(entry));
                node
            }
        };
        match self.behind.get_mut(&descriptor) {
            None => {
                self.behind.insert(descriptor, Behind::One(node));
            }
            Some(Behind::Several(nodes)) => nodes.push(node),
            Some(one) => {
                if let Behind::One(first) = *one {
                    *one = Behind::Several(vec![first, node]);
                }
            }
        }
        node
    }

    /// Takes out a directory with all below it. Returns the descriptors that stand for nothing any more.
    pub(super) fn remove(&mut self, node: Node) -> Vec<Descriptor> {
        if let Some(above) = self.entry(node).map(|entry| entry.above)
            && let Some(above) = self.entry_mut(above)
        {
            above.below.retain(|below| *below != node);
        }
        let mut unused = Vec::new();
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            let Some(entry) = self.entries.get_mut(node.0 as usize).and_then(Option::take) else {
                continue;
            };
            pending.extend(entry.below);
            if node == ROOT {
                // The root's place is the root's.
                self.entries.clear();
                self.free.clear();
                unused = self
                    .behind
                    .drain()
                    .map(|(descriptor, _)| descriptor)
                    .collect();
                return unused;
            }
            self.free.push(node);
            let left = match self.behind.get_mut(&entry.descriptor) {
                Some(Behind::Several(nodes)) => {
                    nodes.retain(|other| *other != node);
                    nodes.len()
                }
                Some(Behind::One(_)) => 0,
                None => continue,
            };
            if left == 0 {
                self.behind.remove(&entry.descriptor);
                unused.push(entry.descriptor);
            }
        }
        unused
    }

    /// The directories that a descriptor stands for.
    pub(super) fn behind(&self, descriptor: Descriptor) -> &[Node] {
        match self.behind.get(&descriptor) {
            Some(Behind::One(node)) => std::slice::from_ref(node),
            Some(Behind::Several(nodes)) => nodes,
            None => &[],
        }
    }

    /// All descriptors in use.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        self.behind.keys().copied()
    }

    /// The descriptor of a directory.
    pub(super) fn descriptor(&self, node: Node) -> Option<Descriptor> {
        Some(self.entry(node)?.descriptor)
    }

    /// The path of a directory, relative to the root.
    pub(super) fn path(&self, node: Node) -> Vec<u8> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut next = node;
        while let Some(entry) = self.entry(next).filter(|_| next != ROOT) {
            names.push(&entry.name);
            next = entry.above;
        }
        let names = names.into_iter().rev();
        names.fold(Vec::new(), |path, name| join(&path, name))
    }

    /// The directory at a path.
    pub(super) fn find(&self, path: &[u8]) -> Option<Node> {
        let mut node = self.entry(ROOT).map(|_| ROOT)?;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            node = self.child(node, name)?;
        }
        Some(node)
    }

    /// The entry `name` of a directory.
    pub(super) fn child(&self, node: Node, name: &[u8]) -> Option<Node> {
        let place = self.place(node, name)?.ok()?;
        self.entry(node)?.below.get(place).copied()
    }

    /// Where the name stands among those in the directory, or would.
    fn place(&self, node: Node, name: &[u8]) -> Option<Result<usize, usize>> {
        let name_of = |node: &Node| self.entry(*node).map_or(&[][..], |entry| &entry.name);
        let below = &self.entry(node)?.below;
        Some(below.binary_search_by(|other| name_of(other).cmp(name)))
    }

    fn entry(&self, node: Node) -> Option<&TreeEntry> {
        self.entries.get(node.0 as usize)?.as_ref()
    }

    fn entry_mut(&mut self, node: Node) -> Option<&mut TreeEntry> {
        self.entries.get_mut(node.0 as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` (2), `a/b` (3), `a/c` (4), `d` (3 again: mounted twice).
    fn tree() -> (Tree, [Node; 4]) {
        let mut tree = Tree::default();
        let root = tree.plant(1);
        let a = tree.add(root, b"a", 2).expect("new");
        let c = tree.add(a, b"c", 4).expect("new");
        let b = tree.add(a, b"b", 3).expect("new");
        let d = tree.add(root, b"d", 3).expect("new");
        (tree, [a, b, c, d])
    }

    #[test]
    fn paths_there_and_back() {
        let (tree, [a, b, c, d]) = tree();
        for (node, path) in [(ROOT, ""), (a, "a"), (b, "a/b"), (c, "a/c"), (d, "d")] {
            assert_eq!(tree.path(node), path.as_bytes());
            assert_eq!(tree.find(path.as_bytes()), Some(node));
        }
        assert_eq!(tree.find(b"a/x"), None);
        assert_eq!(tree.behind(3), [b, d]);
        assert_eq!(tree.len(), 5);
    }

    #[test]
    fn a_name_stands_once() {
        let (mut tree, [a, ..]) = tree();
        assert_eq!(tree.add(a, b"b", 9), None);
        assert_eq!(tree.behind(9), []);
    }

    #[test]
    fn what_goes_takes_with_it_what_is_below() {
        let (mut tree, [a, _, _, d]) = tree();
        let mut unused = tree.remove(a);
        unused.sort_unstable();
        // 3 still stands for d.
        assert_eq!(unused, [2, 4]);
        assert_eq!(tree.behind(3), [d]);
        assert_eq!(tree.len(), 2);
        assert_eq!(tree.find(b"a"), None);
        // A place that became free is taken again, and means the new one alone.
        let e = tree.add(ROOT, b"e", 5).expect("new");
        assert_eq!(tree.path(e), b"e");
        let mut unused = tree.remove(ROOT);
        unused.sort_unstable();
        assert_eq!(unused, [1, 3, 5]);
        assert_eq!(tree.len(), 0);
    }
}
