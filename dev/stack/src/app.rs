//! Starts the parts in order, waits until they are ready, and stops them in reverse order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::children::Supervised;
use crate::data::DataDir;
use crate::options::UpOptions;
use crate::programs::Programs;
use crate::services::{Addresses, Services};
use crate::stack_file::{Contents, Pids, StackFile};
use crate::{check, clients};

/// How long the first answer may take: the first start compiles the components.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// The running stack.
pub(crate) struct Stack {
    pub(crate) api: String,
    pub(crate) mail: String,
    services: Services,
    edge: Supervised,
    workers: Vec<Supervised>,
    stop_workers: CancellationToken,
    stop_edge: CancellationToken,
    file: Arc<StackFile>,
    _data: DataDir,
}

/// Runs the stack until Ctrl-C or SIGTERM.
pub(crate) async fn up(options: UpOptions) -> anyhow::Result<()> {
    log_to_stderr();
    let mut signals = Signals::new()?;
    let stack = tokio::select! {
        stack = Stack::start(&options) => stack?,
        () = signals.next() => return Ok(()),
    };
    say(&format!("framelift is ready: {}", stack.api));
    say(&format!("mails are caught at {}, the API is described at {}/docs", stack.mail, stack.api));
    signals.next().await;
    say("stopping");
    stack.stop().await;
    Ok(())
}

impl Stack {
    /// Starts everything, and returns when the API can do its work.
    pub(crate) async fn start(options: &UpOptions) -> anyhow::Result<Self> {
        // Checked first, so that a wrong command leaves no folder behind.
        let manifest = options
            .manifest
            .canonicalize()
            .with_context(|| format!("cannot find the app {}", options.manifest.display()))?;
        check_port(options.port)?;
        let data = DataDir::open(&options.data)?;
        let secrets = data.secrets()?;
        let programs = Programs { options, manifest: &manifest, data: &data, secrets: &secrets };
        check::all(&programs, &Addresses::unknown()).await?;
        let services = Services::start(options, &data, &secrets).await?;
        let stop_edge = CancellationToken::new();
        let edge = Supervised::start(programs.edge(&services.addresses)?, stop_edge.clone()).await?;
        let api = edge.state.borrow().url.clone().context("the edge has no address")?;
        let stop_workers = CancellationToken::new();
        let mut workers = Vec::new();
        for number in 0..options.workers {
            let worker = programs.worker(number, &api, &services.addresses)?;
            workers.push(Supervised::start(worker, stop_workers.clone()).await?);
        }
        let file = Arc::new(StackFile::new(
            data.path(),
            Contents {
                api: api.clone(),
                mail: services.mail_url.clone(),
                s3: services.addresses.s3_url.clone(),
                sqs: services.addresses.sqs_url.clone(),
                smtp: services.addresses.smtp.to_string(),
                bucket: clients::BUCKET.into(),
                queue_url: services.addresses.queues.jobs.clone(),
                short_queue_url: services.addresses.queues.short.clone(),
                dead_letter_url: services.addresses.queues.dead.clone(),
                access_key_id: secrets.access_key_id,
                secret_access_key: secrets.secret_access_key,
                worker_metrics: vec![String::new(); workers.len()],
                pids: Pids { edge: None, workers: vec![None; workers.len()] },
            },
        ));
        keep_up_to_date(&file, &edge, &workers);
        let mail = services.mail_url.clone();
        let stack = Self { api, mail, services, edge, workers, stop_workers, stop_edge, file, _data: data };
        match stack.wait_until_ready().await {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let mut urls = vec![format!("{}/health/ready", self.api)];
        urls.extend(self.workers.iter().filter_map(|worker| {
            worker.state.borrow().url.as_ref().map(|url| format!("{url}/health/ready"))
        }));
        let deadline = Instant::now() + START_TIMEOUT;
        for url in urls {
            loop {
                let answer = client.get(&url).send().await;
                let last = match answer {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                anyhow::ensure!(Instant::now() < deadline, "{url} is not ready: {last}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Stops the workers, then the edge, then the cloud services.
    pub(crate) async fn stop(self) {
        self.stop_workers.cancel();
        for worker in self.workers {
            worker.ended().await;
        }
        self.stop_edge.cancel();
        self.edge.ended().await;
        self.services.stop().await;
        self.file.remove();
    }
}

/// Keeps `stack.json` up to date.
fn keep_up_to_date(file: &Arc<StackFile>, edge: &Supervised, workers: &[Supervised]) {
    let mut state = edge.state.clone();
    state.mark_changed();
    let edge_file = Arc::clone(file);
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let pid = state.borrow_and_update().pid;
            edge_file.change(|contents| contents.pids.edge = pid);
        }
    });
    for (number, worker) in workers.iter().enumerate() {
        let mut state = worker.state.clone();
        state.mark_changed();
        let worker_file = Arc::clone(file);
        tokio::spawn(async move {
            while state.changed().await.is_ok() {
                let state = state.borrow_and_update().clone();
                worker_file.change(|contents| {
                    contents.pids.workers[number] = state.pid;
                    contents.worker_metrics[number] =
                        state.url.map(|url| format!("{url}/metrics")).unwrap_or_default();
                });
            }
        });
    }
}

/// Fails if the port is in use, before anything is started.
fn check_port(port: u16) -> anyhow::Result<()> {
    match std::net::TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) => anyhow::bail!("cannot listen on 127.0.0.1:{port}: {error}; choose another with --port"),
    }
}

/// Ctrl-C and SIGTERM.
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Warnings and errors of the stack itself go to the terminal; the parts log to files.
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FRAMELIFT_STACK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Prints to the terminal.
#[expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
