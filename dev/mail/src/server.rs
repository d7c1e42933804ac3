//! The two listeners, from their start to their end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{MailConfig, Options, StartError},
    http_api,
    smtp::Connection,
    store::Store,
};

/// How long requests under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait before accepting again when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server. Dropping it stops it too, without waiting for the end.
pub struct MailServer {
    smtp_address: SocketAddr,
    http_address: SocketAddr,
    stopping: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// Starts the server; once this returns, a mail can be sent.
///
/// # Errors
/// An address cannot be had, or the folder cannot be made or read.
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
    let smtp = serve_smtp(smtp, Arc::clone(&store), options.largest_mail, stopping.clone());
    let http = serve_http(http, store, stopping.clone());
    let serving = tokio::spawn(async {
        tokio::join!(smtp, http);
    });
    tracing::info!(smtp = %smtp_address, http = %http_address, "the mail server listens");
    Ok(MailServer { smtp_address, http_address, stopping, serving: Some(serving) })
}

impl MailServer {
    /// Where mails are sent to.
    #[must_use]
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_address
    }

    /// Where they are shown.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_address
    }

    /// Finishes the requests under way and closes the connections.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        if let Some(serving) = self.serving.take() {
            // Fails only by a panic, which has been reported.
            let _ = serving.await;
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = TcpListener::bind(address).await;
    listener
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map_err(|source| StartError::Listen { address, source })
}

/// The next connection; `None` once the server stops.
async fn accept(listener: &TcpListener, stopping: &CancellationToken) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return None,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small answers should not wait for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                return Some(stream);
            }
            Err(error) => {
                // Out of file descriptors, most likely: let some be closed first.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_smtp(
    listener: TcpListener,
    store: Arc<Store>,
    largest_mail: usize,
    stopping: CancellationToken,
) {
    let clients = TaskTracker::new();
    while let Some(stream) = accept(&listener, &stopping).await {
        let connection = Connection::new(stream, Arc::clone(&store), largest_mail);
        let stopping = stopping.clone();
        clients.spawn(async move {
            if let Err(error) = connection.serve(stopping).await {
                tracing::debug!(%error, "a client left early");
            }
        });
    }
    drop(listener);
    clients.close();
    clients.wait().await;
}

async fn serve_http(listener: TcpListener, store: Arc<Store>, stopping: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
    while let Some(stream) = accept(&listener, &stopping).await {
        let store = Arc::clone(&store);
        let handler = service_fn(move |request| http_api::respond(Arc::clone(&store), request));
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), handler);
        let connection = graceful.watch(connection);
        let ending = ending.clone();
        tasks.spawn(async move {
            if let Some(Err(error)) = ending.run_until_cancelled(connection).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    // A client that never finishes its request does not hold the server up.
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections are closed with requests under way");
    }
    ending.cancel();
    tasks.close();
    tasks.wait().await;
}
