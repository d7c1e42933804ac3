//! The stack's processes: starts and supervises each, restarts it a second after it died or stopped
//! answering, and stops it with the stack.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::environment;

/// How a process is started.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// A file of further variables, read at each start if it is there.
    pub(crate) overrides: PathBuf,
    /// The file for its standard error.
    pub(crate) log: PathBuf,
    /// The path of its health check.
    pub(crate) liveness: Option<&'static str>,
    /// Whether it starts a process that does the work and waits for it, as `spin up` does.
    pub(crate) forks: bool,
}

/// The current state of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The process that does the work.
    pub(crate) pid: Option<u32>,
    /// The URL on which it listens, as it printed it.
    pub(crate) url: Option<String>,
    /// Times that it was started again.
    pub(crate) restarts: u32,
}

/// A watched process.
pub(crate) struct Supervised {
    pub(crate) state: watch::Receiver<State>,
    task: tokio::task::JoinHandle<()>,
}

/// What a program prints when it is ready.
const LISTENING: &str = "listening on ";
/// How often a process's health is checked.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// How long a health check may take; a machine may be busy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Failed health checks in a row after which a process is started again.
const MAX_FAILED_CHECKS: u32 = 3;
/// How long a process may take to stop by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// A shell script that passes SIGTERM on to the processes that its command has started.
const FORWARD_SIGTERM: &str = r#"trap 'trap "" TERM; kill -TERM 0; wait' TERM; "$@" & wait $!"#;

impl Supervised {
    /// Starts the program and waits until it says where it listens.
    ///
    /// # Errors
    /// If it cannot be run or ends before that; its last log line is in the message.
    pub(crate) async fn start(mut program: Program, stop: CancellationToken) -> anyhow::Result<Self> {
        let (mut child, url) = launch(&program).await?;
        // A restart must listen on the same address.
        if let Some(port) = url.rsplit_once(':').map(|(_, port)| port.to_owned()) {
            for arg in &mut program.args {
                *arg = arg.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
            }
            for value in program.env.values_mut() {
                *value = value.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
            }
        }
        let (sender, state) =
            watch::channel(State { pid: worker_pid(&program, &child), url: Some(url), restarts: 0 });
        let group = child.id();
        let task = tokio::spawn(async move {
            let mut group = group;
            loop {
                tokio::select! {
                    status = child.wait() => {
                        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                        tracing::warn!(name = program.name, status, "a process ended; it is started again");
                        sender.send_modify(|state| state.pid = None);
                        // A process that it started may still hold the port.
                        signal_group(&program, group, "-KILL").await;
                    }
                    problem = unhealthy(&program, &sender) => {
                        tracing::warn!(name = program.name, problem, "a process does not pass its health check; it is started again");
                        terminate(&program, &mut child).await;
                        sender.send_modify(|state| state.pid = None);
                    }
                    () = stop.cancelled() => {
                        terminate(&program, &mut child).await;
                        return;
                    }
                }
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => return,
                    }
                    match launch(&program).await {
                        Ok((started, url)) => {
                            child = started;
                            group = child.id();
                            let pid = worker_pid(&program, &child);
                            sender.send_modify(|state| {
                                *state = State { pid, url: Some(url), restarts: state.restarts + 1 };
                            });
                            break;
                        }
                        Err(error) => {
                            tracing::error!(name = program.name, error = format!("{error:#}"), "start failed")
                        }
                    }
                }
            }
        });
        Ok(Self { state, task })
    }

    /// Waits for the end, after `stop` was cancelled.
    pub(crate) async fn ended(self) {
        let _ = self.task.await;
    }
}

async fn launch(program: &Program) -> anyhow::Result<(Child, String)> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&program.log)
        .with_context(|| format!("cannot write {}", program.log.display()))?;
    // A stack that is killed outright must not leave its processes behind.
    let mut command = match which("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM", "--"]);
            if program.forks {
                command.args(["sh", "-c", FORWARD_SIGTERM, "sh"]);
            }
            command.arg(&program.path);
            command
        }
        None => Command::new(&program.path),
    };
    let mut child = command
        .args(&program.args)
        .envs(&program.env)
        .envs(environment::read_if_there(&program.overrides)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C in a terminal goes to the stack alone, which then stops the rest in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.path.display()))?;
    let stdout = child.stdout.take().context("no standard output")?;
    match first_url(stdout).await {
        Some(url) => Ok((child, url)),
        None => {
            let _ = child.wait().await;
            let log = std::fs::read_to_string(&program.log).unwrap_or_default();
            let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            anyhow::bail!("{} did not start: {last}", program.name)
        }
    }
}

/// Reads until the program prints where it listens, then drains its output.
async fn first_url(stdout: ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let at = line.strip_prefix(LISTENING).or_else(|| line.strip_prefix("Serving "));
        if let Some(url) = at {
            let url = url.trim().to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(url);
        }
    }
    None
}

/// Returns why once a process has failed its health check several times in a row.
async fn unhealthy(program: &Program, state: &watch::Sender<State>) -> String {
    let url = state.borrow().url.clone();
    let (Some(url), Some(path)) = (url, program.liveness) else { return std::future::pending().await };
    let Ok(client) = reqwest::Client::builder().timeout(HEALTH_TIMEOUT).no_proxy().build() else {
        return std::future::pending().await;
    };
    let mut bad = 0;
    loop {
        tokio::time::sleep(HEALTH_INTERVAL).await;
        let problem = match client.get(format!("{url}{path}")).send().await {
            Ok(answer) if answer.status().is_success() => {
                bad = 0;
                continue;
            }
            Ok(answer) => format!("{path} answers {}", answer.status()),
            Err(error) => format!("{path} does not answer: {error}"),
        };
        bad += 1;
        if bad == MAX_FAILED_CHECKS {
            return problem;
        }
    }
}

async fn terminate(program: &Program, child: &mut Child) {
    let group = child.id();
    if program.forks {
        signal_group(program, group, "-TERM").await;
    } else if let Some(pid) = group {
        let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
    }
    if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    signal_group(program, group, "-KILL").await;
}

/// Sends a signal to all processes of a program that has more than one.
async fn signal_group(program: &Program, group: Option<u32>, signal: &str) {
    if let (true, Some(group)) = (program.forks, group) {
        // It fails where none is left, which is what is wanted.
        let mut kill = Command::new("kill");
        kill.args([signal, "--", &format!("-{group}")]).stderr(Stdio::null());
        let _ = kill.status().await;
    }
}

/// The process that does a program's work: the child itself, or the last of those that it started.
fn worker_pid(program: &Program, child: &Child) -> Option<u32> {
    let mut pid = child.id()?;
    if !program.forks {
        return Some(pid);
    }
    loop {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        match children.ok().and_then(|pids| pids.split(' ').next()?.parse().ok()) {
            Some(next) => pid = next,
            None => return Some(pid),
        }
    }
}

/// A program on the PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &std::path::Path, script: &str) -> Program {
        Program {
            name: "shell".into(),
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::new(),
            overrides: folder.join("overrides.env"),
            log: folder.join("log"),
            liveness: None,
            forks: false,
        }
    }

    /// A program like `spin up`: it starts the one that serves, and waits for it.
    fn forking(folder: &std::path::Path) -> Program {
        let script = "echo $$ >$0/up; \
            sh -c 'echo $$ >$0/trigger; echo Serving http://127.0.0.1:1; sleep 600; exit' $0 & wait";
        let folder_arg = folder.to_string_lossy().into_owned();
        let args = vec!["-c".into(), script.into(), folder_arg];
        Program { args, forks: true, ..shell(folder, "") }
    }

    fn written(folder: &std::path::Path, name: &str) -> u32 {
        std::fs::read_to_string(folder.join(name)).unwrap().trim().parse().unwrap()
    }

    async fn signal(pid: u32, signal: &str) -> bool {
        let mut kill = Command::new("kill");
        kill.args([signal, &pid.to_string()]).stderr(Stdio::null());
        kill.status().await.unwrap().success()
    }

    /// Waits until a process is no more; one that only its parent has not noticed yet counts as gone.
    async fn wait_until_gone(pid: u32) {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_program_that_forks_is_one_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let supervised = Supervised::start(forking(folder.path()), stop.clone()).await.unwrap();
        let mut state = supervised.state.clone();
        // The one that works is told, or one that it started in its turn.
        let first = written(folder.path(), "trigger");
        let told = state.borrow().pid.unwrap();
        assert!(told >= first, "{told} {first}");
        // The one in front dies: what it started does not live on and hold the port.
        assert!(signal(written(folder.path(), "up"), "-KILL").await);
        state.wait_for(|state| state.restarts == 1).await.unwrap();
        wait_until_gone(first).await;
        // The one that works dies: the rest follows, and all of it is started again.
        let second = written(folder.path(), "trigger");
        assert_ne!(first, second);
        let up = written(folder.path(), "up");
        assert!(signal(second, "-KILL").await);
        state.wait_for(|state| state.restarts == 2).await.unwrap();
        wait_until_gone(up).await;
        // Stopped, nothing is left.
        let last = [written(folder.path(), "up"), written(folder.path(), "trigger")];
        stop.cancel();
        supervised.ended().await;
        for pid in last {
            wait_until_gone(pid).await;
        }
    }

    /// Answers every request with that status until it is dropped.
    async fn answers(
        status: &'static str,
    ) -> (std::net::SocketAddr, tokio_util::task::AbortOnDropHandle<()>) {
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut line = String::new();
                let _ = BufReader::new(&mut stream).read_line(&mut line).await;
                assert!(line.starts_with("GET /health/live "), "{line}");
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (address, tokio_util::task::AbortOnDropHandle::new(serving))
    }

    #[tokio::test]
    async fn a_process_that_dies_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let program = shell(folder.path(), "echo listening on http://127.0.0.1:1; exec sleep 600");
        let supervised = Supervised::start(program, stop.clone()).await.unwrap();
        let mut state = supervised.state.clone();
        let pid = state.borrow().pid.unwrap();
        assert_eq!(state.borrow().url.as_deref(), Some("http://127.0.0.1:1"));
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().await.unwrap();
        let again = state.wait_for(|state| state.restarts == 1).await.unwrap().clone();
        assert_ne!(again.pid, Some(pid));
        stop.cancel();
        supervised.ended().await;
    }

    #[tokio::test]
    async fn a_process_that_says_it_is_not_alive_is_started_again() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (status, restarted) in [("503 Service Unavailable", true), ("200 OK", false)] {
            let (address, _serving) = answers(status).await;
            let folder = tempfile::tempdir().unwrap();
            let stop = CancellationToken::new();
            let script = format!("echo listening on http://{address}; exec sleep 600");
            let program = Program { liveness: Some("/health/live"), ..shell(folder.path(), &script) };
            let supervised = Supervised::start(program, stop.clone()).await.unwrap();
            let mut state = supervised.state.clone();
            let pid = state.borrow().pid.unwrap();
            if restarted {
                let again = state.wait_for(|state| state.restarts == 1).await.unwrap().clone();
                assert_ne!(again.pid, Some(pid));
            } else {
                tokio::time::sleep(HEALTH_INTERVAL * (MAX_FAILED_CHECKS + 1)).await;
                assert_eq!((state.borrow().restarts, state.borrow().pid), (0, Some(pid)));
            }
            stop.cancel();
            supervised.ended().await;
        }
    }

    #[tokio::test]
    async fn variables_in_the_file_count_from_the_next_start_on() {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let program = shell(folder.path(), "echo listening on http://$PLACE; exec sleep 600");
        let env = BTreeMap::from([("PLACE".to_owned(), "first".to_owned())]);
        let supervised = Supervised::start(Program { env, ..program }, stop.clone()).await.unwrap();
        let mut state = supervised.state.clone();
        assert_eq!(state.borrow().url.as_deref(), Some("http://first"));
        std::fs::write(folder.path().join("overrides.env"), "PLACE='second'\n").unwrap();
        let pid = state.borrow().pid.unwrap();
        assert!(signal(pid, "-KILL").await);
        let again = state.wait_for(|state| state.restarts == 1).await.unwrap().clone();
        assert_eq!(again.url.as_deref(), Some("http://second"));
        stop.cancel();
        supervised.ended().await;
    }

    #[tokio::test]
    async fn a_process_that_does_not_start_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let program = shell(folder.path(), "echo no such luck >&2; exit 3");
        let error = Supervised::start(program, CancellationToken::new()).await.err().unwrap();
        assert_eq!(error.to_string(), "shell did not start: no such luck");
    }
}
