//! The listener: start, connections, orderly stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framelift_dev_faults::Faults;
use hyper::service::service_fn;
use s3s::config::StaticConfigProvider;
use s3s::path::check_bucket_name;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::{Keys, ScopeCheck};
use crate::ambient::now_ms;
use crate::api::Api;
use crate::front::Frontend;
use crate::store::{Store, StoreError};
use crate::{Error, S3Config};

/// How long requests in progress may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it without waiting; [`S3Server::shutdown`] waits.
pub struct S3Server {
    addr: SocketAddr,
    pub(crate) api: Api,
    faults: Faults,
    stop: DropGuard,
    task: JoinHandle<()>,
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

    /// Stops accepting requests, waits for running ones, and releases the data folder.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
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
    builder.set_access(ScopeCheck { region: config.region });
    let front = Frontend { service: builder.build(), faults: config.faults.clone() };
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, front, store, stop.clone()));
    tracing::debug!(%addr, "s3 listens");
    Ok(S3Server { addr, api, faults: config.faults, stop: stop.drop_guard(), task })
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

async fn serve(listener: TcpListener, front: Frontend, store: Store, stop: CancellationToken) {
    framelift_listener::serve(listener, stop, GRACE, |stream, _, watcher| {
        let front = front.clone();
        let service = service_fn(move |request| front.clone().answer(request));
        framelift_listener::http1(stream, watcher, service)
    })
    .await;
    // Joining a thread blocks.
    if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
        tracing::error!(%error, "the index did not close cleanly");
    }
}
