//! Messages in the store: sending, deleting, and changing how long they stay hidden.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Queue, Store};
use crate::{
    error::{ApiError, Code},
    settings::MAX_VISIBILITY,
};

/// A message that passed every check.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    pub(crate) message_id: String,
    pub(crate) body: String,
    /// JSON of the message attributes.
    pub(crate) attributes: String,
    pub(crate) trace_header: Option<String>,
    pub(crate) group: Option<String>,
    /// Seconds; the queue's own delay when absent.
    pub(crate) delay: Option<i64>,
    /// Bytes, for the queue's own limit.
    pub(crate) size: usize,
}

/// What a receipt handle holds: the queue and the message it was received from, and which
/// receive it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) queue_id: i64,
    pub(crate) seq: i64,
    pub(crate) receipt: String,
}

/// A new visibility timeout for one message.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) handle: Handle,
    /// Seconds from now.
    pub(crate) timeout: i64,
}

impl Handle {
    /// The handle as clients see it.
    pub(crate) fn encode(&self) -> String {
        let Self { queue_id, seq, receipt } = self;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{queue_id}:{seq}:{receipt}"))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, ApiError> {
        let parse = || {
            let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let mut parts = text.splitn(3, ':');
            Some(Self {
                queue_id: parts.next()?.parse().ok()?,
                seq: parts.next()?.parse().ok()?,
                receipt: parts.next()?.to_owned(),
            })
        };
        parse().ok_or_else(|| {
            ApiError::new(
                Code::ReceiptHandleIsInvalid,
                format!("The input receipt handle \"{text}\" is not a valid receipt handle."),
            )
        })
    }

    fn check(&self, queue: &Queue) -> Result<(), ApiError> {
        if self.queue_id == queue.id {
            return Ok(());
        }
        Err(ApiError::new(
            Code::ReceiptHandleIsInvalid,
            "The input receipt handle is not valid for this queue.",
        ))
    }
}

impl Store {
    /// Stores messages, each for itself: one that is refused does not stop the others. All of
    /// them are on the disk when this returns.
    pub(crate) fn send(
        &mut self,
        queue: &str,
        messages: Vec<NewMessage>,
        now: i64,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, queue)?;
        let results =
            messages.into_iter().map(|message| insert(&transaction, &queue, message, now)).collect();
        transaction.commit()?;
        Ok(results)
    }

    /// Deletes messages by their latest receipts, each for itself; an older receipt, or one of
    /// a message that has gone, changes nothing.
    pub(crate) fn delete(
        &mut self,
        queue: &str,
        handles: Vec<Handle>,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, queue)?;
        let results = handles
            .iter()
            .map(|handle| {
                handle.check(&queue)?;
                transaction
                    .prepare_cached("DELETE FROM messages WHERE seq = ?1 AND queue_id = ?2 AND receipt = ?3")?
                    .execute(params![handle.seq, queue.id, handle.receipt])?;
                Ok(())
            })
            .collect();
        transaction.commit()?;
        Ok(results)
    }

    /// Hides messages that are in flight for a new while, each for itself.
    pub(crate) fn change_visibility(
        &mut self,
        queue: &str,
        changes: Vec<Change>,
        now: i64,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, queue)?;
        let results =
            changes.into_iter().map(|change| change_one(&transaction, &queue, &change, now)).collect();
        transaction.commit()?;
        Ok(results)
    }
}

fn insert(
    transaction: &Transaction<'_>,
    queue: &Queue,
    message: NewMessage,
    now: i64,
) -> Result<(), ApiError> {
    let limit = queue.settings.maximum_message_size;
    if i64::try_from(message.size).map_or(true, |size| size > limit) {
        return Err(ApiError::new(
            Code::InvalidParameterValue,
            format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {} bytes.",
                limit + 1
            ),
        ));
    }
    let delay = message.delay.unwrap_or(queue.settings.delay);
    transaction
        .prepare_cached(
            "INSERT INTO messages
                 (queue_id, message_id, body, attributes, trace_header, group_key, sent_ms, visible_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            queue.id,
            message.message_id,
            message.body,
            message.attributes,
            message.trace_header,
            message.group.unwrap_or_default(),
            now,
            now + delay * 1000,
        ])?;
    Ok(())
}

fn change_one(
    transaction: &Transaction<'_>,
    queue: &Queue,
    change: &Change,
    now: i64,
) -> Result<(), ApiError> {
    let Change { handle, timeout } = change;
    handle.check(queue)?;
    let found: Option<(Option<String>, i64, Option<i64>)> = transaction
        .prepare_cached(
            "SELECT receipt, visible_ms, last_receive_ms FROM messages
             WHERE seq = ?1 AND queue_id = ?2",
        )?
        .query_row([handle.seq, queue.id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((receipt, visible, received)) = found else {
        return Err(ApiError::invalid(
            "ReceiptHandle",
            &handle.receipt,
            "Message does not exist or is not available for visibility timeout change.",
        ));
    };
    if receipt.as_ref() != Some(&handle.receipt) || visible <= now {
        return Err(ApiError::new(Code::MessageNotInflight, "The specified message isn't in flight."));
    }
    let until = now + timeout * 1000;
    if until > received.unwrap_or(now) + MAX_VISIBILITY * 1000 {
        return Err(ApiError::invalid(
            "VisibilityTimeout",
            timeout,
            "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
        ));
    }
    transaction
        .prepare_cached("UPDATE messages SET visible_ms = ?2 WHERE seq = ?1")?
        .execute([handle.seq, until])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_go_both_ways() {
        let handle = Handle { queue_id: 3, seq: 41, receipt: "f00".to_owned() };
        assert_eq!(Handle::decode(&handle.encode()), Ok(handle));
        for bad in ["", "!", "AAAA", "MTox", "eDoxOnk"] {
            let error = Handle::decode(bad).unwrap_err();
            assert_eq!(error.code, Code::ReceiptHandleIsInvalid, "{bad}");
        }
    }
}
