//! Creates a worker's parts, starts them, and stops them in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_config::SdkConfig;
use framelift_domain::WorkerId;
use framelift_domain::video::Lane;
use framelift_media::HardwareUse;
use framelift_sandbox::Sandbox;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, SandboxUse};
use crate::dead_letter::DeadLetters;
use crate::health::{self, Metrics, Readiness, StreakLimit};
use crate::intake::{Intake, ReceiveTimes};
use crate::job::{CompiledPlugins, JobContext, Settings};
use crate::notify::{EmailError, Notifier};
use crate::queue::Queue;
use crate::report::{ClientError, ControlClient};
use crate::store::ObjectStore;
use crate::webhook::{self, WebhookSender};
use crate::{ambient, clients, shutdown, sweep};

/// The most idle child processes for decoders. More would only take memory: one starts faster than a message
/// is received.
const MAX_READY: usize = 2;

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
    /// The child processes for decoders.
    #[error(transparent)]
    Sandbox(#[from] framelift_sandbox::StartError),
    /// The control client.
    #[error(transparent)]
    Control(#[from] ClientError),
    /// The mail client.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The webhook client.
    #[error(transparent)]
    Webhooks(#[from] webhook::ClientError),
}

/// A running worker.
#[derive(Debug)]
pub struct Running {
    health: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    /// Where health and metrics are served.
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// Waits until it has stopped; an error means that the worker's own task failed.
    pub async fn finished(self) -> Result<(), JoinError> {
        self.task.await
    }
}

/// Loads region, credentials and HTTP client, from the configuration and the AWS SDK's default chain.
pub async fn aws(config: &Config) -> SdkConfig {
    clients::shared(config).await
}

/// Makes every TLS client of the process use ring.
pub fn use_ring() {
    // Fails only if a provider is installed already, which is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
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

/// Starts the first child processes for decoders, before a job waits for them.
async fn sandbox(config: &Config, program: Option<PathBuf>) -> Result<Sandbox, StartError> {
    let settings = framelift_sandbox::Settings {
        program,
        ready: (config.worker.concurrency as usize).min(MAX_READY),
        best_effort: config.worker.sandbox == SandboxUse::BestEffort,
        hardware: config.limits.hardware,
        inactivity_timeout: config.worker.stuck_after,
        ..framelift_sandbox::Settings::default()
    };
    let started = tokio::task::spawn_blocking(|| Sandbox::start(settings)).await;
    let sandbox = started.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    for missing in sandbox.missing() {
        tracing::warn!(missing, "decoders are confined less than they could be, as configured");
    }
    Ok(sandbox)
}

/// Logs what a GPU decodes.
fn gpu(config: &Config, sandbox: &Sandbox, metrics: &Metrics) {
    if config.limits.hardware == HardwareUse::Never {
        return tracing::info!("videos are decoded on the CPU alone, as configured");
    }
    let Some(info) = sandbox.hardware() else {
        return tracing::info!("videos are decoded on the CPU alone: there is no NVIDIA GPU");
    };
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

/// Starts a worker, which works until `stopped` is cancelled and its jobs have ended. Decoders run in
/// children of `program`, which is a `framelift-worker`; none is this program.
pub async fn start(
    config: &Config,
    aws: &SdkConfig,
    program: Option<PathBuf>,
    stopped: CancellationToken,
) -> Result<Running, StartError> {
    if aws.region().is_none() {
        return Err(StartError::Region);
    }
    use_ring();
    let address = config.health.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let health = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

    let id = worker_id(config);
    let metrics = Arc::new(Metrics::new(id.as_str()));
    let sandbox = sandbox(config, program).await?;
    gpu(config, &sandbox, &metrics);
    let readiness = Arc::new(Readiness::new(StreakLimit {
        jobs: config.worker.max_own_failures,
        pause: config.worker.out_of_service,
    }));
    let stop = stopped;
    let (control_at, token) = (&config.control.url, &config.control.token);
    let control =
        ControlClient::new(control_at, token, config.control.timeout, id.clone(), readiness.clone())?;
    let sqs = clients::sqs(aws, config.queue.endpoint.as_ref());
    let queue = Queue::new(sqs.clone(), config.queue.url.as_str());
    let short = config.queue.short_url.as_ref().map(|url| Queue::new(sqs.clone(), url.as_str()));
    let dead_letters = Queue::new(sqs, config.queue.dead_letter_url.as_str());
    let store = ObjectStore::new(clients::s3(aws, &config.store), &config.store.bucket);
    let notifier = Notifier::new(
        control.clone(),
        metrics.clone(),
        &config.smtp,
        WebhookSender::new(&config.webhooks)?,
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
        sandbox: Arc::new(sandbox),
        plugins: Arc::new(CompiledPlugins::default()),
        settings: Settings::of(config),
        draining: stop.clone(),
        release: release.clone(),
    });

    let (permits, short_permits) = (config.worker.concurrency, config.worker.short_concurrency);
    let all_permits = permits + if short.is_some() { short_permits } else { 0 };
    metrics.permits.set(i64::from(all_permits));
    let times = ReceiveTimes {
        wait: config.queue.wait,
        visibility: config.queue.visibility,
        heartbeat: config.queue.heartbeat,
    };
    let jobs = TaskTracker::new();
    let intake = |queue: Queue, lane: Lane, besides: Option<Queue>, permits: u32| Intake {
        queue,
        lane,
        besides,
        dead_letters: dead_letters.clone(),
        context: context.clone(),
        times,
        permits: Arc::new(Semaphore::new(permits as usize)),
        jobs: jobs.clone(),
    };
    // Short jobs have their permits, and use the others where there is no other job.
    let mut intakes = vec![intake(queue.clone(), Lane::Main, short.clone(), permits)];
    intakes.extend(short.clone().map(|short| intake(short, Lane::Short, None, short_permits)));
    let dead = DeadLetters { queue: dead_letters, context, times };

    // Tasks that go on during a drain have their own token.
    let rest = CancellationToken::new();
    let receiving = TaskTracker::new();
    for intake in intakes {
        receiving.spawn(intake.run(stop.clone()));
    }
    receiving.close();
    jobs.spawn(dead.run(stop.clone()));
    let sweeping =
        tokio::spawn(sweep::run(control.clone(), metrics.clone(), config.worker.sweep, stop.clone()));
    tokio::spawn(health::serve(listener, readiness.clone(), metrics, rest.clone()));
    let probing = tokio::spawn({
        let (readiness, rest) = (readiness.clone(), rest.clone());
        async move { health::probe(&readiness, &control, &queue, short.as_ref(), &store, &rest).await }
    });
    tracing::info!(worker_id = %id, health = %health, concurrency = all_permits, engine = framelift_contract::ENGINE, "the worker is up");

    let grace = config.worker.grace_period;
    let task = tokio::spawn(async move {
        stop.cancelled().await;
        // The grace period covers everything: jobs may finish, then they are released, then the worker exits.
        let over = Instant::now() + grace;
        readiness.set_draining();
        let _ = tokio::join!(receiving.wait(), sweeping);
        jobs.close();
        if tokio::time::timeout_at(over - shutdown::release_period(grace), jobs.wait()).await.is_err() {
            tracing::warn!(jobs = jobs.len(), "the grace period ends: running jobs are released");
            release.cancel();
            if tokio::time::timeout_at(over, jobs.wait()).await.is_err() {
                tracing::error!(jobs = jobs.len(), "some jobs could not be released");
            }
        }
        rest.cancel();
        let _ = probing.await;
        tracing::info!("the worker has stopped");
    });
    Ok(Running { health, task })
}
