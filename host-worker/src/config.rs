//! The worker's configuration: one TOML file and its overrides, read whole and checked before anything starts.

mod check;
mod docs;
mod reader;
mod schema;
mod setting;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use docs::{KeyDoc, SectionDoc, markdown, sections};
pub use schema::{Control, Health, Limits, Links, Log, Queue, Smtp, Store, Webhooks, Worker};
pub use setting::{ByteSize, Directives, SandboxUse, Setting, Tls};

use reader::Reader;
use schema::Section;

/// The exit code for an invalid configuration (`EX_USAGE`).
pub const EXIT_CODE: u8 = 64;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where jobs are claimed and reported.
    pub control: Control,
    /// Where messages come from.
    pub queue: Queue,
    /// Where uploads and archives lie.
    pub store: Store,
    /// How this process works.
    pub worker: Worker,
    /// How e-mails leave.
    pub smtp: Smtp,
    /// How events reach webhooks.
    pub webhooks: Webhooks,
    /// Links in e-mails.
    pub links: Links,
    /// Health and metrics.
    pub health: Health,
    /// What one extraction may use.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
}

/// Everything that is wrong with a configuration, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// One line each, without secrets.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s)", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl Config {
    /// Reads the file, if one is named, and the overrides in `environment`.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError { problems: vec![format!("{}: {error}", path.display())] })?,
        };
        Self::parse(&text, environment)
    }

    /// Reads the text of a file, and the overrides in `environment`.
    pub fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader =
            Reader::new(text, environment).map_err(|problem| ConfigError { problems: vec![problem] })?;
        let read = Self::read(&mut reader);
        reader.refuse_unknown();
        let mut problems = reader.into_problems();
        problems.extend(framelift_telemetry::problems(environment));
        match read {
            Some(config) => {
                check::cross_check(&config, &mut problems);
                if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
            }
            None => Err(ConfigError { problems }),
        }
    }

    /// Every section is read before the first error returns, so that all problems are listed.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let control = Control::read(reader);
        let queue = Queue::read(reader);
        let store = Store::read(reader);
        let worker = Worker::read(reader);
        let smtp = Smtp::read(reader);
        let webhooks = Webhooks::read(reader);
        let links = Links::read(reader);
        let health = Health::read(reader);
        let limits = Limits::read(reader);
        let log = Log::read(reader);
        Some(Self {
            control: control?,
            queue: queue?,
            store: store?,
            worker: worker?,
            smtp: smtp?,
            webhooks: webhooks?,
            links: links?,
            health: health?,
            limits: limits?,
            log: log?,
        })
    }
}

#[cfg(test)]
mod tests;
