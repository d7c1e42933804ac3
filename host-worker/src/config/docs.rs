//! The documentation of the configuration: the source of the worker's part of `docs/configuration.md`.

use std::fmt::Write as _;

use super::reader::variable;
use super::schema::{Control, Health, Limits, Links, Log, Queue, Section, Smtp, Store, Webhooks, Worker};

/// What is known about a section.
#[derive(Clone, Copy, Debug)]
pub struct SectionDoc {
    /// Its name in the file.
    pub name: &'static str,
    /// Lines about it.
    pub about: &'static [&'static str],
    /// Its keys, in order.
    pub keys: &'static [KeyDoc],
}

/// What is known about a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyDoc {
    /// Its name.
    pub name: &'static str,
    /// Lines about it.
    pub about: &'static [&'static str],
    /// Its type, in words.
    pub kind: &'static str,
    /// Whether TOML writes it in quotes.
    pub quoted: bool,
    /// Whether it may come from a file and is never shown.
    pub secret: bool,
    /// Its default, in the form of an environment variable.
    pub default: Option<&'static str>,
    /// Whether it may be missing.
    pub optional: bool,
}

/// Every section, in the file's order.
pub fn sections() -> [SectionDoc; 10] {
    [
        Control::DOC,
        Queue::DOC,
        Store::DOC,
        Worker::DOC,
        Smtp::DOC,
        Webhooks::DOC,
        Links::DOC,
        Health::DOC,
        Limits::DOC,
        Log::DOC,
    ]
}

fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// The worker's part of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for section in sections() {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, prose(section.about));
        page.push_str("| key | variable | type | default | meaning |\n|---|---|---|---|---|\n");
        for key in section.keys {
            let default = match (key.default, key.optional) {
                (Some(text), _) if key.quoted => format!("`\"{text}\"`"),
                (Some(text), _) => format!("`{text}`"),
                (None, false) => "required".to_owned(),
                (None, true) => "none".to_owned(),
            };
            let (name, env) = (key.name, variable(section.name, key.name));
            let _ =
                writeln!(page, "| `{name}` | `{env}` | {} | {default} | {} |", key.kind, prose(key.about));
        }
    }
    page
}

const HEAD: &str = "\
# Configuration of the worker

<!-- Generated from the types by `framelift-worker --print-config-docs`; a test fails when it is stale. -->

`framelift-worker --config FILE` reads one TOML file. Each key can be overridden by the variable
beside it, and without a file the variables alone will do. An unknown key or variable, a missing
or a bad value is refused before anything starts: all problems are listed at once and the exit
code is 64.

A *secret* may stand in the file itself (`token`), in a file that the configuration names
(`token_file`, `FRAMELIFT_CONTROL_TOKEN_FILE`), or in its variable. Secrets are never logged.

Region and credentials of S3 and SQS come from the AWS SDK's provider chain: `AWS_REGION`,
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_PROFILE`, a web identity,
a container's or an instance's role.

A complete file with every key: [`samples/worker.toml`](samples/worker.toml).
";
