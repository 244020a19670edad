//! What an area may look at: the tree, the profile's demands, the time.

use super::boot;
use super::processes::{self, Process};
use super::systemd::Units;
use super::users::Users;
use agent_baseline::manifest::verified::{SharedManifest, Trust};
use agent_baseline::profile::source::{SerialConsole, Settings};
use agent_core::bounds;
use agent_core::finding::{Check, Finding, Severity, Verdict};
use agent_core::os::root::Root;
use agent_core::release::OsRelease;
use agent_packages::Installed;
use std::any::{Any, TypeId};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// What a run knows of the host's own baseline before its settings are looked at.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Where the configuration of the run says that the host's manifest is; `None`: that of the host says it.
    pub place: Option<PathBuf>,
    /// The host's own manifest, where the run opens it for other purposes too.
    pub manifest: Option<Arc<SharedManifest>>,
    /// Who may seal it; `None`: whoever the host itself trusts.
    pub trust: Option<Arc<Trust>>,
}

/// One look at the settings of one tree.
pub struct Context<'a> {
    /// The tree. Nothing is read but below it.
    pub root: &'a Root,
    /// Which distribution it holds.
    pub release: &'a OsRelease,
    /// What the profile demands.
    pub settings: &'a Settings,
    /// Seconds since 1970.
    pub now: i64,
    /// Whether the check of that id was asked for and is enabled.
    pub selected: &'a dyn Fn(&str) -> bool,
    /// What the run knows of the host's own baseline.
    pub own: Own,
    users: OnceCell<io::Result<Users>>,
    units: OnceCell<Units>,
    processes: OnceCell<io::Result<Vec<Process>>>,
    installed: OnceCell<Result<Installed, String>>,
    /// What areas have read for themselves and for others, by type.
    cache: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
}

impl<'a> Context<'a> {
    /// A look that has read nothing yet.
    pub fn new(
        root: &'a Root,
        release: &'a OsRelease,
        settings: &'a Settings,
        now: i64,
        selected: &'a dyn Fn(&str) -> bool,
    ) -> Context<'a> {
        Context {
            root,
            release,
            settings,
            now,
            selected,
            own: Own::default(),
            users: OnceCell::new(),
            units: OnceCell::new(),
            processes: OnceCell::new(),
            installed: OnceCell::new(),
            cache: RefCell::default(),
        }
    }

    /// Whether the tree is the running system: processes, sockets and kernel state may be looked at.
    pub fn live(&self) -> bool {
        self.root.is_live()
    }

    /// Whether the check is to be judged.
    pub fn wants(&self, check: &Check) -> bool {
        (self.selected)(check.id)
    }

    /// What the profile demands of the check, where it does; of the check's own form.
    pub fn demand(&self, check: &Check) -> Option<&'a toml::Value> {
        self.settings.checks.get(check.id)?.demand.as_ref()
    }

    /// The demanded number, else `default`.
    pub fn demanded_number(&self, check: &Check, default: i64) -> i64 {
        self.demand(check)
            .and_then(toml::Value::as_integer)
            .unwrap_or(default)
    }

    /// The demanded word or text, else `default`.
    pub fn demanded_text(&self, check: &Check, default: &'a str) -> &'a str {
        self.demand(check)
            .and_then(toml::Value::as_str)
            .unwrap_or(default)
    }

    /// The demanded list of texts; empty where nothing is demanded.
    pub fn demanded_texts(&self, check: &Check) -> Vec<&'a str> {
        self.demand(check)
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect()
    }

    /// How much a deviation from the check matters: as the profile says, else as the check does.
    pub fn severity(&self, check: &Check) -> Severity {
        self.settings
            .checks
            .get(check.id)
            .and_then(|settings| settings.severity)
            .or(check.severity)
            .unwrap_or(Severity::Medium)
    }

    /// What the profile says of the account's switch for the serial console.
    pub fn serial_console(&self) -> SerialConsole {
        self.settings
            .serial_console
            .unwrap_or(SerialConsole::Unknown)
    }

    /// Whether a good built-in default does not count.
    pub fn sshd_explicit(&self) -> bool {
        self.settings.sshd_explicit.unwrap_or(false)
    }

    /// A finding with the severity that the profile gives the check.
    pub fn finding(
        &self,
        check: &'static Check,
        verdict: Verdict,
        subject: impl Into<Vec<u8>>,
        message: impl Into<String>,
    ) -> Finding {
        Finding::new(check, verdict, self.severity(check), subject, message)
    }

    /// The contents of the regular file at `path`; `None` if there is nothing. At most [`bounds::SETTINGS_FILE`] bytes.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.root.read(path.as_bytes(), bounds::SETTINGS_FILE)
    }

    /// What an area has read of the tree, once: the area's own type is the key.
    pub fn cached<T: 'static>(&self, read: impl FnOnce() -> T) -> Rc<T> {
        let key = TypeId::of::<T>();
        let known = self.cache.borrow().get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return known;
        }
        let value = Rc::new(read());
        self.cache.borrow_mut().insert(key, value.clone());
        value
    }

    /// passwd, shadow and group of the tree, read once.
    pub fn users(&self) -> Result<&Users, &io::Error> {
        self.users.get_or_init(|| Users::read(self.root)).as_ref()
    }

    /// What systemd starts at boot, read once.
    pub fn units(&self) -> &Units {
        self.units
            .get_or_init(|| Units::read(self.root, &boot::whole_lines(self)))
    }

    /// The processes of the live host, read once.
    pub fn processes(&self) -> Result<&[Process], &io::Error> {
        let processes = self.processes.get_or_init(|| processes::list(self.root));
        processes.as_deref()
    }

    /// The packages that are installed, read once; why not, where that cannot be told.
    pub fn installed(&self) -> Result<&Installed, &str> {
        let installed = self
            .installed
            .get_or_init(|| agent_packages::installed(self.root));
        installed.as_ref().map_err(String::as_str)
    }

    /// Which program manages the packages of this distribution.
    pub fn manager(&self) -> Manager {
        let suse = |id: &str| id == "suse" || id.starts_with("sle") || id.starts_with("opensuse");
        let is_suse = suse(&self.release.id) || self.release.id_like.iter().any(|id| suse(id));
        match agent_packages::detect(self.root) {
            agent_packages::DatabaseKind::Rpm if is_suse => Manager::Zypper,
            agent_packages::DatabaseKind::Rpm
                if self.release.version_id == "2" && self.release.id == "amzn" =>
            {
                Manager::Yum
            }
            agent_packages::DatabaseKind::Rpm => Manager::Dnf,
            _ => Manager::Apt,
        }
    }

    /// The command that removes a package on this distribution.
    pub fn removal(&self, package: &str) -> String {
        match self.manager() {
            Manager::Zypper => format!("zypper remove {package}"),
            Manager::Yum => format!("yum remove {package}"),
            Manager::Dnf => format!("dnf remove {package}"),
            Manager::Apt => format!("apt-get purge {package}"),
        }
    }

    /// The command that installs a package on this distribution.
    pub fn installation(&self, package: &str) -> String {
        match self.manager() {
            Manager::Zypper => format!("zypper install {package}"),
            Manager::Yum => format!("yum install {package}"),
            Manager::Dnf => format!("dnf install {package}"),
            Manager::Apt => format!("apt-get install {package}"),
        }
    }
}

/// A program that manages packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// The Red Hat family.
    Dnf,
    /// Amazon Linux 2.
    Yum,
    /// SUSE.
    Zypper,
}
