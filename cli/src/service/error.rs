//! Errors of the service's client, with messages, hints and exit codes.

use std::time::Duration;

use framelift_contract::problem::{FieldError, Problem};
use serde::Deserialize;

/// An error of a call.
#[derive(Debug)]
pub(crate) enum ServiceError {
    /// A wrong value in an argument or a variable.
    Value(String),
    NotLoggedIn {
        server: Option<String>,
    },
    /// The refresh token is no longer valid.
    LoginEnded {
        server: String,
    },
    /// The token from the environment is not valid.
    TokenRefused,
    /// The API has answered with a problem.
    Refused(Box<Refusal>),
    /// The object store has refused a presigned URL, mostly because it has expired.
    UrlExpired,
    /// There was no answer.
    Unreachable {
        server: String,
        reason: String,
    },
    /// An answer that the API or the object store should not give.
    UnexpectedAnswer {
        server: String,
        answer: String,
    },
    /// An error on this machine, mostly of files.
    Local(anyhow::Error),
}

impl From<anyhow::Error> for ServiceError {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(error)
    }
}

/// A problem document. Its code may be one of a later version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) correlation_id: String,
    #[serde(default)]
    pub(crate) errors: Vec<FieldError>,
    /// From the header `Retry-After`.
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
}

/// Exit codes of the service's commands, as in `sysexits.h`.
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const NO_PERMISSION: u8 = 77;

/// The printed form of an error.
pub(crate) struct Explained {
    pub(crate) exit: u8,
    pub(crate) code: String,
    pub(crate) messages: Vec<String>,
    pub(crate) hint: Option<String>,
}

impl ServiceError {
    /// Whether the same request may succeed a little later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::UrlExpired => true,
            // The limit of passwords lasts for minutes, not seconds. Damage is permanent.
            Self::Refused(refusal) if matches!(&*refusal.code, "too-many-attempts" | "result-damaged") => {
                false
            }
            Self::Refused(refusal) => {
                matches!(refusal.status, 502..=504)
                    || matches!(&*refusal.code, "rate-limited" | "idempotency-in-progress")
            }
            _ => false,
        }
    }

    /// How long the service asks to wait. Another URL needs no delay.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::UrlExpired => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// The problem's code, or an empty text for another error.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            _ => "",
        }
    }

    /// The printed form: exit code, error code, messages and a hint.
    pub(crate) fn explain(&self) -> Explained {
        let explained = |exit, code: &str, message: String, hint: Option<String>| Explained {
            exit,
            code: code.to_owned(),
            messages: vec![message],
            hint,
        };
        let login = |server: &Option<String>| {
            let server = server.as_deref().map(|server| format!(" --server {server}"));
            Some(format!("run `framelift login{}`", server.unwrap_or_default()))
        };
        match self {
            Self::Value(message) => explained(64, "invalid-options", message.clone(), None),
            Self::NotLoggedIn { server } => {
                let at = server.as_deref().map(|server| format!(" to {server}")).unwrap_or_default();
                explained(NO_PERMISSION, "not-logged-in", format!("you are not logged in{at}"), login(server))
            }
            Self::LoginEnded { server } => {
                let message = format!("your login to {server} has ended");
                explained(NO_PERMISSION, "login-ended", message, login(&Some(server.clone())))
            }
            Self::TokenRefused => {
                let hint = "an access token is good for an hour: put a new one into FRAMELIFT_TOKEN, or unset it and log in";
                let message = "the service does not take the token in FRAMELIFT_TOKEN".to_owned();
                explained(NO_PERMISSION, "unauthenticated", message, Some(hint.to_owned()))
            }
            Self::Refused(refusal) => refusal.explain(),
            Self::UrlExpired => {
                let message = "the object store refuses the URLs that the service signs".to_owned();
                explained(1, "unexpected-answer", message, Some("run the command again".to_owned()))
            }
            Self::Unreachable { server, reason } => {
                let hint = "check the address and your network, and try again".to_owned();
                let message = format!("{server} does not answer: {reason}");
                explained(UNAVAILABLE, "unreachable", message, Some(hint))
            }
            Self::UnexpectedAnswer { server, answer } => {
                let hint = "check that this is the address of a Framelift service".to_owned();
                explained(1, "unexpected-answer", format!("{server} answered {answer}"), Some(hint))
            }
            Self::Local(error) => explained(1, "io", format!("{error:#}"), None),
        }
    }
}

impl Refusal {
    fn explain(&self) -> Explained {
        let exit = match (self.status, &*self.code) {
            (401, _) | (403, "forbidden") => NO_PERMISSION,
            (502..=504, _) | (_, "rate-limited" | "too-many-attempts") => UNAVAILABLE,
            (422, "validation-failed") | (415, "unsupported-file-format") => 64,
            _ => 1,
        };
        let messages = match &self.errors[..] {
            [] => vec![format!("{}: {}", self.code, self.detail)],
            errors => errors
                .iter()
                .map(|error| format!("{}: {}", crate::options::flag(&error.pointer), error.detail))
                .collect(),
        };
        Explained { exit, code: self.code.clone(), messages, hint: self.hint() }
    }

    fn hint(&self) -> Option<String> {
        let again = || match self.retry_after {
            Some(wait) if wait >= Duration::from_secs(120) => {
                format!("try again in {} minutes", wait.as_secs().div_ceil(60))
            }
            Some(wait) => format!("try again in {} seconds", wait.as_secs().max(2)),
            None => "try again in a moment".to_owned(),
        };
        Some(match &*self.code {
            "unauthenticated" => "run `framelift login`".to_owned(),
            "too-many-attempts" | "rate-limited" | "unavailable" => again(),
            "quota-exceeded" => {
                "wait until videos of yours are done, or cancel some: `framelift list` shows them".to_owned()
            }
            "storage-quota-exceeded" => "remove videos that you no longer need: `framelift rm ID`".to_owned(),
            "file-too-large" => "cut the video into shorter ones".to_owned(),
            "unsupported-file-format" => "rename the file if it is a video, or put it into an MP4".to_owned(),
            "video-not-found" | "video-not-owned" => {
                "`framelift list` shows your videos and their ids".to_owned()
            }
            "processing-not-finished" => "`framelift watch ID` waits for its end".to_owned(),
            "result-expired" => "`framelift run ID` makes it again".to_owned(),
            "source-expired" => "upload the file again".to_owned(),
            "webhook-not-set" => "`framelift account webhook set URL` sets one".to_owned(),
            "internal" | "record-damaged" => {
                format!("please report it to those who run the service, with the id {}", self.correlation_id)
            }
            _ => return None,
        })
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let Problem { title, status, detail, code, correlation_id, errors, .. } = problem;
        let code = code.as_str().to_owned();
        Self { status, code, title, detail, correlation_id, errors, retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use framelift_contract::problem::ProblemCode;

    use super::*;

    fn refused(code: ProblemCode) -> ServiceError {
        ServiceError::Refused(Box::new(Problem::new(code, "it is so", "c-1").into()))
    }

    #[test]
    fn every_problem_has_an_exit_code_and_its_words() {
        for code in ProblemCode::ALL {
            let told = refused(*code).explain();
            assert!([1, 64, UNAVAILABLE, NO_PERMISSION].contains(&told.exit), "{}", told.exit);
            assert_eq!(told.messages, [format!("{}: it is so", code.as_str())]);
        }
        assert_eq!(refused(ProblemCode::InvalidCredentials).explain().exit, NO_PERMISSION);
        assert_eq!(refused(ProblemCode::Unavailable).explain().exit, UNAVAILABLE);
        assert_eq!(refused(ProblemCode::VideoNotFound).explain().exit, 1);
        assert!(refused(ProblemCode::Internal).explain().hint.unwrap().contains("c-1"));
    }

    #[test]
    fn temporary_errors_are_distinguished() {
        for code in ProblemCode::ALL {
            let temporary =
                ["unavailable", "rate-limited", "idempotency-in-progress"].contains(&code.as_str());
            assert_eq!(refused(*code).is_temporary(), temporary, "{}", code.as_str());
        }
    }

    #[test]
    fn field_errors_name_their_flags() {
        let mut refusal = Refusal::from(Problem::new(ProblemCode::ValidationFailed, "x", "c"));
        refusal.errors = vec![FieldError::new("/options/select/every", "must be a duration")];
        let told = ServiceError::Refused(Box::new(refusal)).explain();
        assert_eq!((told.exit, &*told.messages), (64, &["--every: must be a duration".to_owned()][..]));
    }

    #[test]
    fn waiting_times_are_shown_in_readable_units() {
        let hint = |seconds| {
            let mut refusal = Refusal::from(Problem::new(ProblemCode::TooManyAttempts, "x", "c"));
            refusal.retry_after = Some(Duration::from_secs(seconds));
            refusal.hint().unwrap()
        };
        assert_eq!(
            (hint(0), hint(90), hint(700)),
            (
                "try again in 2 seconds".into(),
                "try again in 90 seconds".into(),
                "try again in 12 minutes".into()
            )
        );
    }
}
