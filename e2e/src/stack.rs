//! A local stack for one test, started as a person starts it, and checked at its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::faulty_cloud::temporary_files;
use crate::process::{program, root, signal};
use crate::user::PASSWORD;
use crate::{User, cloud, until};

/// `stack.json`.
#[derive(Clone, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file")]
pub struct Info {
    pub api: String,
    pub mail: String,
    pub s3: String,
    pub sqs: String,
    pub smtp: String,
    pub bucket: String,
    pub queue_url: String,
    pub short_queue_url: String,
    pub dead_letter_url: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub worker_metrics: Vec<String>,
    pub pids: Pids,
}

/// The stack's processes; none while one is being started again.
#[derive(Clone, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the file")]
pub struct Pids {
    pub edge: Option<u32>,
    pub workers: Vec<Option<u32>>,
}

/// How a stack is set up.
#[derive(Clone)]
pub struct Setup {
    /// Worker processes.
    pub workers: u16,
    /// Videos that each processes at once.
    pub concurrency: u16,
    /// More variables for the edge and the workers.
    pub env: Vec<(&'static str, String)>,
    /// The edge host's quirks; the real Spin has its own.
    pub quirks: Option<&'static str>,
    /// S3 and SQS elsewhere instead of the embedded ones.
    pub cloud: Option<CloudUrls>,
    /// The SMTP server that workers send mail to instead of the catcher.
    pub smtp: Option<SocketAddr>,
    /// What lies in `secrets.json` before the first start, for clouds that know the access key beforehand.
    pub secrets: Option<serde_json::Value>,
}

/// Where S3 and SQS are.
#[derive(Clone)]
pub struct CloudUrls {
    /// The object store.
    pub s3: String,
    /// The queue service.
    pub sqs: String,
}

impl CloudUrls {
    /// Both at one URL.
    pub fn both(url: &str) -> Self {
        Self { s3: url.to_owned(), sqs: url.to_owned() }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            workers: 1,
            concurrency: 2,
            env: Vec::new(),
            quirks: None,
            cloud: None,
            smtp: None,
            secrets: None,
        }
    }
}

/// A running stack.
pub struct Stack {
    child: Option<Child>,
    folder: TempDir,
    setup: Setup,
    client: reqwest::Client,
    _place: SemaphorePermit<'static>,
}

/// Stacks that run at once. Their tests mostly wait, but more of them would also wait for each other's work.
static PLACES: Semaphore = Semaphore::const_new(3);

/// The real `spin`, where `FRAMELIFT_SPIN` names one: then every stack is served by it.
pub fn real_spin() -> Option<PathBuf> {
    std::env::var_os("FRAMELIFT_SPIN").filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Stack {
    /// Starts a stack in a new folder and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start(setup: Setup) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirect = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(redirect).build().unwrap();
        let mut stack =
            Self { child: None, folder: tempfile::tempdir().unwrap(), setup, client, _place: place };
        if let Some(secrets) = &stack.setup.secrets {
            std::fs::create_dir_all(stack.data()).unwrap();
            std::fs::write(stack.data().join("secrets.json"), secrets.to_string()).unwrap();
        }
        stack.start_again().await;
        stack
    }

    /// Starts it again in the same folder, after [`Stack::stop`] or [`Stack::kill`].
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::create(self.folder.path().join("up.log")).unwrap();
        let mut command = Command::new(program("framelift-stack"));
        command
            .args(["up", "--port", "0", "--data"])
            .arg(self.data())
            .args(["--workers", &self.setup.workers.to_string()])
            .args(["--concurrency", &self.setup.concurrency.to_string()])
            // Compiled components are the same for all stacks.
            .arg("--cache")
            .arg(program("framelift-stack").with_file_name("e2e-component-cache"))
            .envs(self.setup.env.iter().map(|(name, value)| (*name, value)))
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if real_spin().is_some() {
            command.arg("--spin");
        }
        if let Some(quirks) = self.setup.quirks {
            command.args(["--quirks", quirks]);
        }
        if let Some(CloudUrls { s3, sqs }) = &self.setup.cloud {
            command.args(["--s3", s3, "--sqs", sqs]);
        }
        if let Some(smtp) = self.setup.smtp {
            command.args(["--smtp", &smtp.to_string()]);
        }
        let mut child = command.spawn().unwrap();
        until("the stack", || {
            let said = std::fs::read_to_string(self.folder.path().join("up.log")).unwrap();
            let ended = child.try_wait().unwrap();
            async move {
                assert!(ended.is_none(), "the stack ended at once: {said}");
                if said.contains("framelift is ready: ") { Ok(()) } else { Err(said) }
            }
        })
        .await;
        self.child = Some(child);
    }

    /// The contents of `stack.json`.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn info(&self) -> Info {
        let text = std::fs::read(self.data().join("stack.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// The stack's own process, which is the object store, the queue and the mail catcher, too.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns a function that reads the present processes from `stack.json`; none while it is missing.
    pub fn pids(&self) -> impl Fn() -> Option<Pids> + Send + use<> {
        let file = self.data().join("stack.json");
        move || Some(serde_json::from_slice::<Info>(&std::fs::read(&file).ok()?).ok()?.pids)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for the test's own files.
    pub fn scratch(&self) -> PathBuf {
        let folder = self.folder.path().join("scratch");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A client that follows no redirects.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A new user, signed in.
    pub async fn user(&self, name: &str) -> User {
        User::sign_up(self.client.clone(), self.info().api, name).await
    }

    /// Mails to an address, newest first, as the catcher lists them.
    ///
    /// # Panics
    /// If the catcher does not answer.
    pub async fn mails(&self, to: &str) -> Vec<serde_json::Value> {
        let url = format!("{}/api/mails?to={to}", self.info().mail);
        let list = self.client.get(url).send().await.unwrap();
        list.json().await.unwrap()
    }

    /// The logs of all parts.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.data().join("logs")).into_iter().flatten().flatten() {
            text += &format!("--- {}\n", entry.file_name().to_string_lossy());
            text += &std::fs::read_to_string(entry.path()).unwrap_or_default();
        }
        text
    }

    /// The log lines that hold a key of the stack, or text that looks like another secret.
    fn logged_secrets(&self) -> Vec<String> {
        let keys = std::fs::read(self.data().join("secrets.json")).unwrap();
        let keys: BTreeMap<String, String> = serde_json::from_slice(&keys).unwrap();
        let keys = keys.iter().filter(|(name, _)| *name != "access_key_id").map(|(_, key)| key.as_str());
        let secrets: Vec<&str> = keys.chain(SECRET_PARTS.iter().copied()).collect();
        let logs = self.logs();
        assert!(logs.contains("edge host started") || real_spin().is_some(), "no logs are found: {logs}");
        let tells = |line: &&str| secrets.iter().any(|secret| line.contains(secret));
        logs.lines().filter(tells).map(str::to_owned).collect()
    }

    /// Kills the stack's own process outright.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ctrl-C; the stack's exit status.
    ///
    /// # Panics
    /// If it does not stop.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        signal(child.id(), "INT");
        until("the stack's end", || {
            let ended = child.try_wait().unwrap();
            async move { ended.ok_or_else(|| "still running".to_owned()) }
        })
        .await
    }

    /// Checks that nothing is left over and that the logs tell no secret, and stops.
    ///
    /// # Panics
    /// If something is left over, a log tells a secret, or the stack does not end well.
    pub async fn finish(self) {
        let info = self.info();
        for queue in [&info.queue_url, &info.short_queue_url, &info.dead_letter_url] {
            until("empty queues", || async {
                match cloud::messages(&info, queue).await {
                    0 => Ok(()),
                    n => Err(format!("{n} messages in {queue}")),
                }
            })
            .await;
        }
        self.finish_with_messages().await;
    }

    /// As [`Stack::finish`], where messages may be left: an event for a webhook that does not answer is sent again
    /// for a day.
    ///
    /// # Panics
    /// If something else is left over, a log tells a secret, or the stack does not end well.
    pub async fn finish_with_messages(mut self) {
        let info = self.info();
        assert_eq!(
            cloud::open_multipart_uploads(&info).await,
            Vec::<String>::new(),
            "open multipart uploads"
        );
        let status = self.stop().await;
        assert!(status.success(), "the stack ended with {status}");
        assert_eq!(self.logged_secrets(), Vec::<String>::new(), "secrets in the logs");
        if self.setup.cloud.is_none() {
            assert_eq!(temporary_files(&self.data().join("s3")), Vec::<PathBuf>::new(), "temporary files");
        }
    }
}

/// Texts that occur only in tokens, signed URLs, password hashes and secrets of webhooks.
const SECRET_PARTS: &[&str] = &["eyJ", "X-Amz-Signature=", "$argon2id$", "whsec_", PASSWORD];

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                #[expect(clippy::print_stderr, reason = "what a failed test leaves to look at")]
                {
                    eprintln!("{}", self.logs());
                }
            } else {
                panic!("a stack was not finished: call finish()");
            }
        }
    }
}
