//! The demonstration: uploads a real video through the public API and downloads its frames.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{self, Signals, Stack, say};
use crate::options::{DemoOptions, UpOptions};

/// How long the video may take.
const JOB_TIMEOUT: Duration = Duration::from_secs(180);

/// Runs the demonstration on a new stack.
pub(crate) async fn demo(options: DemoOptions) -> anyhow::Result<()> {
    app::log_to_stderr();
    let mut signals = Signals::new()?;
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder {}", options.out.display()))?;
    let up = UpOptions {
        port: options.port,
        data: options.out.join("stack"),
        workers: 1,
        concurrency: 2,
        spin: false,
        manifest: "spin.toml".into(),
        cache: None,
        s3: None,
        sqs: None,
        smtp: None,
        quirks: None,
    };
    say("starting the local stack (the first start compiles the components)");
    let stack = tokio::select! {
        stack = Stack::start(&up) => stack?,
        () = signals.next() => bail!("interrupted"),
    };
    say(&format!("  API {}   mails {}", stack.api, stack.mail));
    let result = tokio::select! {
        result = main_job(&stack.api, &options) => result,
        () = signals.next() => Err(anyhow::anyhow!("interrupted")),
    };
    if result.is_ok() && options.keep {
        say(&format!("framelift is ready: {} (Ctrl-C stops it)", stack.api));
        signals.next().await;
    }
    stack.stop().await;
    result
}

async fn main_job(api: &str, options: &DemoOptions) -> anyhow::Result<()> {
    let client = Api { http: Client::new(), base: api.to_owned(), token: None };
    let video = std::fs::read(&options.video)
        .with_context(|| format!("cannot read the video {}", options.video.display()))?;
    let file_name = options.video.file_name().unwrap_or_default().to_string_lossy();
    let token = sign_in(&client).await?;
    let client = Api { token: Some(token), ..client };

    let create =
        json!({"file_name": file_name, "size_bytes": video.len(), "options": {"select": {"every": "1s"}}});
    let created = client.json(Method::POST, "/videos", Some(create), StatusCode::CREATED).await?;
    let id = text(&created, "/id")?;
    say(&format!("POST /videos                → 201 {id}, {}", text(&created, "/status")?));

    upload(&client.http, &created["upload"], &video).await?;
    say(&format!("PUT  (to the store)         → 200, {} bytes", video.len()));

    let begin = Instant::now();
    let path = format!("/videos/{id}");
    let accepted = client.json(Method::POST, &format!("{path}/complete"), None, StatusCode::ACCEPTED).await?;
    say(&format!("POST /videos/…/complete     → 202 {}", text(&accepted, "/status")?));

    let record = client.finished(&path).await?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(record["status"] == "completed", "the video failed: {}", record["failure"]);
    say(&format!(
        "GET  /videos/…              → 200 completed, {} frames in {seconds:.1} s",
        record["result"]["frames"]
    ));

    let archive = client.download(&path).await?;
    let out = options.out.join("frames.zip");
    std::fs::write(&out, &archive).with_context(|| format!("cannot write {}", out.display()))?;
    say(&format!("GET  /videos/…/download     → 302 to the store, {} bytes", archive.len()));
    show(&out)
}

async fn sign_in(client: &Api) -> anyhow::Result<String> {
    let email = format!("ada-{}@example.com", std::process::id());
    let account = json!({"name": "Ada", "email": email, "password": "correct horse battery"});
    // If the demonstration is repeated in the same folder, the account may exist.
    let (status, _) = client.send(Method::POST, "/auth/register", Some(account)).await?;
    ensure!(status == StatusCode::CREATED || status == StatusCode::CONFLICT, "register answered {status}");
    say(&format!("POST /auth/register         → {} {email}", status.as_u16()));
    let login = json!({"email": email, "password": "correct horse battery"});
    let tokens = client.json(Method::POST, "/auth/login", Some(login), StatusCode::OK).await?;
    say("POST /auth/login            → 200, an access token for an hour");
    text(&tokens, "/access_token")
}

async fn upload(http: &Client, upload: &Value, video: &[u8]) -> anyhow::Result<()> {
    let put = |url: String, bytes: Vec<u8>| async move {
        let mut request = http.put(url).body(bytes);
        for (name, value) in upload["headers"].as_object().into_iter().flatten() {
            // The client sets the length itself.
            if !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value.as_str().unwrap_or_default());
            }
        }
        let answer = request.send().await?;
        ensure!(
            answer.status().is_success(),
            "the store answered {}: {}",
            answer.status(),
            answer.text().await?
        );
        Ok(())
    };
    if upload["method"] == "PUT" {
        return put(text(upload, "/url")?, video.to_vec()).await;
    }
    let mut rest = video;
    for part in upload["parts"].as_array().into_iter().flatten() {
        let size = part["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let (bytes, more) = rest.split_at_checked(size).context("the parts are larger than the video")?;
        put(text(part, "/url")?, bytes.to_vec()).await?;
        rest = more;
    }
    ensure!(rest.is_empty(), "more than 100 parts: choose a smaller video for a demonstration");
    Ok(())
}

/// Prints the archive's contents.
fn show(path: &Path) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path)?)?;
    say(&format!("\n{} holds {} members:", path.display(), archive.len()));
    let shown = 4;
    let members = archive.len();
    for index in 0..members {
        let member = archive.by_index(index)?;
        if index < shown || index + 2 > members {
            say(&format!("  {:>9}  {}", member.size(), member.name()?));
        } else if index == shown {
            say("        ...");
        }
    }
    let mut manifest = String::new();
    archive.by_name("manifest.json")?.read_to_string(&mut manifest)?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let source = &manifest["source"];
    say(&format!(
        "  {} {}x{}, {} s; {} ({})",
        source["codec"].as_str().unwrap_or("?"),
        source["width"],
        source["height"],
        source["duration"].as_str().unwrap_or("?"),
        manifest["plan"]["strategy"].as_str().unwrap_or("?"),
        manifest["plan"]["decoder"].as_str().unwrap_or("?"),
    ));
    Ok(())
}

struct Api {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Api {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        want: StatusCode,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.send(method.clone(), path, body).await?;
        ensure!(status == want, "{method} {path} answered {status}: {answer}");
        Ok(answer)
    }

    async fn finished(&self, path: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + JOB_TIMEOUT;
        loop {
            let record = self.json(Method::GET, path, None, StatusCode::OK).await?;
            if !record["completed_at"].is_null() {
                return Ok(record);
            }
            ensure!(Instant::now() < deadline, "the video was not done in time: {record}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The client follows the redirect to the store; it does not take the token along.
    async fn download(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let mut request = self.http.get(format!("{}{path}/download", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        ensure!(answer.status() == StatusCode::OK, "the download answered {}", answer.status());
        Ok(answer.bytes().await?.to_vec())
    }
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no {pointer} in {value}"))
}
