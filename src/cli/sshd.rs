//! `agent sshd-effective`: what `sshd -T` prints, without sshd.

use super::args::SshdEffective;
use super::print;
use agent_checks::settings::sshd::config::{Config, Rejection};
use agent_checks::settings::sshd::criteria::Connection;
use agent_checks::settings::sshd::effective::Effective;
use agent_checks::settings::sshd::{self, version};
use agent_checks::settings::users::Users;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;

/// Status for a file that sshd would refuse.
const REFUSED: u8 = 1;

pub(super) fn run(arguments: &SshdEffective) -> Result<u8> {
    let root = Root::open(&arguments.root)
        .map_err(|error| Error::in_file(&arguments.root, format!("cannot be opened: {error}")))?;
    let path = match root.is_live() {
        true => std::path::absolute(&arguments.file).unwrap_or_else(|_| arguments.file.clone()),
        false => arguments.file.clone(),
    };
    let path = path.to_string_lossy();
    let build = match &arguments.openssh {
        Some(text) => version::number(text)
            .filter(|number| *number >= (7, 4))
            .map(|number| version::build_of(&root, number))
            .ok_or_else(|| {
                Error::new(format!(
                    "--openssh {text}: expected a version from 7.4 on, as 9.6"
                ))
            })?,
        None => version::read(&root).build,
    };
    let mut connection = None;
    for spec in &arguments.connection {
        let known = connection.get_or_insert_with(Connection::default);
        known.specify(spec, build.number).map_err(Error::new)?;
    }
    let config = match Config::read(&root, &path, &[], build) {
        Ok(config) => config,
        Err(Rejection::Missing) => return Err(Error::in_file(&arguments.file, "no such file")),
        Err(Rejection::Unknown(why)) => return Err(Error::new(why)),
        Err(Rejection::Refused { reason, location }) => {
            let line = format!("{} line {}: {reason}", location.file, location.line);
            eprintln!("{}", agent_core::escape::terminal_text(&line));
            return Ok(REFUSED);
        }
    };
    if let Some(line) = config.not_understood.first() {
        return Err(Error::new(format!(
            "{}: {}, in OpenSSH {}, the newest that is known here",
            line.location.text(),
            line.reason,
            sshd::newest(),
        )));
    }
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
