//! Starts the parts in order, waits until they are ready, and stops them in reverse order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::children::{Program, Supervised, which};
use crate::clients;
use crate::data::{DataDir, Secrets};
use crate::options::UpOptions;
use crate::services::Services;
use crate::stack_file::{Contents, Pids, StackFile};

/// How long the first answer may take: the first start compiles the components.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// How many requests one instance of a component serves. Under Spin an instance has 256 swaps in its life, and
/// a request of ours needs up to 8, more when writers conflict.
const REQUESTS_PER_INSTANCE: &str = "16";

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
        let services = Services::start(options, &data, &secrets).await?;
        let logs = data.folder("logs")?;
        let stop_edge = CancellationToken::new();
        let edge = edge_program(options, &manifest, &data, &secrets, &services, &logs)?;
        let edge = Supervised::start(edge, stop_edge.clone()).await?;
        let api = edge.state.borrow().url.clone().context("the edge has no address")?;
        let stop_workers = CancellationToken::new();
        let mut workers = Vec::new();
        for number in 0..options.workers {
            let worker = worker_program(number, options, &api, &secrets, &services, &logs)?;
            workers.push(Supervised::start(worker, stop_workers.clone()).await?);
        }
        let file = Arc::new(StackFile::new(
            data.path(),
            Contents {
                api: api.clone(),
                mail: services.mail_url.clone(),
                s3: services.s3_url.clone(),
                sqs: services.sqs_url.clone(),
                smtp: services.smtp.to_string(),
                bucket: clients::BUCKET.into(),
                queue_url: services.queue_url.clone(),
                dead_letter_url: services.dead_letter_url.clone(),
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

/// A program beside this one.
fn program_beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}

fn edge_program(
    options: &UpOptions,
    manifest: &Path,
    data: &DataDir,
    secrets: &Secrets,
    services: &Services,
    logs: &Path,
) -> anyhow::Result<Program> {
    let env = edge_variables(secrets, services)?;
    let listen = format!("127.0.0.1:{}", options.port);
    let manifest_arg = manifest.to_string_lossy().into_owned();
    let log = logs.join("edge.log");
    if options.spin {
        let named = std::env::var_os("FRAMELIFT_SPIN").map(PathBuf::from);
        let path = named.or_else(|| which("spin")).context("there is no `spin` on the PATH")?;
        let state = data.folder("spin")?;
        let runtime = spin_stores(&state)?;
        let args = [
            "up",
            "--from",
            &manifest_arg,
            "--listen",
            &listen,
            "--runtime-config-file",
            &runtime.to_string_lossy(),
            "--state-dir",
            &state.to_string_lossy(),
            "--max-instance-reuse-count",
            REQUESTS_PER_INSTANCE,
        ];
        let args = args.map(str::to_owned).to_vec();
        return Ok(Program { name: "spin".into(), path, args, env, log, liveness: None, forks: true });
    }
    let cache = match &options.cache {
        Some(cache) => cache.clone(),
        None => data.folder("cache")?,
    };
    let mut args = vec![
        "--manifest".to_owned(),
        manifest_arg,
        "--listen".to_owned(),
        listen,
        "--data".to_owned(),
        data.folder("kv")?.to_string_lossy().into_owned(),
        "--cache".to_owned(),
        cache.to_string_lossy().into_owned(),
        "--max-instance-reuse-count".to_owned(),
        REQUESTS_PER_INSTANCE.to_owned(),
    ];
    if let Some(quirks) = &options.quirks {
        args.extend(["--quirks".to_owned(), quirks.clone()]);
    }
    let path = program_beside_this("framelift-edge-host")?;
    Ok(Program { name: "edge".into(), path, args, env, log, liveness: None, forks: false })
}

/// Spin's stores of this stack alone. Spin takes relative paths from where the runtime configuration
/// lies, so it lies in the data folder and its paths are whole.
fn spin_stores(folder: &Path) -> anyhow::Result<PathBuf> {
    let store = |label: &str| {
        let path = toml_text(&folder.join(format!("{label}.db")).to_string_lossy());
        format!("[key_value_store.{label}]\ntype = \"spin\"\npath = {path}\n")
    };
    let file = folder.join("runtime-config.toml");
    std::fs::write(&file, [store("accounts"), store("videos")].join("\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// A basic string of TOML.
fn toml_text(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The app's variables, as the environment gives them to Spin and to our host alike. What is set
/// in the stack's own environment wins, so that a script can change limits.
fn edge_variables(secrets: &Secrets, services: &Services) -> anyhow::Result<BTreeMap<String, String>> {
    let signer = framelift_edge::token::Signer::from_text(&secrets.signing_key)
        .context("the signing key in secrets.json is damaged")?;
    let variables = [
        ("signing_key", secrets.signing_key.clone()),
        ("public_keys", signer.jwks()),
        ("worker_token", secrets.worker_token.clone()),
        ("email_key", secrets.email_key.clone()),
        ("refresh_keys", secrets.refresh_keys.clone()),
        ("frames_key", secrets.frames_key.clone()),
        ("aws_access_key_id", secrets.access_key_id.clone()),
        ("aws_secret_access_key", secrets.secret_access_key.clone()),
        ("aws_region", clients::REGION.to_owned()),
        ("s3_endpoint", services.s3_url.clone()),
        ("s3_bucket", clients::BUCKET.to_owned()),
        ("sqs_queue_url", services.queue_url.clone()),
        ("sqs_endpoint", services.sqs_url.clone()),
        ("allow_private_webhooks", "true".to_owned()),
        // Tests and benches make all their requests as one user, so the limit is off.
        ("max_requests_per_minute", "0".to_owned()),
    ];
    let named = variables.map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value));
    Ok(named.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect())
}

fn worker_program(
    number: u16,
    options: &UpOptions,
    api: &str,
    secrets: &Secrets,
    services: &Services,
    logs: &Path,
) -> anyhow::Result<Program> {
    let smtp = options.smtp.unwrap_or(services.smtp);
    let settings = [
        ("FRAMELIFT_CONTROL_URL", api.to_owned()),
        ("FRAMELIFT_CONTROL_TOKEN", secrets.worker_token.clone()),
        ("FRAMELIFT_WORKER_CONCURRENCY", options.concurrency.to_string()),
        ("FRAMELIFT_QUEUE_URL", services.queue_url.clone()),
        ("FRAMELIFT_QUEUE_DEAD_LETTER_URL", services.dead_letter_url.clone()),
        ("FRAMELIFT_QUEUE_ENDPOINT", services.sqs_url.clone()),
        ("FRAMELIFT_STORE_BUCKET", clients::BUCKET.to_owned()),
        ("FRAMELIFT_STORE_ENDPOINT", services.s3_url.clone()),
        ("FRAMELIFT_STORE_PATH_STYLE", "true".to_owned()),
        ("FRAMELIFT_SMTP_HOST", smtp.ip().to_string()),
        ("FRAMELIFT_SMTP_PORT", smtp.port().to_string()),
        ("FRAMELIFT_SMTP_TLS", "none".to_owned()),
        ("FRAMELIFT_SMTP_FROM", "Framelift <framelift@localhost>".to_owned()),
        ("FRAMELIFT_WEBHOOKS_ALLOW_PRIVATE", "true".to_owned()),
        ("FRAMELIFT_LINKS_PUBLIC_URL", api.to_owned()),
        ("FRAMELIFT_HEALTH_LISTEN", "127.0.0.1:0".to_owned()),
        ("AWS_ACCESS_KEY_ID", secrets.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", secrets.secret_access_key.clone()),
        ("AWS_REGION", clients::REGION.to_owned()),
    ];
    let mut env: BTreeMap<_, _> =
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // A development machine may lack kernel features; the worker's log names them.
    let sandbox = "FRAMELIFT_WORKER_SANDBOX";
    if std::env::var_os(sandbox).is_none() {
        env.insert(sandbox.to_owned(), "best-effort".to_owned());
    }
    Ok(Program {
        name: format!("worker {number}"),
        path: program_beside_this("framelift-worker")?,
        args: Vec::new(),
        env,
        log: logs.join(format!("worker-{number}.log")),
        liveness: Some("/health/live"),
        forks: false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_of_spin_lie_in_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a \"quoted\\ folder");
        std::fs::create_dir(&odd).unwrap();
        let file = spin_stores(&odd).unwrap();
        assert_eq!(file, odd.join("runtime-config.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let accounts = odd.join("accounts.db").to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        assert!(
            text.contains(&format!("[key_value_store.accounts]\ntype = \"spin\"\npath = \"{accounts}\"\n")),
            "{text}"
        );
        assert!(
            text.contains("[key_value_store.videos]") && text.matches("type = \"spin\"").count() == 2,
            "{text}"
        );
    }
}
