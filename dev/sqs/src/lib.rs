//! The local cloud's message queue: a standard SQS queue over HTTP, kept in one SQLite file.
//!
//! It speaks AWS JSON 1.0, checks signatures, and keeps to the rules of the real service as
//! far as a client can notice them. Where the real service leaves room, this is what it does:
//!
//! - **Order.** Messages that carry a `MessageGroupId` share the queue fairly: the group with
//!   the fewest messages in flight goes first, then the oldest message. Messages without a
//!   group count as one group together.
//! - **Receipts.** Deleting with a receipt that a later receive has replaced answers success
//!   and deletes nothing. The latest receipt deletes even after its visibility timeout ended.
//! - **Redrive.** A message whose receive count would exceed `maxReceiveCount` moves to the
//!   dead-letter queue with its id, body, attributes, sent time and receive count. If that
//!   queue is gone, the message stays where it is.
//! - **Lost clients.** A client that hangs up while it waits takes nothing with it: what was
//!   picked for it becomes visible again and the receive is not counted.
//!
//! Left out: FIFO queues, policies, encryption keys, tags, message move tasks, the query
//! protocol, and the 60-second pauses after `DeleteQueue` and `PurgeQueue`. What is left out
//! is refused with a clear error; tags given to `CreateQueue` are ignored.

mod auth;
mod clock;
mod config;
mod digest;
mod error;
mod ids;
mod inspect;
mod naming;
mod operations;
mod polling;
mod server;
mod settings;
mod store;
mod validate;
mod wire;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Limits, Options, SqsConfig};
pub use error::StartError;
pub use inspect::{Refused, StoredMessage};
pub use server::{SqsServer, start, start_with};
