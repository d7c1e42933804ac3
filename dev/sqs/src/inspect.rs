//! Lets tests inspect and change queues without a request, so without signatures and faults.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row};

use crate::{SqsServer, error::ApiError, store::Store};

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its text.
    pub body: String,
    /// Its `MessageGroupId`; empty without one.
    pub group: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When it was received last, in milliseconds since 1970.
    pub received_ms: Option<i64>,
    /// When it can be received next, in milliseconds since 1970.
    pub visible_ms: i64,
    /// How often it was received.
    pub receive_count: i64,
}

impl StoredMessage {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            body: row.get("body")?,
            group: row.get("group_key")?,
            sent_ms: row.get("sent_ms")?,
            received_ms: row.get("last_receive_ms")?,
            visible_ms: row.get("visible_ms")?,
            receive_count: row.get("receive_count")?,
        })
    }
}

impl Store {
    fn messages(&mut self, queue: &str) -> Result<Vec<StoredMessage>, ApiError> {
        let mut select = self.connection.prepare_cached(
            "SELECT messages.* FROM messages JOIN queues ON queues.id = queue_id
             WHERE queues.name = ?1 ORDER BY seq",
        )?;
        let rows = select.query_map([queue], StoredMessage::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn lose_message(&mut self, queue: &str, unless: &str) -> Result<Option<String>, ApiError> {
        let lost = self.connection.query_row(
            "DELETE FROM messages WHERE seq = (
                 SELECT min(seq) FROM messages JOIN queues ON queues.id = queue_id
                 WHERE queues.name = ?1 AND receive_count = 0 AND instr(body, ?2) = 0)
             RETURNING body",
            [queue, unless],
            |row| row.get(0),
        );
        Ok(lost.optional()?)
    }

    fn delay_message(&mut self, queue: &str, by_ms: i64) -> Result<bool, ApiError> {
        let changed = self.connection.execute(
            "UPDATE messages SET visible_ms = max(visible_ms, sent_ms) + ?2 WHERE seq = (
                 SELECT min(seq) FROM messages JOIN queues ON queues.id = queue_id
                 WHERE queues.name = ?1 AND receive_count = 0)",
            rusqlite::params![queue, by_ms],
        )?;
        Ok(changed > 0)
    }
}

/// The server's answer to an operation of a test's own was an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl SqsServer {
    /// The queue's messages in the order in which they were sent, also those that a consumer has received; none in a
    /// queue that does not exist.
    ///
    /// # Errors
    /// The store fails.
    pub async fn messages(&self, queue: &str) -> Result<Vec<StoredMessage>, Refused> {
        let queue = queue.to_owned();
        let found = self.service.db.run(move |store| store.messages(&queue)).await;
        found.map_err(|error| Refused(error.to_string()))
    }

    /// Loses the oldest message that was never received and whose text does not contain `unless`. Returns
    /// its text, or none where there is no such message.
    ///
    /// # Errors
    /// The store fails.
    pub async fn lose_message(&self, queue: &str, unless: &str) -> Result<Option<String>, Refused> {
        let (queue, part) = (queue.to_owned(), unless.to_owned());
        let lost = self.service.db.run(move |store| store.lose_message(&queue, &part)).await;
        lost.map_err(|error| Refused(error.to_string()))
    }

    /// Lets the oldest message that was never received become visible so much later, so that later ones
    /// overtake it. Returns whether there was one.
    ///
    /// # Errors
    /// The store fails.
    pub async fn delay_message(&self, queue: &str, by: Duration) -> Result<bool, Refused> {
        let (queue, by_ms) = (queue.to_owned(), i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        let held = self.service.db.run(move |store| store.delay_message(&queue, by_ms)).await;
        held.map_err(|error| Refused(error.to_string()))
    }

    /// Creates a queue with the default attributes.
    ///
    /// # Errors
    /// There is one with other attributes, or the store fails.
    pub async fn create_queue(&self, name: &str) -> Result<(), Refused> {
        self.call("CreateQueue", &serde_json::json!({ "QueueName": name })).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The queue does not exist or does not take it.
    pub async fn send(&self, queue: &str, body: &str) -> Result<(), Refused> {
        let message = serde_json::json!({ "QueueUrl": self.queue_url(queue), "MessageBody": body });
        self.call("SendMessage", &message).await
    }

    async fn call(&self, operation: &str, body: &serde_json::Value) -> Result<(), Refused> {
        let answer = self.service.answer(operation, body.to_string().as_bytes(), &self.endpoint()).await;
        answer.map(drop).map_err(|error| Refused(error.to_string()))
    }
}
