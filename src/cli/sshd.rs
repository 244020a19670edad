//! `agent sshd-effective`: what `sshd -T` prints, without sshd.

use super::args::SshdEffective;
use super::print;
use agent_checks::settings::sshd::criteria::Connection;
use agent_checks::settings::sshd::effective::Effective;
use agent_checks::settings::sshd::parse::{Config, Trouble};
use agent_checks::settings::sshd::version;
use agent_checks::settings::users::Users;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;

/// Status for a file that sshd would refuse.
const REFUSED: u8 = 1;

pub(super) fn run(arguments: &SshdEffective) -> Result<u8> {
    let root = Root::open(&arguments.root)
        .map_err(|error| Error::in_file(&arguments.root, format!("cannot be opened: {error}")))?;
    let mut connection = None;
    for spec in &arguments.connection {
        let known = connection.get_or_insert_with(Connection::default);
        known.specify(spec).map_err(Error::new)?;
    }
    let path = match root.is_live() {
        true => std::path::absolute(&arguments.file).unwrap_or_else(|_| arguments.file.clone()),
        false => arguments.file.clone(),
    };
    let path = path.to_string_lossy();
    let version = match &arguments.openssh {
        Some(text) => version::number(text)
            .filter(|number| *number >= (7, 4))
            .ok_or_else(|| {
                Error::new(format!(
                    "--openssh {text}: expected a version from 7.4 on, as 9.6"
                ))
            })?,
        None => version::read(&root).number,
    };
    let config = match Config::read(&root, &path, &[], version) {
        Ok(config) => config,
        Err(Trouble::Missing) => return Err(Error::in_file(&arguments.file, "no such file")),
        Err(Trouble::Unknown(why)) => return Err(Error::new(why)),
        Err(Trouble::Refused { reason, place }) => {
            let line = format!("{} line {}: {reason}", place.file, place.line);
            eprintln!("{}", agent_core::escape::terminal_text(&line));
            return Ok(REFUSED);
        }
    };
    if config.wants_local_port(connection.as_ref()) {
        eprintln!(
            "'Match LocalPort' in configuration but 'lport' not in connection test specification."
        );
        return Ok(REFUSED);
    }
    let users = Users::read(&root).ok();
    let values = match &connection {
        Some(connection) => Effective::of(&config, connection, users.as_ref()),
        None => Effective::global(&config),
    };
    print(|out| values.dump(out))?;
    Ok(0)
}
