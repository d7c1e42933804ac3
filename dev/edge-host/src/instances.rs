//! The instances of one component: made on demand, reused as Spin reuses them, dropped after a
//! trap.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

use crate::guest::{Grants, Guest};
use crate::outbound::Outbound;

/// The requests that one instance takes at the same time.
const MAX_CONCURRENT: usize = 16;
/// How long an instance without requests is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a request waits for an instance when the maximum number exists. The wait is bounded because an
/// instance may itself be waiting for another component's.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(10);

/// Dispatches requests to the instances of one component.
pub(crate) type Handler = ProxyHandler<Instances>;

/// Makes the instances of one component.
pub(crate) struct Instances {
    engine: Engine,
    pre: ProxyPre<Guest>,
    grants: Arc<Grants>,
    outbound: Outbound,
    places: Arc<Semaphore>,
    reuse: usize,
}

impl Instances {
    pub(crate) fn new(
        engine: Engine,
        pre: ProxyPre<Guest>,
        grants: Arc<Grants>,
        outbound: Outbound,
        places: Arc<Semaphore>,
        reuse: usize,
    ) -> Self {
        Self { engine, pre, grants, outbound, places, reuse }
    }
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let place = tokio::time::timeout(INSTANCE_TIMEOUT, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_| wasmtime::format_err!("there are too many instances"))??;
        let guest = Guest::new(Arc::clone(&self.grants), self.outbound.clone());
        let mut store = Store::new(&self.engine, guest);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: Guest::http,
            expiration: Expiration { sleep: None },
            state: Worker { grants: Arc::clone(&self.grants), reuse: self.reuse, _place: place },
        })
    }
}

/// Ends an idle instance. Requests may take as long as they like.
pub(crate) struct Expiration {
    /// Runs only while the instance is idle.
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl WorkerExpiration for Expiration {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        let this = self.get_mut();
        if status != WorkerStatus::Idle {
            this.sleep = None;
            return Poll::Pending;
        }
        if this.sleep.as_ref().is_none_or(|(since, _)| *since != start) {
            let sleep = tokio::time::sleep_until((start + IDLE_TIMEOUT).into());
            this.sleep = Some((start, Box::pin(sleep)));
        }
        match &mut this.sleep {
            Some((_, sleep)) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// An instance's remaining requests, and its permit.
pub(crate) struct Worker {
    grants: Arc<Grants>,
    /// The requests that it takes in its life.
    reuse: usize,
    /// Released after the instance is gone.
    _place: OwnedSemaphorePermit,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.reuse {
            ShouldAccept::Never
        } else if concurrent >= MAX_CONCURRENT {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            let component = &*self.grants.component;
            tracing::error!(component, "the instance ended with a trap: {error:?}");
        }
        drop(store);
    }
}
