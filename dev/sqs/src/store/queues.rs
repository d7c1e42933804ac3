//! Queues in the store: making, finding, changing, counting, emptying.

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params, types::Type};

use super::Store;
use crate::{
    error::{ApiError, Code},
    naming::Naming,
    settings::Settings,
};

/// A queue as stored.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
}

/// How many messages a queue holds, by what a receiver can do with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: i64,
    pub(crate) in_flight: i64,
    pub(crate) delayed: i64,
}

impl Queue {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let settings: String = row.get("settings")?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            settings: serde_json::from_str(&settings)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?,
            created_ms: row.get("created_ms")?,
            modified_ms: row.get("modified_ms")?,
        })
    }

    pub(super) fn find(transaction: &Transaction<'_>, name: &str) -> Result<Self, ApiError> {
        Self::find_if_any(transaction, name)?.ok_or_else(ApiError::no_queue)
    }

    pub(super) fn find_if_any(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<Self>> {
        transaction
            .prepare_cached("SELECT * FROM queues WHERE name = ?1")?
            .query_row([name], Self::read)
            .optional()
    }

    /// Removes what is older than the retention period.
    pub(super) fn expire(&self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
        let oldest = now - self.settings.retention * 1000;
        transaction
            .prepare_cached("DELETE FROM messages WHERE queue_id = ?1 AND sent_ms <= ?2")?
            .execute([self.id, oldest])?;
        Ok(())
    }
}

impl Store {
    /// Makes a queue, or finds the one of that name. `change` turns the settings that there
    /// are (or the defaults) into those asked for; an existing queue must have them already.
    pub(crate) fn create_queue(
        &mut self,
        name: &str,
        now: i64,
        change: impl FnOnce(&mut Settings) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let transaction = self.connection.transaction()?;
        let existing = Queue::find_if_any(&transaction, name)?;
        let mut settings = existing.as_ref().map_or_else(Settings::default, |queue| queue.settings.clone());
        change(&mut settings)?;
        if let Some(queue) = existing {
            if queue.settings == settings {
                return Ok(());
            }
            return Err(ApiError::new(
                Code::QueueNameExists,
                "A queue already exists with the same name and a different value for an attribute",
            ));
        }
        check_redrive(&transaction, &self.naming, name, &settings)?;
        transaction.execute(
            "INSERT INTO queues (name, settings, created_ms, modified_ms) VALUES (?1, ?2, ?3, ?3)",
            params![name, to_json(&settings)?, now],
        )?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn set_attributes(
        &mut self,
        name: &str,
        now: i64,
        change: impl FnOnce(&mut Settings) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let transaction = self.connection.transaction()?;
        let mut queue = Queue::find(&transaction, name)?;
        let before = queue.settings.redrive.clone();
        change(&mut queue.settings)?;
        // A target that has gone since is no reason to refuse another attribute.
        if queue.settings.redrive != before {
            check_redrive(&transaction, &self.naming, name, &queue.settings)?;
        }
        transaction.execute(
            "UPDATE queues SET settings = ?2, modified_ms = ?3 WHERE id = ?1",
            params![queue.id, to_json(&queue.settings)?, now],
        )?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn find_queue(&mut self, name: &str) -> Result<Queue, ApiError> {
        Queue::find(&self.connection.transaction()?, name)
    }

    /// Names that start with `prefix` and come after `after`, in order, at most `limit`.
    pub(crate) fn queue_names(
        &mut self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, ApiError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name FROM queues
             WHERE substr(name, 1, length(?1)) = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        )?;
        let names = statement.query_map(params![prefix, after, limit], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    pub(crate) fn delete_queue(&mut self, name: &str) -> Result<(), ApiError> {
        let deleted = self.connection.execute("DELETE FROM queues WHERE name = ?1", [name])?;
        if deleted == 0 {
            return Err(ApiError::no_queue());
        }
        Ok(())
    }

    pub(crate) fn purge_queue(&mut self, name: &str) -> Result<(), ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, name)?;
        transaction.execute("DELETE FROM messages WHERE queue_id = ?1", [queue.id])?;
        Ok(transaction.commit()?)
    }

    /// A queue with its numbers, without what is past its retention.
    pub(crate) fn describe_queue(&mut self, name: &str, now: i64) -> Result<(Queue, Counts), ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, name)?;
        queue.expire(&transaction, now)?;
        let counts = transaction
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE visible_ms <= :now),
                        count(*) FILTER (WHERE visible_ms > :now AND receive_count > 0),
                        count(*) FILTER (WHERE visible_ms > :now AND receive_count = 0)
                 FROM messages WHERE queue_id = :queue",
            )?
            .query_row(named_params! {":now": now, ":queue": queue.id}, |row| {
                Ok(Counts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
            })?;
        transaction.commit()?;
        Ok((queue, counts))
    }
}

/// The dead-letter queue must be here, and another one.
fn check_redrive(
    transaction: &Transaction<'_>,
    naming: &Naming,
    queue: &str,
    settings: &Settings,
) -> Result<(), ApiError> {
    let Some(redrive) = &settings.redrive else {
        return Ok(());
    };
    let arn = &redrive.dead_letter_target_arn;
    let wrong = |reason| Err(ApiError::invalid("RedrivePolicy", arn, reason));
    match naming.queue_of_arn(arn) {
        Some(target) if target == queue => wrong("A queue cannot be its own dead letter target."),
        Some(target) if Queue::find_if_any(transaction, target)?.is_some() => Ok(()),
        _ => wrong("Dead letter target does not exist."),
    }
}

fn to_json(settings: &Settings) -> Result<String, ApiError> {
    serde_json::to_string(settings).map_err(|error| {
        tracing::error!(%error, "queue attributes cannot be written");
        ApiError::internal()
    })
}
