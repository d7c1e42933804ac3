//! The listener: start, connections, orderly stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framelift_dev_faults::Faults;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::StaticConfigProvider;
use s3s::path::check_bucket_name;
use s3s::service::S3ServiceBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::access::{Gate, Keys};
use crate::ambient::now_ms;
use crate::api::Api;
use crate::front::Front;
use crate::store::{Store, StoreError};
use crate::{Error, S3Config};

/// How long requests in progress may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it without waiting; [`S3Server::shutdown`] waits.
pub struct S3Server {
    addr: SocketAddr,
    pub(crate) api: Api,
    faults: Faults,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for S3Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl S3Server {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL, to be used with path-style addressing.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The faults that it injects.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Takes no new requests, lets those in progress end, and gives the data folder back.
    pub async fn shutdown(mut self) {
        self.stop.take();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the server did not stop cleanly");
        }
    }
}

/// Opens the data folder, creates the buckets and listens.
///
/// # Errors
/// [`Error`] says which of these did not work; nothing runs then.
pub async fn start(config: S3Config) -> Result<S3Server, Error> {
    if let Some(name) = config.buckets.iter().find(|name| !check_bucket_name(name)) {
        return Err(Error::BucketName(name.clone()));
    }
    let listen = |source| Error::Listen { addr: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;

    let dir = config.data_dir.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&dir)).await.map_err(|error| {
        Error::DataDir { path: config.data_dir.clone(), source: std::io::Error::other(error) }
    })??;
    create_buckets(&store, &config).await?;

    let api = Api { store: store.clone(), region: config.region.clone() };
    let mut builder = S3ServiceBuilder::new(api.clone());
    let mut protocol = s3s::config::S3Config::default();
    protocol.presigned_url_max_skew_time_secs =
        u32::try_from(config.clock_skew.as_secs()).unwrap_or(u32::MAX);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(protocol))));
    builder.set_auth(Keys { id: config.access_key_id, secret: config.secret_access_key.into() });
    builder.set_access(Gate { region: config.region });
    let front = Front { service: builder.build(), faults: config.faults.clone() };
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, front, store, stopped));
    tracing::debug!(%addr, "s3 listens");
    Ok(S3Server { addr, api, faults: config.faults, stop: Some(stop), task: Some(task) })
}

async fn create_buckets(store: &Store, config: &S3Config) -> Result<(), Error> {
    let names = config.buckets.clone();
    let now = now_ms();
    let created = store
        .run(move |work| {
            for name in &names {
                work.create_bucket(name, now)?;
            }
            Ok(())
        })
        .await;
    created.map_err(|error| match error {
        StoreError::Sql(error) => Error::Index(error),
        other => Error::DataDir { path: config.data_dir.clone(), source: std::io::Error::other(other) },
    })
}

async fn serve(listener: TcpListener, front: Front, store: Store, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, front.clone(), graceful.watcher()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: closing connections helps.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were closed with requests in progress");
    }
    connections.shutdown().await;
    // Joining a thread blocks.
    if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
        tracing::error!(%error, "the index did not close cleanly");
    }
}

async fn connection(stream: TcpStream, front: Front, watcher: hyper_util::server::graceful::Watcher) {
    // Answers are small and waited for; Nagle's algorithm would hold them back.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request| front.clone().answer(request));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
