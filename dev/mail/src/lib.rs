//! The local cloud's mail server: takes every mail, delivers none, and shows them on a page.
//!
//! It speaks plain SMTP on loopback and accepts any credentials. A mail is on the disk before
//! its sender is told so, as `mails/<id>.eml`, and stays there across restarts.
//!
//! **Why not `mailcrab`.** As a library it answers 250 once a mail is in a broadcast channel
//! that forgets its oldest entries, and it always brings `rcgen` and `tokio-rustls` with
//! `aws-lc`, for a TLS that loopback does not need; the `mailin` under it is written as one
//! function call per line, so a write to the disk would block the executor. `smtp-proto`
//! (requests and mail data, by the authors of Stalwart, one small dependency) with
//! `mail-parser` (same authors) is lighter and leaves the answer to us.

mod config;
mod http_api;
mod mail;
mod pages;
mod server;
mod smtp;
mod store;

pub use config::{MailConfig, Options, StartError};
pub use server::{MailServer, start, start_with};
