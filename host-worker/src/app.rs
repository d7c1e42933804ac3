//! Creates a worker's parts, starts them, and stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_config::SdkConfig;
use framelift_domain::WorkerId;
use framelift_media::HardwareUse;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::dead_letter::DeadLetters;
use crate::health::{self, Engines, Metrics, Readiness, StreakLimit};
use crate::intake::{Intake, ReceiveTimes};
use crate::job::{JobContext, Settings};
use crate::notify::{EmailError, Notifier};
use crate::queue::Queue;
use crate::report::{ClientError, ControlClient};
use crate::store::ObjectStore;
use crate::{ambient, clients, shutdown, sweep};

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The health listener.
    #[error("health: cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// No AWS region is configured.
    #[error("no AWS region: set [store] region or AWS_REGION")]
    Region,
    /// The control client.
    #[error(transparent)]
    Control(#[from] ClientError),
    /// The mail client.
    #[error(transparent)]
    Email(#[from] EmailError),
}

/// A running worker.
#[derive(Debug)]
pub struct Running {
    health: SocketAddr,
    task: JoinHandle<End>,
}

/// Why a worker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// An engine could not be stopped, or the worker's own task died: the process must go.
    Stuck,
}

impl Running {
    /// Where health and metrics are served.
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// Waits until it has stopped.
    pub async fn finished(self) -> End {
        self.task.await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "the worker's own task ended");
            End::Stuck
        })
    }
}

/// Region, credentials and HTTP, as the configuration and the AWS SDK's chain have them.
pub async fn aws(config: &Config) -> SdkConfig {
    clients::shared(config).await
}

/// Returns the worker's name in reports and logs.
fn worker_id(config: &Config) -> WorkerId {
    let host: String = std::fs::read_to_string("/etc/hostname")
        .unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .take(32)
        .collect();
    let host = if host.is_empty() { "worker" } else { &host };
    let made = format!("{host}-{}-{}", std::process::id(), ambient::token());
    let made = config.worker.id.clone().or_else(|| made.parse().ok());
    made.unwrap_or_else(|| unreachable!("a host's name of 32, an id of 10 and 16 digits are a worker id"))
}

/// Tries out the GPU before the first job waits for it, and says what it decodes.
async fn gpu(config: &Config, metrics: &Metrics) {
    if config.limits.hardware == HardwareUse::Never {
        return tracing::info!("videos are decoded on the CPU alone, as configured");
    }
    let Ok(info) = tokio::task::spawn_blocking(framelift_media::hardware).await else { return };
    let good = || info.codecs.iter().filter(|codec| codec.problem.is_none());
    metrics.gpu_codecs.set(i64::try_from(good().count()).unwrap_or(0));
    match &info.problem {
        Some(problem) => tracing::info!(problem, "videos are decoded on the CPU alone"),
        None => {
            let codecs: Vec<String> =
                good().map(|codec| format!("{} ({} bits)", codec.codec, codec.bits)).collect();
            let (device, driver) = (info.device.as_deref(), info.driver.as_deref());
            tracing::info!(device, driver, codecs = codecs.join(", "), "a GPU decodes videos");
        }
    }
}

/// Starts a worker, which works until `stopped` is cancelled and its jobs have ended, or until an
/// engine cannot be stopped.
pub async fn start(
    config: &Config,
    aws: &SdkConfig,
    stopped: CancellationToken,
) -> Result<Running, StartError> {
    if aws.region().is_none() {
        return Err(StartError::Region);
    }
    // Fails only when a provider is there already, which will be the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = config.health.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let health = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

    let id = worker_id(config);
    let metrics = Arc::new(Metrics::new(id.as_str()));
    gpu(config, &metrics).await;
    let readiness = Arc::new(Readiness::new(StreakLimit {
        jobs: config.worker.max_own_failures,
        pause: config.worker.out_of_service,
    }));
    let engines = Arc::new(Engines::new(metrics.clone(), readiness.clone()));
    // What an engine causes is not what the caller has said.
    let stop = stopped.child_token();
    let (control_at, token) = (&config.control.url, &config.control.token);
    let control =
        ControlClient::new(control_at, token, config.control.timeout, id.clone(), readiness.clone())?;
    let sqs = clients::sqs(aws, config.queue.endpoint.as_ref());
    let queue = Queue::new(sqs.clone(), config.queue.url.as_str());
    let dead_letters = Queue::new(sqs, config.queue.dead_letter_url.as_str());
    let store = ObjectStore::new(clients::s3(aws, &config.store), &config.store.bucket);
    let notifier = Notifier::new(
        control.clone(),
        metrics.clone(),
        &config.smtp,
        &config.links,
        config.queue.visibility,
    )?;
    let release = CancellationToken::new();
    let context = Arc::new(JobContext {
        control: control.clone(),
        store: store.clone(),
        notifier,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        engines: engines.clone(),
        settings: Settings::of(config),
        draining: stop.clone(),
        release: release.clone(),
    });

    let permits = config.worker.concurrency;
    metrics.permits.set(i64::from(permits));
    let times = ReceiveTimes {
        wait: config.queue.wait,
        visibility: config.queue.visibility,
        heartbeat: config.queue.heartbeat,
    };
    let jobs = TaskTracker::new();
    let intake = Intake {
        queue: queue.clone(),
        dead_letters: dead_letters.clone(),
        context: context.clone(),
        times,
        permits: Arc::new(Semaphore::new(permits as usize)),
        jobs: jobs.clone(),
    };
    let dead = DeadLetters { queue: dead_letters, context, times };

    // What goes on during a drain has its own token.
    let rest = CancellationToken::new();
    let intake = tokio::spawn(intake.run(stop.clone()));
    jobs.spawn(dead.run(stop.clone()));
    let sweeping =
        tokio::spawn(sweep::run(control.clone(), metrics.clone(), config.worker.sweep, stop.clone()));
    tokio::spawn(health::serve(listener, readiness.clone(), metrics, rest.clone()));
    let probing = tokio::spawn({
        let (readiness, rest) = (readiness.clone(), rest.clone());
        async move { health::probe(&readiness, &control, &queue, &store, &rest).await }
    });
    tracing::info!(worker_id = %id, health = %health, concurrency = permits, engine = framelift_contract::ENGINE, "the worker is up");

    let grace = config.worker.grace_period;
    let task = tokio::spawn(async move {
        let end = tokio::select! {
            () = stop.cancelled() => End::Stopped,
            () = engines.lost().cancelled() => {
                tracing::error!("an engine cannot be stopped: this worker gives back what it holds and ends");
                stop.cancel();
                End::Stuck
            }
        };
        // One period for all of it: jobs may go on, then they are given back, then it is over.
        let over = Instant::now() + grace;
        readiness.set_draining();
        let _ = tokio::join!(intake, sweeping);
        jobs.close();
        if tokio::time::timeout_at(over - shutdown::wind_down(grace), jobs.wait()).await.is_err() {
            tracing::warn!(jobs = jobs.len(), "the grace period ends: running jobs are given back");
            release.cancel();
            if tokio::time::timeout_at(over, jobs.wait()).await.is_err() {
                tracing::error!(jobs = jobs.len(), "some jobs could not be given back");
            }
        }
        rest.cancel();
        let _ = probing.await;
        tracing::info!("the worker is at rest");
        end
    });
    Ok(Running { health, task })
}
