//! Prints how a run ends, and gives its exit code. Nothing else prints.

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

/// The exit code of a wrong value (`EX_USAGE`).
const WRONG_VALUE: u8 = 64;
/// The exit code where some of several videos failed.
const SOME_FAILED: u8 = 3;
const SIGPIPE: u8 = 13;

/// A run that succeeded.
pub(crate) struct Done {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
    pub(crate) warnings: Vec<String>,
}

/// A run that failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Wrong values.
    Values(Vec<String>),
    Extraction(ExtractError),
    /// The service, or the way to it.
    Service(ServiceError),
    /// A video that the service did not get frames out of: its failure's code, or its status.
    Video {
        code: String,
        message: String,
    },
    /// A signal said stop.
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
                let advice = "; --no-sandbox decodes without it, which only videos deserve that you trust";
                Self::Other(anyhow::anyhow!("{error}{advice}"))
            }
        }
    }
}

/// A plugin that is not accepted.
pub(crate) fn not_compiled(plugin: &str, error: CompileError) -> Failed {
    match error {
        CompileError::Rejected(rejected) => ExtractError::Failed(failure(plugin, rejected)).into(),
        CompileError::Start(error) => RunError::Start(error).into(),
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// A failure as it is printed.
struct Told {
    exit: u8,
    code: Cow<'static, str>,
    messages: Vec<String>,
    hint: Option<Cow<'static, str>>,
}

impl Failed {
    fn told(&self) -> Told {
        let told = |exit, code: &'static str, message: String| Told {
            exit,
            code: code.into(),
            messages: vec![message],
            hint: None,
        };
        match self {
            Self::Values(messages) => {
                Told { messages: messages.clone(), ..told(WRONG_VALUE, "invalid-options", String::new()) }
            }
            Self::Extraction(ExtractError::Failed(failure)) => {
                let code = failure.code.as_str();
                let hint = Some(hint(failure.code).into());
                Told { hint, ..told(1, code, format!("{code}: {}", failure.message)) }
            }
            Self::Service(error) => {
                let Explained { exit, code, messages, hint } = error.explain();
                Told { exit, code: code.into(), messages, hint: hint.map(Cow::from) }
            }
            Self::Video { code, message } => Told {
                code: code.clone().into(),
                hint: code.parse().ok().map(|code| hint(code).into()),
                ..told(1, "", format!("{code}: {message}"))
            },
            Self::Extraction(error) => told(1, "io", error.to_string()),
            Self::Interrupted(signal) => {
                told(128 + u8::try_from(*signal).unwrap_or(0), "canceled", "interrupted".to_owned())
            }
            Self::Other(error) => told(1, "io", format!("{error:#}")),
        }
    }

    /// Whether the reader of the standard output has closed it, which is no failure to report.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Extraction(ExtractError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Prints to people or to programs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Printer {
    pub(crate) json: bool,
    /// Errors only.
    pub(crate) quiet: bool,
    /// The standard output is taken by an archive.
    pub(crate) stdout_taken: bool,
}

/// How several videos ended.
#[derive(Default)]
pub(crate) struct Summary {
    videos: Vec<Value>,
    frames: u64,
    failed: usize,
}

impl Printer {
    /// Prints how the run ended.
    pub(crate) fn report(self, result: Result<Done, Failed>) -> ExitCode {
        match result {
            Ok(done) => {
                self.warn(None, &done.warnings);
                if self.json {
                    say(format_args!("{:#}", done.json));
                } else {
                    self.tell(&done.text);
                }
                ExitCode::SUCCESS
            }
            Err(failed) if failed.is_broken_pipe() => ExitCode::from(128 + SIGPIPE),
            Err(failed) => {
                let told = failed.told();
                complain_of(None, &told);
                if self.json {
                    say(format_args!("{:#}", error_json(&told)));
                }
                ExitCode::from(told.exit)
            }
        }
    }

    /// Prints how one of several videos ended.
    pub(crate) fn one_of_several(self, video: &str, result: Result<Done, Failed>, summary: &mut Summary) {
        match result {
            Ok(done) => {
                self.warn(Some(video), &done.warnings);
                if !self.json {
                    self.tell(format_args!("{video}: {}", done.text));
                }
                summary.frames += done.json["frames"].as_u64().unwrap_or(0);
                summary.videos.push(done.json);
            }
            Err(failed) => {
                let told = failed.told();
                complain_of(Some(video), &told);
                let mut json = error_json(&told);
                json["file"] = video.into();
                summary.videos.push(json);
                summary.failed += 1;
            }
        }
    }

    /// Prints how all of several videos ended, `signal` telling whether one said stop.
    pub(crate) fn all(self, summary: Summary, of: usize, signal: Option<i32>) -> ExitCode {
        let Summary { videos, frames: count, failed } = summary;
        let done = videos.len() - failed;
        if self.json {
            say(format_args!("{:#}", json!({"videos": videos, "done": done, "failed": failed})));
        } else {
            let rest = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            let count = if count > 0 { format!("; {}", frames(count)) } else { String::new() };
            self.tell(format_args!("{done} of {of} videos done{rest}{count}"));
        }
        match signal {
            Some(signal) => ExitCode::from(Failed::Interrupted(signal).told().exit),
            None if failed == 0 => ExitCode::SUCCESS,
            None if done == 0 => ExitCode::FAILURE,
            None => ExitCode::from(SOME_FAILED),
        }
    }

    /// Prints what an interrupted run prints, where the engine does not come back to be reported on;
    /// gives the exit code.
    pub(crate) fn interrupted(self, signal: i32) -> u8 {
        let failed = Failed::Interrupted(signal);
        let exit = failed.told().exit;
        self.report(Err(failed));
        exit
    }

    fn warn(self, video: Option<&str>, warnings: &[String]) {
        let of = video.map(|video| format!("{video}: ")).unwrap_or_default();
        for warning in warnings.iter().filter(|_| !self.quiet) {
            complain(format_args!("warning: {of}{warning}"));
        }
    }

    /// Prints a line for people, unless they want none.
    pub(crate) fn tell(self, line: impl Display) {
        match self {
            Self { quiet: true, .. } => {}
            Self { stdout_taken: true, .. } => complain(line),
            _ => say(line),
        }
    }
}

/// So many frames, in words.
pub(crate) fn frames(count: u64) -> String {
    format!("{count} frame{}", if count == 1 { "" } else { "s" })
}

/// What the user can do about it.
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

fn error_json(told: &Told) -> Value {
    json!({"error": {"code": told.code, "messages": told.messages}})
}

fn complain_of(video: Option<&str>, told: &Told) {
    let of = video.map(|video| format!("{video}: ")).unwrap_or_default();
    for message in &told.messages {
        // Files are opened by their names, which errors say themselves.
        let of = if video.is_some_and(|video| message.starts_with(video)) { "" } else { of.as_str() };
        complain(format_args!("error: {of}{message}"));
    }
    if let Some(hint) = &told.hint {
        complain(format_args!("hint: {hint}"));
    }
}

/// Prints a line of the result; a closed pipe is no error.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line for people.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
