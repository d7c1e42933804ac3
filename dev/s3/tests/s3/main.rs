//! The server as its clients see it: the AWS SDK, presigned URLs, raw requests, restarts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod browser;
mod chaos;
mod conditions;
mod durability;
mod harness;
mod listing;
mod multipart;
mod objects;
mod presigned;
mod streaming;
