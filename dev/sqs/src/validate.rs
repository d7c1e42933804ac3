//! What a queue's name, a message and a batch may look like.

use std::collections::HashSet;

use crate::{
    error::{ApiError, Code},
    settings::{MAX_DELAY, MAX_MESSAGE},
    wire::{AttributeValue, Attributes, BatchEntry, Outgoing},
};

const MAX_BATCH: usize = 10;
const MAX_ATTRIBUTES: usize = 10;

/// A queue's name: up to 80 letters, digits, hyphens and underscores.
pub(crate) fn queue_name(name: &str) -> Result<(), ApiError> {
    if name.ends_with(".fifo") {
        return Err(ApiError::new(
            Code::UnsupportedOperation,
            "FIFO queues are not supported by this server.",
        ));
    }
    if is_token(name, 80, b"-_") {
        Ok(())
    } else {
        Err(ApiError::new(
            Code::InvalidParameterValue,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ))
    }
}

/// An integer that may be absent.
pub(crate) fn range(
    parameter: &str,
    value: Option<i64>,
    low: i64,
    high: i64,
) -> Result<Option<i64>, ApiError> {
    match value {
        Some(number) if !(low..=high).contains(&number) => Err(ApiError::invalid(
            parameter,
            number,
            &format!("Must be between {low} and {high}, if provided."),
        )),
        other => Ok(other),
    }
}

/// Checks a message on its own; its size is for [`size`].
pub(crate) fn message(message: &Outgoing) -> Result<(), ApiError> {
    let body = message.message_body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(ApiError::missing("MessageBody"));
    }
    if !body.chars().all(allowed) {
        return Err(ApiError::new(
            Code::InvalidMessageContents,
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
             #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    range("DelaySeconds", message.delay_seconds, 0, MAX_DELAY)?;
    if message.message_deduplication_id.is_some() {
        return Err(ApiError::new(
            Code::InvalidParameterValue,
            "The request includes parameter MessageDeduplicationId, which is not valid for this \
             queue type",
        ));
    }
    if let Some(group) = &message.message_group_id
        && (group.is_empty() || group.len() > 128 || !group.bytes().all(|c| c.is_ascii_graphic()))
    {
        return Err(ApiError::invalid(
            "MessageGroupId",
            group,
            "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 \
             in length.",
        ));
    }
    if message.message_attributes.len() > MAX_ATTRIBUTES {
        return Err(ApiError::new(
            Code::InvalidParameterValue,
            format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].",
                message.message_attributes.len()
            ),
        ));
    }
    for (name, value) in &message.message_attributes {
        attribute_name(name)?;
        attribute_value(name, value)?;
    }
    for (name, value) in &message.message_system_attributes {
        if name != "AWSTraceHeader" || value.data_type != "String" {
            return Err(ApiError::new(
                Code::InvalidParameterValue,
                "The only message system attribute is AWSTraceHeader, a String.",
            ));
        }
        attribute_value(name, value)?;
    }
    Ok(())
}

/// Bytes of a message as the quota counts them: body and attributes, not system attributes.
pub(crate) fn size(message: &Outgoing) -> usize {
    let attributes: usize = message
        .message_attributes
        .iter()
        .map(|(name, value)| {
            name.len()
                + value.data_type.len()
                + value.string_value.as_ref().map_or(0, String::len)
                + value.binary_value.as_ref().map_or(0, |blob| blob.0.len())
        })
        .sum();
    message.message_body.as_ref().map_or(0, String::len) + attributes
}

/// Checks the number and the ids of a batch's entries.
pub(crate) fn batch<T>(entries: &[BatchEntry<T>]) -> Result<(), ApiError> {
    if entries.is_empty() {
        return Err(ApiError::new(
            Code::EmptyBatchRequest,
            "There should be at least one entry in the request.",
        ));
    }
    if entries.len() > MAX_BATCH {
        return Err(ApiError::new(
            Code::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {MAX_BATCH}. You have sent {}.",
                entries.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        let id = entry.id.as_deref().unwrap_or_default();
        if !is_token(id, 80, b"-_") {
            return Err(ApiError::new(
                Code::InvalidBatchEntryId,
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(ApiError::new(Code::BatchEntryIdsNotDistinct, format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// Checks the sum of a batch's messages.
pub(crate) fn batch_size(entries: &[BatchEntry<Outgoing>]) -> Result<(), ApiError> {
    let total: usize = entries.iter().map(|entry| size(&entry.item)).sum();
    if i64::try_from(total).is_ok_and(|total| total <= MAX_MESSAGE) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::BatchRequestTooLong,
        format!("Batch requests cannot be longer than {MAX_MESSAGE} bytes. You have sent {total} bytes."),
    ))
}

/// The attributes that a receiver asked for.
pub(crate) fn wanted_attributes(attributes: Attributes, names: &[String]) -> Attributes {
    attributes
        .into_iter()
        .filter(|(name, _)| {
            names.iter().any(|wanted| match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => wanted == "All" || wanted == name,
            })
        })
        .collect()
}

fn is_token(text: &str, longest: usize, punctuation: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(&c))
}

fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn attribute_name(name: &str) -> Result<(), ApiError> {
    let lower = name.to_ascii_lowercase();
    let good = is_token(name, 256, b"-_.")
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if good {
        return Ok(());
    }
    Err(ApiError::new(
        Code::InvalidParameterValue,
        format!(
            "Invalid message attribute name '{name}': 1 to 256 letters, digits, hyphens, \
             underscores and single periods, and not starting with AWS. or Amazon."
        ),
    ))
}

fn attribute_value(name: &str, value: &AttributeValue) -> Result<(), ApiError> {
    let wrong = |reason: &str| {
        Err(ApiError::new(
            Code::InvalidParameterValue,
            format!("The message attribute '{name}' is invalid. Reason: {reason}"),
        ))
    };
    if value.data_type.len() > 256 {
        return wrong("The data type is longer than 256 bytes.");
    }
    let kind = value.data_type.split('.').next().unwrap_or_default();
    match (kind, &value.string_value, &value.binary_value) {
        ("String", Some(text), None) if !text.is_empty() => {
            if text.chars().all(allowed) {
                Ok(())
            } else {
                wrong("It contains characters that are not allowed.")
            }
        }
        ("Number", Some(text), None) if text.parse::<f64>().is_ok_and(f64::is_finite) => Ok(()),
        ("Number", Some(_), None) => wrong("Its value cannot be cast to a number."),
        ("Binary", None, Some(blob)) if !blob.0.is_empty() => Ok(()),
        ("String" | "Number" | "Binary", ..) => {
            wrong("It must have one value, not empty, of the kind that its data type says.")
        }
        _ => wrong("Its data type must start with String, Number or Binary."),
    }
}

#[cfg(test)]
mod tests;
