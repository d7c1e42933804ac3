//! Starts and stops the SMTP and HTTP listeners.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::service::service_fn;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    config::{MailConfig, Options, StartError},
    http_api,
    smtp::Connection,
    store::Store,
};

/// How long requests under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it too, without waiting for the end.
pub struct MailServer {
    smtp_address: SocketAddr,
    http_address: SocketAddr,
    stop: DropGuard,
    serving: JoinHandle<()>,
}

/// Starts the server; once this returns, a mail can be sent.
///
/// # Errors
/// An address cannot be listened on, or the folder cannot be created or read.
pub async fn start(config: MailConfig) -> Result<MailServer, StartError> {
    start_with(config, Options::default()).await
}

/// As [`start`], with the clock and the limit given.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: MailConfig, options: Options) -> Result<MailServer, StartError> {
    let (smtp_address, smtp) = listen(config.smtp_listen).await?;
    let (http_address, http) = listen(config.http_listen).await?;
    let folder = config.data_dir.join("mails");
    let (path, now) = (folder.clone(), options.now);
    let store = spawn_blocking(move || Store::open(folder, now))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| StartError::Folder { path, source })?;
    let store = Arc::new(store);
    let stopping = CancellationToken::new();
    let smtp = serve_smtp(smtp, Arc::clone(&store), options.max_mail_bytes, stopping.clone());
    let http = serve_http(http, store, stopping.clone());
    let serving = tokio::spawn(async {
        tokio::join!(smtp, http);
    });
    tracing::info!(smtp = %smtp_address, http = %http_address, "the mail server listens");
    Ok(MailServer { smtp_address, http_address, stop: stopping.drop_guard(), serving })
}

impl MailServer {
    /// The SMTP address.
    #[must_use]
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_address
    }

    /// The URL of the page.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_address
    }

    /// Finishes the requests under way and closes the connections.
    pub async fn shutdown(self) {
        drop(self.stop);
        // Fails only by a panic, which has been reported.
        let _ = self.serving.await;
    }
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = TcpListener::bind(address).await;
    listener
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map_err(|source| StartError::Listen { address, source })
}

async fn serve_smtp(
    listener: TcpListener,
    store: Arc<Store>,
    max_mail_bytes: usize,
    stopping: CancellationToken,
) {
    framelift_listener::serve(listener, stopping.clone(), GRACE, |stream, _, _| {
        let connection = Connection::new(stream, Arc::clone(&store), max_mail_bytes);
        let stopping = stopping.clone();
        async move {
            if let Err(error) = connection.serve(stopping).await {
                tracing::debug!(%error, "a client left early");
            }
        }
    })
    .await;
}

async fn serve_http(listener: TcpListener, store: Arc<Store>, stopping: CancellationToken) {
    framelift_listener::serve(listener, stopping, GRACE, |stream, _, watcher| {
        let store = Arc::clone(&store);
        let handler = service_fn(move |request| http_api::respond(Arc::clone(&store), request));
        framelift_listener::http1(stream, watcher, handler)
    })
    .await;
}
