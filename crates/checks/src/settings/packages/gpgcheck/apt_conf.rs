//! Settings of apt (apt.conf(5)), with what they include and clear.

mod syntax;

use crate::settings::budget::Budget;
use crate::settings::context::Context;
use agent_core::bounds;
use std::collections::BTreeMap;
use syntax::{Statement, parse};

/// What all files say.
#[derive(Default)]
pub(super) struct Settings {
    /// The last word on each key, by the key in small letters: key, value, place.
    all: BTreeMap<String, (String, String, String)>,
    /// How many bytes keys and values have.
    bytes: usize,
    budget: Budget,
}

impl Settings {
    /// Key, value and place of each.
    pub(super) fn all(self) -> impl Iterator<Item = (String, String, String)> {
        self.all.into_values()
    }

    /// The place of `Dir::Etc::NAME`, without the leading slash: what is relative lies below `Dir::Etc`, and that below `Dir`.
    pub(super) fn place(&self, name: &str, usual: &str) -> String {
        let mut path = String::new();
        for (key, usual) in [
            (format!("dir::etc::{name}"), usual),
            ("dir::etc".into(), "etc/apt"),
            ("dir".into(), "/"),
        ] {
            let own = self.all.get(&key).map(|(_, value, _)| value.as_str());
            let own = own.filter(|value| !value.is_empty());
            let above = own.unwrap_or(usual).trim_end_matches('/');
            path = match path.is_empty() {
                true => above.to_owned(),
                false => format!("{above}/{path}"),
            };
            if path.starts_with('/') {
                break;
            }
        }
        path.trim_start_matches('/').to_owned()
    }

    fn take(
        &mut self,
        context: &Context<'_>,
        path: &str,
        text: &str,
        depth: usize,
    ) -> Result<(), String> {
        let refused = |(line, why)| format!("apt refuses {path}:{line}: {why}");
        parse(text, &mut |statement, line| match statement {
            Statement::Include(place) => self.include(context, &place, depth),
            Statement::Clear(key) => {
                self.clear(&key);
                Ok(())
            }
            Statement::Set(key, value) => {
                let size = key.len().saturating_add(value.len());
                self.bytes = self.bytes.saturating_add(size);
                if self.bytes > bounds::SHIPPER_ALL {
                    let most = bounds::SHIPPER_ALL >> 20;
                    return Err(format!("{path}:{line}: settings of more than {most} MiB"));
                }
                let place = format!("{path}:{line}");
                self.all
                    .insert(key.to_ascii_lowercase(), (key, value, place));
                Ok(())
            }
        })
        .map_err(|error| match error {
            syntax::Error::Refused(line, why) => refused((line, why)),
            syntax::Error::Other(why) => why,
        })
    }

    /// Takes away a key and all below it.
    fn clear(&mut self, key: &str) {
        let key = key.to_ascii_lowercase();
        let below = format!("{key}::");
        self.all.remove(&key);
        let gone: Vec<String> = self
            .all
            .range(below.clone()..)
            .map(|(known, _)| known.clone())
            .take_while(|known| known.starts_with(&below))
            .collect();
        gone.iter().for_each(|known| drop(self.all.remove(known)));
    }

    /// A file, or of a directory the files that would be read as parts.
    fn include(&mut self, context: &Context<'_>, place: &str, depth: usize) -> Result<(), String> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| format!("{place}: apt refuses includes as deep as this"))?;
        match place.strip_suffix('/') {
            Some(directory) => self.parts(context, directory, depth),
            None => self.file(context, place, depth),
        }
    }

    fn file(&mut self, context: &Context<'_>, path: &str, depth: usize) -> Result<(), String> {
        let path = path.trim_start_matches('/');
        match self.budget.text(context, path)? {
            Some(text) => self.take(context, &format!("/{path}"), &text, depth),
            None => Ok(()),
        }
    }

    /// The files of a directory whose names apt takes (apt.conf(5)).
    fn parts(
        &mut self,
        context: &Context<'_>,
        directory: &str,
        depth: usize,
    ) -> Result<(), String> {
        let directory = directory.trim_start_matches('/');
        let listed = context.root.list(directory.as_bytes());
        let listed = listed.map_err(|error| format!("/{directory}: {error}"))?;
        for (name, _) in listed.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.chars().all(plain) && (!name.contains('.') || name.ends_with(".conf")) {
                self.file(context, &format!("{directory}/{name}"), depth)?;
            }
        }
        Ok(())
    }
}

/// Includes in includes (apt-pkg/contrib/configuration.cc).
// Own bound: apt's own.
const DEPTH: usize = 10;

/// Every setting: parts first, then the main file (apt.conf(5)).
pub(super) fn settings(context: &Context<'_>) -> Result<Settings, String> {
    let mut found = Settings::default();
    let directory = found.place("parts", "apt.conf.d");
    found.parts(context, &directory, DEPTH)?;
    let main = found.place("main", "apt.conf");
    found.file(context, &main, DEPTH)?;
    Ok(found)
}
