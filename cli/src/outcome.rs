//! Prints the outcome of a command, and determines the exit code. No other module prints.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use framelift_domain::FailureCode;
use framelift_media::ExtractError;
use framelift_plugin_host::failure;
use framelift_sandbox::{CompileError, RunError};
use serde_json::{Value, json};

use crate::service::{Explained, ServiceError};

/// The exit code for a wrong value (`EX_USAGE`).
const WRONG_VALUE: u8 = 64;
/// The exit code if some of several videos failed.
const SOME_VIDEOS_FAILED: u8 = 3;
const SIGPIPE: u8 = 13;

/// The result of a command that succeeded.
pub(crate) struct Done {
    /// The text for people.
    pub(crate) text: String,
    /// The JSON for programs.
    pub(crate) json: Value,
    pub(crate) warnings: Vec<String>,
}

/// The error of a command that failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Wrong values of arguments.
    Values(Vec<String>),
    Extraction(ExtractError),
    /// An error of the service, or of the connection to it.
    Service(ServiceError),
    /// A video that was not completed, with the code of its failure or its status.
    Video {
        code: String,
        message: String,
    },
    /// Stopped by a signal.
    Interrupted(i32),
    Other(anyhow::Error),
}

impl From<ExtractError> for Failed {
    fn from(error: ExtractError) -> Self {
        Self::Extraction(error)
    }
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Extract(error) => Self::Extraction(error),
            RunError::Crashed(crash) => {
                tracing::debug!(stderr = crash.stderr, "the decoder's process did not end well");
                Self::Extraction(ExtractError::Failed(crash.failure()))
            }
            RunError::Start(error) => {
                let advice = "; use --no-sandbox only for videos that you trust";
                Self::Other(anyhow::anyhow!("{error}{advice}"))
            }
        }
    }
}

/// The error for a plugin that is not accepted.
pub(crate) fn not_compiled(plugin: &str, error: CompileError) -> Failed {
    match error {
        CompileError::Rejected(rejected) => ExtractError::Failed(failure(plugin, rejected)).into(),
        CompileError::Start(error) => RunError::Start(error).into(),
        error @ CompileError::Interrupted(_) => {
            Failed::Other(anyhow::anyhow!("the plugin {plugin}: {error}"))
        }
        CompileError::Cancelled => ExtractError::Cancelled.into(),
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// The printed form of an error.
struct PrintedFailure {
    exit: u8,
    code: Cow<'static, str>,
    messages: Vec<String>,
    hint: Option<Cow<'static, str>>,
}

impl Failed {
    fn printed(&self) -> PrintedFailure {
        let printed = |exit, code: &'static str, message: String| PrintedFailure {
            exit,
            code: code.into(),
            messages: vec![message],
            hint: None,
        };
        match self {
            Self::Values(messages) => PrintedFailure {
                messages: messages.clone(),
                ..printed(WRONG_VALUE, "invalid-options", String::new())
            },
            Self::Extraction(ExtractError::Failed(failure)) => {
                let code = failure.code.as_str();
                let hint = Some(hint(failure.code).into());
                PrintedFailure { hint, ..printed(1, code, format!("{code}: {}", failure.message)) }
            }
            Self::Service(error) => {
                let Explained { exit, code, messages, hint } = error.explain();
                PrintedFailure { exit, code: code.into(), messages, hint: hint.map(Cow::from) }
            }
            Self::Video { code, message } => PrintedFailure {
                code: code.clone().into(),
                hint: code.parse().ok().map(|code| hint(code).into()),
                ..printed(1, "", format!("{code}: {message}"))
            },
            Self::Extraction(error) => printed(1, "io", error.to_string()),
            Self::Interrupted(signal) => {
                printed(128 + u8::try_from(*signal).unwrap_or(0), "canceled", "interrupted".to_owned())
            }
            Self::Other(error) => printed(1, "io", format!("{error:#}")),
        }
    }

    /// Whether the standard output is a closed pipe, which is not reported as an error.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Extraction(ExtractError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Prints for people or for programs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Printer {
    pub(crate) json: bool,
    /// Whether only errors are printed.
    pub(crate) quiet: bool,
    /// Whether an archive is written to the standard output.
    pub(crate) stdout_taken: bool,
}

/// The outcomes of several videos.
#[derive(Default)]
pub(crate) struct Summary {
    videos: Vec<Value>,
    frames: u64,
    failed: usize,
}

impl Printer {
    /// Prints the outcome of the command.
    pub(crate) fn report(self, result: Result<Done, Failed>) -> ExitCode {
        match result {
            Ok(done) => {
                self.warn(None, &done.warnings);
                if self.json {
                    print_line(format_args!("{:#}", done.json));
                } else {
                    self.print_info(&done.text);
                }
                ExitCode::SUCCESS
            }
            Err(failed) if failed.is_broken_pipe() => ExitCode::from(128 + SIGPIPE),
            Err(failed) => {
                let printed = failed.printed();
                print_failure(None, &printed);
                if self.json {
                    print_line(format_args!("{:#}", failure_json(&printed)));
                }
                ExitCode::from(printed.exit)
            }
        }
    }

    /// Prints the outcome of one of several videos.
    pub(crate) fn one_of_several(self, video: &str, result: Result<Done, Failed>, summary: &mut Summary) {
        match result {
            Ok(done) => {
                self.warn(Some(video), &done.warnings);
                if !self.json {
                    self.print_info(format_args!("{video}: {}", done.text));
                }
                summary.frames += done.json["frames"].as_u64().unwrap_or(0);
                summary.videos.push(done.json);
            }
            Err(failed) => {
                let printed = failed.printed();
                print_failure(Some(video), &printed);
                let mut json = failure_json(&printed);
                json["file"] = video.into();
                summary.videos.push(json);
                summary.failed += 1;
            }
        }
    }

    /// Prints the summary of several videos. `signal` is the signal that stopped the command, if any.
    pub(crate) fn all(self, summary: Summary, of: usize, signal: Option<i32>) -> ExitCode {
        let Summary { videos, frames: count, failed } = summary;
        let done = videos.len() - failed;
        if self.json {
            print_line(format_args!("{:#}", json!({"videos": videos, "done": done, "failed": failed})));
        } else {
            let rest = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            let count = if count > 0 { format!("; {}", frames(count)) } else { String::new() };
            self.print_info(format_args!("{done} of {of} videos done{rest}{count}"));
        }
        match signal {
            Some(signal) => ExitCode::from(Failed::Interrupted(signal).printed().exit),
            None if failed == 0 => ExitCode::SUCCESS,
            None if done == 0 => ExitCode::FAILURE,
            None => ExitCode::from(SOME_VIDEOS_FAILED),
        }
    }

    /// Prints that the command was interrupted, if the engine does not return. Returns the exit code.
    pub(crate) fn interrupted(self, signal: i32) -> u8 {
        let failed = Failed::Interrupted(signal);
        let exit = failed.printed().exit;
        self.report(Err(failed));
        exit
    }

    fn warn(self, video: Option<&str>, warnings: &[String]) {
        let of = video.map(|video| format!("{video}: ")).unwrap_or_default();
        for warning in warnings.iter().filter(|_| !self.quiet) {
            print_to_stderr(format_args!("warning: {of}{warning}"));
        }
    }

    /// Prints a line for people, unless `quiet` is set.
    pub(crate) fn print_info(self, line: impl Display) {
        match self {
            Self { quiet: true, .. } => {}
            Self { stdout_taken: true, .. } => print_to_stderr(line),
            _ => print_line(line),
        }
    }
}

/// The number of frames, in words.
pub(crate) fn frames(count: u64) -> String {
    format!("{count} frame{}", if count == 1 { "" } else { "s" })
}

/// A hint what the user can do about a failure.
const fn hint(code: FailureCode) -> &'static str {
    match code {
        FailureCode::NotAVideo => "check that the file is a video and that all of it is there",
        FailureCode::NoVideoStream => {
            "the file holds no moving pictures, for example only sound, or --stream names another stream"
        }
        FailureCode::UnsupportedContainer => "put the video into another container first, for example an MP4",
        FailureCode::UnsupportedCodec => "convert the video first, for example to H.264 in an MP4",
        FailureCode::CorruptInput => "not one frame could be decoded; copy or export the video again",
        FailureCode::LimitExceeded => "ask for fewer frames, a shorter range or a smaller size",
        FailureCode::DrmProtected => "use a copy without copy protection",
        FailureCode::TimedOut => "ask for fewer frames or a shorter range",
        FailureCode::DecoderCrashed => {
            "something in the file breaks the decoder; export or convert the video again, and report the file"
        }
        FailureCode::PluginFailed => "correct the plugin or its configuration",
        FailureCode::Internal => {
            "this is a fault of framelift; please report it with the command that led to it"
        }
    }
}

fn failure_json(printed: &PrintedFailure) -> Value {
    json!({"error": {"code": printed.code, "messages": printed.messages}})
}

fn print_failure(video: Option<&str>, printed: &PrintedFailure) {
    let of = video.map(|video| format!("{video}: ")).unwrap_or_default();
    for message in &printed.messages {
        // Some messages already begin with the file's name.
        let of = if video.is_some_and(|video| message.starts_with(video)) { "" } else { of.as_str() };
        print_to_stderr(format_args!("error: {of}{message}"));
    }
    if let Some(hint) = &printed.hint {
        print_to_stderr(format_args!("hint: {hint}"));
    }
}

/// A text from elsewhere, such as a file's name or what a plugin says, without control characters: they could move the
/// terminal's cursor, or make a line of their own.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Lines without control characters: their messages may quote what comes from elsewhere.
fn harmless(lines: impl Display) -> String {
    lines.to_string().split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Prints a line to the standard output. Ignores a closed pipe.
pub(crate) fn print_line(line: impl Display) {
    let _ = writeln!(io::stdout(), "{}", harmless(line));
}

/// Prints a line to the standard error.
fn print_to_stderr(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_moves_no_cursor() {
        let lines = harmless("error: a\u{1b}[2Jb\u{9b}1mc\nhint: d\re");
        assert_eq!(lines, "error: a\u{fffd}[2Jb\u{fffd}1mc\nhint: d\u{fffd}e");
        assert_eq!(printable("a\nb\u{7}"), "a\u{fffd}b\u{fffd}");
    }
}
