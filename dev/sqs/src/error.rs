//! The errors of the service as AWS writes them, and why a server does not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be made.
    #[error("cannot use the folder {path}: {source}")]
    Folder {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the file.
    #[error("the queue's file {path} is in use by another server")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by another version of this server.
    #[error("the queue's file {path} has the layout {version}, which this version does not know")]
    Version {
        /// The database file.
        path: PathBuf,
        /// The layout found.
        version: i64,
    },
    /// The system gave no thread.
    #[error("cannot start the queue's thread: {0}")]
    Thread(io::Error),
    /// The file is not one of ours, damaged, or on a full disk.
    #[error("cannot open the queue's file {path}: {source}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(&'static str),
}

/// The errors that the service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InternalFailure,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidClientTokenId,
    InvalidMessageContents,
    InvalidParameterValue,
    MessageNotInflight,
    MissingAuthenticationToken,
    MissingParameter,
    OverLimit,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestTooLarge,
    Serialization,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    TooManyEntriesInBatchRequest,
    UnknownOperation,
    UnsupportedOperation,
}

/// How one error looks on the wire.
pub(crate) struct Shape {
    /// `__type` of the JSON body.
    pub(crate) json: &'static str,
    /// Code of the older query protocol, which SDKs show to their callers.
    pub(crate) query: &'static str,
    /// HTTP status.
    pub(crate) status: u16,
}

impl Code {
    pub(crate) fn shape(self) -> Shape {
        let (json, query, status) = match self {
            Self::BatchEntryIdsNotDistinct => (
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                400,
            ),
            Self::BatchRequestTooLong => {
                ("com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400)
            }
            Self::EmptyBatchRequest => {
                ("com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400)
            }
            Self::InternalFailure => ("com.amazon.coral.service#InternalFailure", "InternalError", 500),
            Self::InvalidAttributeName => {
                ("com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", 400)
            }
            Self::InvalidAttributeValue => {
                ("com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", 400)
            }
            Self::InvalidBatchEntryId => {
                ("com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400)
            }
            Self::InvalidClientTokenId => {
                ("com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", 403)
            }
            Self::InvalidMessageContents => {
                ("com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", 400)
            }
            Self::InvalidParameterValue => {
                ("com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400)
            }
            Self::MessageNotInflight => {
                ("com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400)
            }
            Self::MissingAuthenticationToken => (
                "com.amazon.coral.service#MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                403,
            ),
            Self::MissingParameter => {
                ("com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400)
            }
            Self::OverLimit => ("com.amazonaws.sqs#OverLimit", "OverLimit", 403),
            Self::QueueDoesNotExist => {
                ("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400)
            }
            Self::QueueNameExists => ("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400),
            Self::ReceiptHandleIsInvalid => {
                ("com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400)
            }
            Self::RequestTooLarge => {
                ("com.amazon.coral.service#RequestEntityTooLargeException", "RequestEntityTooLarge", 413)
            }
            Self::Serialization => ("com.amazon.coral.service#SerializationException", "MalformedInput", 400),
            Self::ServiceUnavailable => {
                ("com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable", 503)
            }
            Self::SignatureDoesNotMatch => {
                ("com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", 403)
            }
            Self::TooManyEntriesInBatchRequest => (
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                400,
            ),
            Self::UnknownOperation => {
                ("com.amazon.coral.service#UnknownOperationException", "InvalidAction", 400)
            }
            Self::UnsupportedOperation => {
                ("com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400)
            }
        };
        Shape { json, query, status }
    }
}

/// One error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub(crate) struct ApiError {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A parameter that the request must have and has not.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(Code::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    /// A parameter with a value that is not allowed.
    pub(crate) fn invalid(parameter: &str, value: impl std::fmt::Display, reason: &str) -> Self {
        Self::new(
            Code::InvalidParameterValue,
            format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"),
        )
    }

    pub(crate) fn no_queue() -> Self {
        Self::new(Code::QueueDoesNotExist, "The specified queue does not exist.")
    }

    pub(crate) fn internal() -> Self {
        Self::new(Code::InternalFailure, "The request processing has failed because of an unknown error.")
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(error = %error, "the queue's file cannot be read or written");
        Self::internal()
    }
}
