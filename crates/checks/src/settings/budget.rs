//! How many files, and how much of them, a configuration may have that names others of its own: each is read as often as
//! it is named, so that a few can name each other very often.

use super::context::Context;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};

/// What is left of the files and the bytes that one configuration may take.
#[derive(Debug)]
pub(super) struct Budget {
    files: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            files: bounds::SHIPPER_FILES,
            bytes: bounds::SHIPPER_ALL,
        }
    }
}

impl Budget {
    /// The text of a file; `None` if there is none.
    ///
    /// # Errors
    /// That of reading, with the path, or that the configuration is larger than any.
    pub(super) fn text(
        &mut self,
        context: &Context<'_>,
        path: &str,
    ) -> Result<Option<String>, String> {
        let path = path.trim_start_matches('/');
        let read = context.read(path);
        let Some(bytes) = read.map_err(|error| format!("/{path}: {error}"))? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.files = self.files.checked_sub(1).ok_or_else(|| {
            let most = bounds::SHIPPER_FILES;
            format!("/{path}: the configuration has more than {most} files, or files include one another")
        })?;
        self.bytes = self.bytes.checked_sub(text.len()).ok_or_else(|| {
            let most = bounds::SHIPPER_ALL >> 20;
            format!("/{path}: the configuration has more than {most} MiB, each file as often as it is included")
        })?;
        Ok(Some(text))
    }

    /// Path and text of the files at these places, which may have `*` in their last part, in order.
    ///
    /// # Errors
    /// As those of [`Budget::text`].
    pub(super) fn files(
        &mut self,
        context: &Context<'_>,
        places: &[&str],
    ) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        for place in places {
            let place = place.trim_start_matches('/');
            let (directory, name) = place.rsplit_once('/').unwrap_or(("", place));
            let names: Vec<String> = match name.contains('*') {
                false => vec![name.to_owned()],
                true => {
                    let glob = Glob::new(name.as_bytes(), Syntax::Stars);
                    let listed = context.root.list(directory.as_bytes());
                    let listed = listed.map_err(|error| format!("/{directory}: {error}"))?;
                    listed
                        .iter()
                        .flat_map(|names| names.iter())
                        .filter(|(file, _)| glob.matches(file))
                        .map(|(file, _)| String::from_utf8_lossy(file).into_owned())
                        .collect()
                }
            };
            for name in names {
                let path = format!("{directory}/{name}");
                let text = self.text(context, &path)?;
                found.extend(text.map(|text| (format!("/{path}"), text)));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing;
    use std::fs;

    #[test]
    fn files_that_are_named_again_and_again_come_to_an_end() {
        let tree = tempfile::tempdir().expect("a tree");
        fs::write(tree.path().join("small"), "x").expect("a file");
        let large = usize::try_from(bounds::SETTINGS_FILE).expect("a size");
        fs::write(tree.path().join("large"), "x".repeat(large)).expect("a file");
        testing::within(tree.path(), |context| {
            let reads = |path: &str| {
                let mut budget = Budget::default();
                let mut reads = 0;
                while let Ok(Some(_)) = budget.text(context, path) {
                    reads += 1;
                }
                reads
            };
            assert_eq!(reads("/small"), bounds::SHIPPER_FILES);
            assert_eq!(reads("large"), bounds::SHIPPER_ALL / large);
            assert_eq!(Budget::default().text(context, "none"), Ok(None));
        });
    }
}
