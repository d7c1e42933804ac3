//! Receiving: which messages are next, moving exhausted ones to the dead-letter queue, and
//! taking a receive back.

use std::collections::{HashMap, VecDeque};

use rusqlite::{Row, Transaction, named_params, params};

use super::{Handle, Queue, Store};
use crate::{error::ApiError, ids};

/// What a receiver asks for.
#[derive(Debug, Clone)]
pub(crate) struct ReceiveRequest {
    pub(crate) max: u32,
    /// Seconds; the queue's own when absent.
    pub(crate) visibility: Option<i64>,
    /// Messages that may be in flight at once.
    pub(crate) in_flight_limit: u32,
    pub(crate) now: i64,
}

/// What a receiver gets.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) messages: Vec<ReceivedMessage>,
    /// When the next hidden message becomes visible, in milliseconds.
    pub(crate) next_visible: Option<i64>,
    /// There was no room for another message in flight.
    pub(crate) saturated: bool,
    /// The dead-letter queue's name, when messages went there.
    pub(crate) moved_to: Option<String>,
}

/// One received message.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedMessage {
    pub(crate) handle: Handle,
    pub(crate) message_id: String,
    pub(crate) body: String,
    pub(crate) attributes: String,
    pub(crate) trace_header: Option<String>,
    pub(crate) group: String,
    pub(crate) sent_ms: i64,
    pub(crate) first_receive_ms: i64,
    pub(crate) receive_count: i64,
    pub(crate) dead_letter_source: Option<String>,
}

/// A message that could be next.
struct Candidate {
    seq: i64,
    group: String,
    receive_count: i64,
}

impl Store {
    /// Takes up to `take.max` messages. `duplicate` says, message by message, whether it is to
    /// be delivered a second time.
    pub(crate) fn receive(
        &mut self,
        queue: &str,
        take: &ReceiveRequest,
        duplicate: impl Fn() -> bool,
    ) -> Result<Received, ApiError> {
        let transaction = self.connection.transaction()?;
        let queue = Queue::find(&transaction, queue)?;
        queue.expire(&transaction, take.now)?;
        let redrive = match &queue.settings.redrive {
            Some(policy) => self
                .naming
                .queue_of_arn(&policy.dead_letter_target_arn)
                .map(|name| Queue::find_if_any(&transaction, name))
                .transpose()?
                .flatten()
                .map(|target| (target, policy.max_receive_count)),
            None => None,
        };
        let mut in_flight = in_flight(&transaction, &queue, take.now)?;
        let room = take.in_flight_limit.saturating_sub(in_flight.values().sum::<u32>());
        let wanted = take.max.min(room);
        let mut taken = Received { saturated: room == 0, ..Received::default() };
        // Each round fills the answer, empties the queue, or moves something away.
        while let left = wanted.saturating_sub(count(&taken.messages))
            && left > 0
        {
            let candidates = candidates(&transaction, &queue, take.now, left)?;
            let mut moved = false;
            for candidate in fair_order(candidates, &mut in_flight, left, |one| {
                redrive.as_ref().is_some_and(|(_, most)| one.receive_count >= *most)
            }) {
                match (&redrive, candidate) {
                    (Some((target, _)), Picked::Exhausted(seq)) => {
                        move_to_dead_letter_queue(
                            &transaction,
                            seq,
                            target,
                            &self.naming.arn(&queue.name),
                            take.now,
                        )?;
                        taken.moved_to = Some(target.name.clone());
                        moved = true;
                    }
                    (_, Picked::Exhausted(seq) | Picked::Next(seq)) => {
                        let message = mark_received(&transaction, &queue, seq, take)?;
                        if duplicate() {
                            copy(&transaction, seq, take.now)?;
                        }
                        taken.messages.push(message);
                    }
                }
            }
            if !moved {
                break;
            }
        }
        taken.next_visible = transaction
            .prepare_cached("SELECT min(visible_ms) FROM messages WHERE queue_id = ?1 AND visible_ms > ?2")?
            .query_row([queue.id, take.now], |row| row.get(0))?;
        transaction.commit()?;
        Ok(taken)
    }

    /// Undoes receives whose answer never left: the messages become visible again and the
    /// receive is not counted. A message received again meanwhile is left alone.
    pub(crate) fn give_back(&mut self, handles: &[Handle], now: i64) -> Result<(), ApiError> {
        let transaction = self.connection.transaction()?;
        for handle in handles {
            transaction
                .prepare_cached(
                    "UPDATE messages SET
                         visible_ms = ?3,
                         receipt = NULL,
                         first_receive_ms = iif(receive_count = 1, NULL, first_receive_ms),
                         receive_count = receive_count - 1
                     WHERE seq = ?1 AND receipt = ?2",
                )?
                .execute(params![handle.seq, handle.receipt, now])?;
        }
        Ok(transaction.commit()?)
    }
}

fn count(messages: &[ReceivedMessage]) -> u32 {
    u32::try_from(messages.len()).unwrap_or(u32::MAX)
}

fn in_flight(
    transaction: &Transaction<'_>,
    queue: &Queue,
    now: i64,
) -> rusqlite::Result<HashMap<String, u32>> {
    transaction
        .prepare_cached(
            "SELECT group_key, count(*) FROM messages
             WHERE queue_id = ?1 AND visible_ms > ?2 AND receive_count > 0 GROUP BY group_key",
        )?
        .query_map([queue.id, now], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The oldest visible messages of each group, at most `limit` of a group, oldest first.
fn candidates(
    transaction: &Transaction<'_>,
    queue: &Queue,
    now: i64,
    limit: u32,
) -> rusqlite::Result<Vec<Candidate>> {
    transaction
        .prepare_cached(
            "SELECT seq, group_key, receive_count FROM (
                 SELECT seq, group_key, receive_count,
                        row_number() OVER (PARTITION BY group_key ORDER BY seq) AS place
                 FROM messages WHERE queue_id = :queue AND visible_ms <= :now)
             WHERE place <= :limit ORDER BY seq",
        )?
        .query_map(named_params! {":queue": queue.id, ":now": now, ":limit": limit}, |row| {
            Ok(Candidate { seq: row.get(0)?, group: row.get(1)?, receive_count: row.get(2)? })
        })?
        .collect()
}

enum Picked {
    Next(i64),
    Exhausted(i64),
}

/// Chooses up to `limit` messages: always from the group with the fewest in flight, then the
/// oldest. Exhausted messages on the way come too, and neither fill the answer nor count as
/// in flight.
fn fair_order(
    candidates: Vec<Candidate>,
    in_flight: &mut HashMap<String, u32>,
    limit: u32,
    exhausted: impl Fn(&Candidate) -> bool,
) -> Vec<Picked> {
    let mut groups: HashMap<String, VecDeque<Candidate>> = HashMap::new();
    for candidate in candidates {
        let group = groups.entry(candidate.group.clone()).or_default();
        group.push_back(candidate);
    }
    let (mut picked, mut filled) = (Vec::new(), 0);
    while filled < limit {
        let next = groups
            .iter()
            .filter_map(|(group, waiting)| {
                let oldest = waiting.front()?.seq;
                Some((in_flight.get(group).copied().unwrap_or(0), oldest, group))
            })
            .min()
            .map(|(.., group)| group.clone());
        let Some(group) = next else { break };
        let Some(candidate) = groups.get_mut(&group).and_then(VecDeque::pop_front) else {
            break;
        };
        if exhausted(&candidate) {
            picked.push(Picked::Exhausted(candidate.seq));
        } else {
            *in_flight.entry(group).or_default() += 1;
            picked.push(Picked::Next(candidate.seq));
            filled += 1;
        }
    }
    picked
}

fn mark_received(
    transaction: &Transaction<'_>,
    queue: &Queue,
    seq: i64,
    take: &ReceiveRequest,
) -> rusqlite::Result<ReceivedMessage> {
    let seconds = take.visibility.unwrap_or(queue.settings.visibility_timeout);
    transaction
        .prepare_cached(
            "UPDATE messages SET
                 visible_ms = :visible,
                 receipt = :receipt,
                 receive_count = receive_count + 1,
                 last_receive_ms = :now,
                 first_receive_ms = coalesce(first_receive_ms, :now)
             WHERE seq = :seq RETURNING *",
        )?
        .query_row(
            named_params! {
                ":visible": take.now + seconds * 1000,
                ":receipt": ids::fresh().simple().to_string(),
                ":now": take.now,
                ":seq": seq,
            },
            ReceivedMessage::read,
        )
}

impl ReceivedMessage {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            handle: Handle {
                queue_id: row.get("queue_id")?,
                seq: row.get("seq")?,
                receipt: row.get("receipt")?,
            },
            message_id: row.get("message_id")?,
            body: row.get("body")?,
            attributes: row.get("attributes")?,
            trace_header: row.get("trace_header")?,
            group: row.get("group_key")?,
            sent_ms: row.get("sent_ms")?,
            first_receive_ms: row.get("first_receive_ms")?,
            receive_count: row.get("receive_count")?,
            dead_letter_source: row.get("dead_letter_source")?,
        })
    }
}

fn move_to_dead_letter_queue(
    transaction: &Transaction<'_>,
    seq: i64,
    target: &Queue,
    source_arn: &str,
    now: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE messages SET
                 queue_id = ?2, visible_ms = ?3, receipt = NULL, dead_letter_source = ?4
             WHERE seq = ?1",
        )?
        .execute(params![seq, target.id, now, source_arn])?;
    Ok(())
}

/// Makes a second, visible copy of a message that was just taken, unless it is a copy itself.
fn copy(transaction: &Transaction<'_>, seq: i64, now: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO messages
                 (queue_id, message_id, body, attributes, trace_header, group_key, sent_ms,
                  visible_ms, receive_count, first_receive_ms, dead_letter_source, is_copy)
             SELECT queue_id, message_id, body, attributes, trace_header, group_key, sent_ms,
                  ?2, receive_count, first_receive_ms, dead_letter_source, 1
             FROM messages WHERE seq = ?1 AND is_copy = 0",
        )?
        .execute([seq, now])?;
    Ok(())
}
