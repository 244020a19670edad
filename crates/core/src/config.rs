//! `agent.toml`: how the agent goes about its work on a host. All keys are optional.
// Long: each field is a key of the file.

use crate::error::{Error, Result};
use crate::toml_text;
use crate::units;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The place of the configuration on a host.
pub const DEFAULT: &str = "/etc/host-integrity-agent/agent.toml";
/// The place of the manifest on a host, and in every tree.
pub const MANIFEST: &str = "/usr/share/host-integrity-agent/manifest.mtree";

/// `agent.toml`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `auto`, a name or a file.
    pub profile: String,
    /// The manifest.
    pub manifest: PathBuf,
    /// Ledger, chain and spool.
    pub state_dir: PathBuf,
    /// `[scan]`
    pub scan: Scan,
    /// `[watch]`
    pub watch: Watch,
    /// `[settings]`
    pub settings: Settings,
    /// `[heartbeat]`
    pub heartbeat: Heartbeat,
    /// `[instance]`
    pub instance: Instance,
    /// `[spool]`
    pub spool: Spool,
    /// `[sinks]`
    pub sinks: Sinks,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            profile: "auto".into(),
            manifest: MANIFEST.into(),
            state_dir: "/var/lib/host-integrity-agent".into(),
            scan: Scan::default(),
            watch: Watch::default(),
            settings: Settings::default(),
            heartbeat: Heartbeat::default(),
            instance: Instance::default(),
            spool: Spool::default(),
            sinks: Sinks::default(),
        }
    }
}

/// `[scan]`: the whole verification.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Scan {
    /// Between two of them; jittered per host.
    #[serde(deserialize_with = "units::duration")]
    pub interval: Duration,
    /// Within so long each file is read, where an unbroken watch calls it unchanged; zero: by every scan.
    #[serde(deserialize_with = "units::duration")]
    pub rehash: Duration,
    /// Bytes a second.
    #[serde(deserialize_with = "units::size")]
    pub max_rate: u64,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            interval: Duration::from_secs(6 * 3600),
            rehash: Duration::ZERO,
            max_rate: 50 << 20,
        }
    }
}

/// Whether attribution by fanotify is wanted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// Where it is permitted.
    Auto,
    /// Never.
    Off,
}

/// `[watch]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// Quiet time before a touched path is judged.
    #[serde(deserialize_with = "units::duration")]
    pub settle: Duration,
    /// Who did it.
    pub attribution: Attribution,
    /// Whether the arguments of the command that changed a file are shipped.
    pub attribution_args: bool,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            settle: Duration::from_millis(200),
            attribution: Attribution::Auto,
            attribution_args: false,
        }
    }
}

/// `[settings]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Between two judgements of all settings.
    #[serde(deserialize_with = "units::duration")]
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: Duration::from_secs(15 * 60),
        }
    }
}

/// `[heartbeat]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Between two heartbeats.
    pub interval: HeartbeatInterval,
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        Heartbeat {
            interval: HeartbeatInterval::Auto,
        }
    }
}

/// The time between two heartbeats.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum HeartbeatInterval {
    /// `auto`: seldom where nothing is amiss, more often where something is.
    Auto,
    /// Always this.
    Every(Duration),
}

impl TryFrom<String> for HeartbeatInterval {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<HeartbeatInterval, String> {
        match text.as_str() {
            "auto" => Ok(HeartbeatInterval::Auto),
            time => units::parse_duration(time)
                .map(HeartbeatInterval::Every)
                .map_err(|error| format!("{error}, or \"auto\"")),
        }
    }
}

/// `[instance]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Instance {
    /// Of the metadata service; AWS_EC2_METADATA_SERVICE_ENDPOINT wins.
    pub endpoint: String,
    /// Image ids that are trusted; empty: not judged.
    pub expect_ami: Vec<String>,
}

impl Default for Instance {
    fn default() -> Instance {
        Instance {
            endpoint: "http://169.254.169.254".into(),
            expect_ami: Vec::new(),
        }
    }
}

/// `[spool]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// Payload bytes.
    #[serde(deserialize_with = "units::size")]
    pub max_size: u64,
}

impl Default for Spool {
    fn default() -> Spool {
        Spool {
            max_size: 256 << 20,
        }
    }
}

/// `[sinks]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Sinks {
    /// `[sinks.cloudwatch_logs]`
    pub cloudwatch_logs: CloudwatchLogs,
    /// `[sinks.file]`
    pub file: FileSink,
    /// `[sinks.journald]`
    pub journald: Journald,
}

/// Whether a sink is used.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "toml::Value")]
pub enum Enabled {
    /// As soon as an instance role is found.
    Auto,
    /// `true`
    Yes,
    /// `false`
    No,
}

impl TryFrom<toml::Value> for Enabled {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> std::result::Result<Enabled, &'static str> {
        match value {
            toml::Value::Boolean(true) => Ok(Enabled::Yes),
            toml::Value::Boolean(false) => Ok(Enabled::No),
            toml::Value::String(word) if word == "auto" => Ok(Enabled::Auto),
            _ => Err("expected \"auto\", true or false"),
        }
    }
}

/// `[sinks.cloudwatch_logs]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct CloudwatchLogs {
    /// Whether events go there.
    pub enabled: Enabled,
    /// Log group.
    pub log_group: String,
    /// Log stream; `{instance_id}` and `{hostname}` are put in.
    pub log_stream: String,
    /// `auto`, or a region.
    pub region: String,
    /// For a VPC endpoint or a test server; empty: AWS's own.
    pub endpoint: String,
    /// A writer role to assume; empty: the instance role.
    pub role_arn: String,
}

impl Default for CloudwatchLogs {
    fn default() -> CloudwatchLogs {
        CloudwatchLogs {
            enabled: Enabled::Auto,
            log_group: "/host-integrity-agent".into(),
            log_stream: "{instance_id}".into(),
            region: "auto".into(),
            endpoint: String::new(),
            role_arn: String::new(),
        }
    }
}

/// `[sinks.file]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct FileSink {
    /// JSON lines; empty: off.
    pub path: PathBuf,
}

/// `[sinks.journald]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Journald {
    /// Whether each event is an entry of the journal, its JSON in the field `EVENT`.
    pub enabled: bool,
}

impl Config {
    /// Parses and checks the text of an `agent.toml`; `file` is for errors alone.
    pub fn parse(text: &str, file: &Path) -> Result<Config> {
        let config: Config = toml_text::parse(text, file)?;
        config.judge().map_err(|(key, expected)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            let is_it = |line: &str| line.split('=').next().is_some_and(|k| k.trim() == last);
            let line = text.lines().zip(1..).find(|(line, _)| is_it(line));
            let error = Error::in_file(file, format!("{key}: expected {expected}"));
            match line {
                Some((_, number)) => error.at_line(number),
                None => error,
            }
        })?;
        Ok(config)
    }

    /// Values out of range: the key, and what is expected of it.
    fn judge(&self) -> std::result::Result<(), (&'static str, &'static str)> {
        let cloudwatch = &self.sinks.cloudwatch_logs;
        let minute = Duration::from_secs(60);
        let checks: [(bool, &str, &str); 15] = [
            (
                !self.profile.is_empty(),
                "profile",
                "auto, a name or a file",
            ),
            (self.manifest.is_absolute(), "manifest", "an absolute path"),
            (
                self.state_dir.is_absolute(),
                "state_dir",
                "an absolute path",
            ),
            (self.scan.interval >= minute, "scan.interval", "1m or more"),
            (
                self.scan.rehash <= Duration::from_hours(24),
                "scan.rehash",
                "24h or less",
            ),
            (self.scan.max_rate >= 1 << 20, "scan.max_rate", "1M or more"),
            (
                self.watch.settle <= Duration::from_secs(2),
                "watch.settle",
                "2s or less",
            ),
            (
                self.settings.interval >= minute,
                "settings.interval",
                "1m or more",
            ),
            (
                match self.heartbeat.interval {
                    HeartbeatInterval::Auto => true,
                    HeartbeatInterval::Every(time) => {
                        (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&time)
                    }
                },
                "heartbeat.interval",
                "auto, or 1s to 1h",
            ),
            (
                self.instance.endpoint.starts_with("http://"),
                "instance.endpoint",
                "http://HOST[:PORT]",
            ),
            (
                self.instance
                    .expect_ami
                    .iter()
                    .all(|image| image.starts_with("ami-")),
                "instance.expect_ami",
                "image ids, as ami-0123456789abcdef0",
            ),
            (
                self.spool.max_size >= 1 << 20,
                "spool.max_size",
                "1M or more",
            ),
            (
                (1..=512).contains(&cloudwatch.log_group.chars().count()),
                "sinks.cloudwatch_logs.log_group",
                "1 to 512 characters (CreateLogGroup)",
            ),
            (
                (1..=512).contains(&cloudwatch.log_stream.chars().count())
                    && !cloudwatch.log_stream.contains([':', '*']),
                "sinks.cloudwatch_logs.log_stream",
                "1 to 512 characters, none of them `:` or `*` (CreateLogStream)",
            ),
            (
                self.sinks.file.path.as_os_str().is_empty() || self.sinks.file.path.is_absolute(),
                "sinks.file.path",
                "an absolute path, or nothing",
            ),
        ];
        match checks.into_iter().find(|(holds, _, _)| !holds) {
            Some((_, key, expected)) => Err((key, expected)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = Config::parse("", Path::new("agent.toml")).expect("good");
        assert_eq!(config, Config::default());
    }

    #[test]
    fn errors_name_line_and_key() {
        let cases = [
            ("profil = \"x\"\n", 1, "profil"),
            ("[scan]\ninterval = \"6d\"\n", 2, "interval"),
            ("[scan]\ninterval = \"1s\"\n", 2, "scan.interval"),
            ("[scan]\nmax_rate = 5\n", 2, "max_rate"),
            (
                "[scan]\ninterval = \"1h\"\nrehash = \"25h\"\n",
                3,
                "scan.rehash",
            ),
            ("[scan]\nrehash = 24\n", 2, "rehash"),
            ("[watch]\nsettle = \"3s\"\n", 2, "watch.settle"),
            ("[watch]\nattribution = \"on\"\n", 2, "attribution"),
            ("[heartbeat]\ninterval = \"often\"\n", 2, "auto"),
            ("[heartbeat]\ninterval = \"2h\"\n", 2, "heartbeat.interval"),
            (
                "[sinks.cloudwatch_logs]\nenabled = \"maybe\"\n",
                2,
                "enabled",
            ),
            (
                "[sinks.cloudwatch_logs]\nlog_stream = \"a:b\"\n",
                2,
                "log_stream",
            ),
            (
                "[instance]\nendpoint = \"10.0.0.1\"\n",
                2,
                "instance.endpoint",
            ),
            (
                "[instance]\nexpect_ami = [\"i-1\"]\n",
                2,
                "instance.expect_ami",
            ),
            ("[sinks.s3]\n", 1, "s3"),
            ("[sinks.journald]\nenabled = \"auto\"\n", 2, "enabled"),
        ];
        for (text, line, word) in cases {
            let error = Config::parse(text, Path::new("agent.toml")).expect_err(text);
            assert_eq!(error.line, Some(line), "{text}: {error}");
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }
}
