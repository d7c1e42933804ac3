//! SMTP connections: bytes in, answers out.

mod session;

use std::{io, sync::Arc, time::Duration};

use smtp_proto::request::receiver::{DataReceiver, DummyDataReceiver, LineReceiver, RequestReceiver};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use session::{AuthStep, Next, Session};

/// RFC 5321, 4.5.3.2.7: a server waits at least five minutes for the next command.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Requests that make no sense before the connection is closed.
const MAX_ERRORS: u32 = 20;

/// How the next bytes of a client are read.
enum Reading {
    Requests,
    Credentials(LineReceiver<AuthStep>),
    Data(DataReceiver, Vec<u8>),
    /// Data beyond the limit, read to its end so that the client gets the refusal.
    TooMuch(DummyDataReceiver),
}

/// One client.
pub(crate) struct Connection {
    stream: TcpStream,
    store: Arc<Store>,
    max_mail_bytes: usize,
    session: Session,
    requests: RequestReceiver,
    reading: Reading,
    errors: u32,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, store: Arc<Store>, max_mail_bytes: usize) -> Self {
        Self {
            stream,
            store,
            max_mail_bytes,
            session: Session::new(max_mail_bytes),
            requests: RequestReceiver::default(),
            reading: Reading::Requests,
            errors: 0,
        }
    }

    /// Serves the client until it leaves, is silent for too long, or `stopping`.
    pub(crate) async fn serve(mut self, stopping: CancellationToken) -> io::Result<()> {
        self.stream.write_all(b"220 localhost ESMTP framelift-dev-mail\r\n").await?;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = tokio::select! {
                read = tokio::time::timeout(IDLE_TIMEOUT, self.stream.read(&mut buffer)) => read,
                () = stopping.cancelled() => {
                    return self.stream.write_all(b"421 4.3.2 shutting down\r\n").await;
                }
            };
            let length = match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(length) => length?,
                Err(_) => {
                    return self.stream.write_all(b"421 4.4.2 idle for too long\r\n").await;
                }
            };
            let (answers, open) = self.take(&buffer[..length]).await;
            self.stream.write_all(answers.as_bytes()).await?;
            if !open {
                return self.stream.shutdown().await;
            }
        }
    }

    /// Takes some bytes; returns the answers, and whether the connection stays open.
    async fn take(&mut self, bytes: &[u8]) -> (String, bool) {
        let mut answers = String::new();
        let mut bytes = bytes.iter();
        while !bytes.as_slice().is_empty() {
            let next = match &mut self.reading {
                Reading::Requests => match self.requests.ingest(&mut bytes) {
                    Ok(request) => self.session.answer(request.into_owned()),
                    Err(smtp_proto::Error::NeedsMoreData { .. }) => break,
                    Err(error) => {
                        self.errors += 1;
                        if self.errors > MAX_ERRORS {
                            Next::Close("421 4.7.0 too many errors\r\n".to_owned())
                        } else {
                            Next::Answer(session::refuse(&error))
                        }
                    }
                },
                Reading::Credentials(line) => {
                    if !line.ingest(&mut bytes) {
                        break;
                    }
                    self.session.credentials(line.state, &line.buf)
                }
                Reading::Data(receiver, data) => {
                    let complete = receiver.ingest(&mut bytes, data);
                    if complete && data.len() <= self.max_mail_bytes {
                        let data = std::mem::take(data);
                        Next::Answer(self.keep(data).await)
                    } else if complete {
                        self.session.reset();
                        Next::Answer(session::TOO_LARGE.to_owned())
                    } else {
                        if data.len() > self.max_mail_bytes {
                            let rest = DummyDataReceiver::new_data(receiver);
                            self.reading = Reading::TooMuch(rest);
                        }
                        continue;
                    }
                }
                Reading::TooMuch(receiver) => {
                    if !receiver.ingest(&mut bytes) {
                        break;
                    }
                    self.session.reset();
                    Next::Answer(session::TOO_LARGE.to_owned())
                }
            };
            self.reading = match next {
                Next::Answer(answer) => {
                    answers.push_str(&answer);
                    Reading::Requests
                }
                Next::Close(answer) => {
                    answers.push_str(&answer);
                    return (answers, false);
                }
                Next::Credentials(step, answer) => {
                    answers.push_str(&answer);
                    Reading::Credentials(LineReceiver::new(step))
                }
                Next::Data(answer) => {
                    answers.push_str(&answer);
                    Reading::Data(DataReceiver::new(), Vec::new())
                }
            };
        }
        (answers, true)
    }

    /// Keeps a mail, and only then answers that it did.
    async fn keep(&mut self, data: Vec<u8>) -> String {
        let envelope = self.session.reset();
        let store = Arc::clone(&self.store);
        match spawn_blocking(move || store.add(&envelope, &data)).await {
            Ok(Ok(id)) => {
                tracing::info!(mail.id = %id, "mail received");
                format!("250 2.0.0 kept as {id}\r\n")
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a mail cannot be kept");
                "452 4.3.1 the mail cannot be kept\r\n".to_owned()
            }
            Err(error) => {
                tracing::error!(%error, "a mail cannot be kept");
                "451 4.3.0 the mail cannot be kept\r\n".to_owned()
            }
        }
    }
}
