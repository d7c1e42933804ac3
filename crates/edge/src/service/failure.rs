//! Maps errors of operations to problem documents.

use crate::http::Failure;
use crate::jobs::JobError;

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let failure = match &error {
            JobError::Unavailable(unavailable) => return unavailable.clone().into(),
            JobError::Damaged(damaged) => return damaged.clone().into(),
            JobError::AccountClosed => {
                return Self::unauthenticated("the account of this access token does not exist any more");
            }
            JobError::BadCursor => return Self::field("?cursor", "is not a cursor of this list"),
            JobError::OptionsTooLarge { .. } => return Self::field("/options", error.to_string()),
            JobError::PluginsRefused(errors) => Self::validation(errors.clone()).within("/options"),
            _ => Self::new(error.code(), error.to_string()),
        };
        match error.retry_after_s() {
            Some(seconds) => failure.retry_after(seconds),
            None => failure,
        }
    }
}
