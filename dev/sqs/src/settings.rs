//! A queue's own attributes: defaults, what may be set, and how they are shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, Code};

/// Largest message, and largest sum of a batch, in bytes.
pub(crate) const MAX_MESSAGE: i64 = 1 << 20;
/// Longest visibility timeout, in seconds.
pub(crate) const MAX_VISIBILITY: i64 = 12 * 60 * 60;
/// Longest delay, in seconds.
pub(crate) const MAX_DELAY: i64 = 900;

/// Settable attributes; seconds and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) delay: i64,
    pub(crate) maximum_message_size: i64,
    pub(crate) retention: i64,
    pub(crate) receive_wait: i64,
    pub(crate) visibility_timeout: i64,
    pub(crate) redrive: Option<Redrive>,
    /// Shown as it was set; nothing is encrypted here.
    pub(crate) managed_sse: bool,
}

/// When messages leave for the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redrive {
    pub(crate) dead_letter_target_arn: String,
    pub(crate) max_receive_count: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: 0,
            maximum_message_size: MAX_MESSAGE,
            retention: 4 * 24 * 60 * 60,
            receive_wait: 0,
            visibility_timeout: 30,
            redrive: None,
            managed_sse: true,
        }
    }
}

impl Settings {
    /// Takes over the attributes of a request; on an error nothing may be used.
    pub(crate) fn apply(&mut self, attributes: &BTreeMap<String, String>) -> Result<(), ApiError> {
        for (name, value) in attributes {
            let number = |low, high| integer(name, value, low, high);
            match name.as_str() {
                "DelaySeconds" => self.delay = number(0, MAX_DELAY)?,
                "MaximumMessageSize" => self.maximum_message_size = number(1024, MAX_MESSAGE)?,
                "MessageRetentionPeriod" => self.retention = number(60, 14 * 24 * 60 * 60)?,
                "ReceiveMessageWaitTimeSeconds" => self.receive_wait = number(0, 20)?,
                "VisibilityTimeout" => self.visibility_timeout = number(0, MAX_VISIBILITY)?,
                "RedrivePolicy" => self.redrive = redrive(value)?,
                "SqsManagedSseEnabled" => {
                    self.managed_sse = value
                        .parse()
                        .map_err(|_| ApiError::invalid(name, value, "Must be true or false."))?;
                }
                "FifoQueue"
                | "ContentBasedDeduplication"
                | "DeduplicationScope"
                | "FifoThroughputLimit"
                | "Policy"
                | "KmsMasterKeyId"
                | "KmsDataKeyReusePeriodSeconds"
                | "RedriveAllowPolicy" => {
                    return Err(ApiError::new(
                        Code::UnsupportedOperation,
                        format!("The attribute {name} is not supported by this server."),
                    ));
                }
                _ => return Err(unknown(name)),
            }
        }
        Ok(())
    }

    /// The settable attributes as they are shown.
    pub(crate) fn shown(&self) -> BTreeMap<&'static str, String> {
        let mut shown = BTreeMap::from([
            ("DelaySeconds", self.delay.to_string()),
            ("MaximumMessageSize", self.maximum_message_size.to_string()),
            ("MessageRetentionPeriod", self.retention.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.receive_wait.to_string()),
            ("VisibilityTimeout", self.visibility_timeout.to_string()),
            ("SqsManagedSseEnabled", self.managed_sse.to_string()),
        ]);
        if let Some(redrive) = &self.redrive
            && let Ok(policy) = serde_json::to_string(redrive)
        {
            shown.insert("RedrivePolicy", policy);
        }
        shown
    }
}

/// Names that `GetQueueAttributes` may ask for.
pub(crate) fn is_queue_attribute(name: &str) -> bool {
    matches!(
        name,
        "All"
            | "ApproximateNumberOfMessages"
            | "ApproximateNumberOfMessagesDelayed"
            | "ApproximateNumberOfMessagesNotVisible"
            | "ContentBasedDeduplication"
            | "CreatedTimestamp"
            | "DeduplicationScope"
            | "DelaySeconds"
            | "FifoQueue"
            | "FifoThroughputLimit"
            | "KmsDataKeyReusePeriodSeconds"
            | "KmsMasterKeyId"
            | "LastModifiedTimestamp"
            | "MaximumMessageSize"
            | "MessageRetentionPeriod"
            | "Policy"
            | "QueueArn"
            | "ReceiveMessageWaitTimeSeconds"
            | "RedriveAllowPolicy"
            | "RedrivePolicy"
            | "SqsManagedSseEnabled"
            | "VisibilityTimeout"
    )
}

pub(crate) fn unknown(name: &str) -> ApiError {
    ApiError::new(Code::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

fn integer(name: &str, value: &str, low: i64, high: i64) -> Result<i64, ApiError> {
    value.parse().ok().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
        ApiError::new(
            Code::InvalidAttributeValue,
            format!(
                "Invalid value for the parameter {name}. Reason: Must be an integer from \
                     {low} to {high}."
            ),
        )
    })
}

/// Reads a redrive policy; an empty one removes it. Whether the target exists is for the
/// caller to see.
fn redrive(value: &str) -> Result<Option<Redrive>, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Policy {
        dead_letter_target_arn: Option<String>,
        max_receive_count: Option<serde_json::Value>,
    }
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str| ApiError::invalid("RedrivePolicy", value, reason);
    let policy: Policy =
        serde_json::from_str(value).map_err(|_| wrong("Redrive policy is not a valid JSON map."))?;
    let arn = policy
        .dead_letter_target_arn
        .ok_or_else(|| wrong("Redrive policy does not contain mandatory attribute: deadLetterTargetArn."))?;
    let count = policy
        .max_receive_count
        .ok_or_else(|| wrong("Redrive policy does not contain mandatory attribute: maxReceiveCount."))?;
    // AWS takes the number bare or quoted.
    let count = match &count {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    match count {
        Some(max_receive_count @ 1..=1000) => {
            Ok(Some(Redrive { dead_letter_target_arn: arn, max_receive_count }))
        }
        _ => Err(wrong("Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, value: &str) -> Result<Settings, Code> {
        let mut settings = Settings::default();
        settings
            .apply(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
            .map(|()| settings)
            .map_err(|error| error.code)
    }

    #[test]
    fn keeps_to_the_ranges() {
        for (name, low, high) in [
            ("DelaySeconds", 0, 900),
            ("MaximumMessageSize", 1024, 1_048_576),
            ("MessageRetentionPeriod", 60, 1_209_600),
            ("ReceiveMessageWaitTimeSeconds", 0, 20),
            ("VisibilityTimeout", 0, 43_200),
        ] {
            for good in [low, high] {
                let shown = apply(name, &good.to_string()).unwrap().shown();
                assert_eq!(shown[name], good.to_string());
            }
            for bad in [low - 1, high + 1] {
                assert_eq!(apply(name, &bad.to_string()), Err(Code::InvalidAttributeValue));
            }
            assert_eq!(apply(name, "soon"), Err(Code::InvalidAttributeValue));
        }
    }

    #[test]
    fn reads_a_redrive_policy() {
        let good = r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":"5"}"#;
        let shown = apply("RedrivePolicy", good).unwrap().shown();
        assert_eq!(shown["RedrivePolicy"], r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":5}"#);
        assert_eq!(apply("RedrivePolicy", "").unwrap().redrive, None);
        for bad in [
            "5",
            "{}",
            r#"{"deadLetterTargetArn":"a:b"}"#,
            r#"{"maxReceiveCount":5}"#,
            r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":0}"#,
            r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":1001}"#,
            r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":5,"more":1}"#,
        ] {
            assert_eq!(apply("RedrivePolicy", bad), Err(Code::InvalidParameterValue));
        }
    }

    #[test]
    fn refuses_what_it_does_not_have() {
        assert_eq!(apply("FifoQueue", "true"), Err(Code::UnsupportedOperation));
        assert_eq!(apply("Colour", "red"), Err(Code::InvalidAttributeName));
        assert_eq!(apply("QueueArn", "arn"), Err(Code::InvalidAttributeName));
        assert_eq!(apply("SqsManagedSseEnabled", "yes"), Err(Code::InvalidParameterValue));
    }
}
