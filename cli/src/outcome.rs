//! How a run ends: what is printed, and the exit code. The only place that prints results.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use framelift_media::ExtractError;
use serde_json::{Value, json};

/// A run that went well.
pub(crate) struct Done {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
    pub(crate) warnings: Vec<String>,
    /// The standard output is taken by the archive.
    pub(crate) silent: bool,
}

/// A run that did not.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Wrong values.
    Values(Vec<String>),
    Extraction(ExtractError),
    Other(anyhow::Error),
}

impl From<ExtractError> for Failed {
    fn from(error: ExtractError) -> Self {
        Self::Extraction(error)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// The exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Prints what an interrupted run prints, where the engine does not come back to be reported on.
pub(crate) fn interrupted(as_json: bool) {
    report(as_json, Err(Failed::Extraction(ExtractError::Cancelled)));
}

/// Prints how the run ended, as text or as JSON.
pub(crate) fn report(as_json: bool, result: Result<Done, Failed>) -> ExitCode {
    match result {
        Ok(done) => {
            for warning in &done.warnings {
                complain(format_args!("warning: {warning}"));
            }
            if done.silent {
                complain(&done.text);
            } else if as_json {
                say(format_args!("{:#}", done.json));
            } else {
                say(&done.text);
            }
            ExitCode::SUCCESS
        }
        Err(failed) => {
            let (exit, code, messages) = match &failed {
                Failed::Values(messages) => (64, "invalid-options", messages.clone()),
                Failed::Extraction(ExtractError::Failed(failure)) => {
                    complain(format_args!("hint: {}", failure.code.hint()));
                    (
                        1,
                        failure.code.as_str(),
                        vec![format!("{}: {}", failure.code.as_str(), failure.message)],
                    )
                }
                Failed::Extraction(ExtractError::Cancelled) => {
                    (INTERRUPTED, "canceled", vec!["interrupted".to_owned()])
                }
                Failed::Extraction(error) => (1, "io", vec![error.to_string()]),
                Failed::Other(error) => (1, "io", vec![format!("{error:#}")]),
            };
            for message in &messages {
                complain(format_args!("error: {message}"));
            }
            if as_json {
                say(format_args!("{:#}", json!({"error": {"code": code, "messages": messages}})));
            }
            ExitCode::from(exit)
        }
    }
}

/// Prints a line of the result. Whoever closes the pipe does not want it.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line for people.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
