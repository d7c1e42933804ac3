//! The API document in use: valid and invalid requests that schemathesis makes from it are answered as it says,
//! and clients that are generated from it do the main job.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use framelift_e2e::process::root;
use framelift_e2e::user::PASSWORD;
use framelift_e2e::{Setup, Stack, User, cloud, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Not the one in the document's examples: with that, a request made of the examples deletes the account.
const SECRET: &str = "known to its owner alone";

/// A folder of `target/tools`, which `cargo xtask test` fills.
pub(crate) fn tools(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_dir());
    folder.expect("the generators of clients are not installed: run the tests with `cargo xtask test`")
}

/// A program from PyPI, which finds the others there.
pub(crate) fn program(name: &str) -> Command {
    let programs = tools("FRAMELIFT_TEST_CLIENTS").join("bin");
    let mut path = OsString::from(&programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new(programs.join(name));
    command.env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// Runs a program to its end; what it printed.
///
/// # Panics
/// With all that it said, if it fails.
pub(crate) async fn output(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn files() -> PathBuf {
    root().join("e2e/clients")
}

/// Sends requests that schemathesis makes from the document to the operations that the arguments choose: valid
/// ones, which must be taken, and broken ones, which must be refused. `FRAMELIFT_EXAMPLES` says how many to each
/// operation, `FRAMELIFT_SEED` makes them others.
async fn schemathesis(stack: &Stack, token: &str, operations: [&str; 2]) {
    let mut command = program("schemathesis");
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", files()).current_dir(stack.scratch());
    command.arg("--config-file").arg(files().join("schemathesis.toml"));
    command.args(["run", &format!("{}/openapi.json", stack.info().api)]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]).args(operations);
    let or = |variable: &str, default: &str| std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    command.args(["--max-examples", &or("FRAMELIFT_EXAMPLES", "10"), "--seed", &or("FRAMELIFT_SEED", "7")]);
    command.args(["--generation-database", "none", "--no-color"]);
    output(command).await;
}

#[tokio::test]
async fn requests_made_from_the_document_are_answered_as_it_says() {
    let stack = Stack::start(Setup::default()).await;
    let eve = User::with_password(stack.client().clone(), stack.info().api, "eve", SECRET).await;
    let workers = "^/(internal/|notification$)";
    schemathesis(&stack, &eve.token, ["--exclude-path-regex", workers]).await;
    let secrets = std::fs::read(stack.data().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&secrets).unwrap();
    let worker = secrets["worker_token"].as_str().unwrap();
    schemathesis(&stack, worker, ["--include-path-regex", workers]).await;
    // Wrong passwords have used up what the token may try.
    let eve = User::log_in(stack.client().clone(), stack.info().api, eve.email, SECRET).await;
    // The uploads that were only announced go with the account. Of so many videos, one call may remove a part
    // only, and says so.
    until("the end of the account", || async {
        let gone = eve.send(Method::DELETE, "/auth/me", Some(&json!({ "password": SECRET }))).await;
        match gone.status().as_u16() {
            202 => Ok(()),
            503 => Err(gone.text().await.unwrap()),
            other => panic!("{other}: {}", gone.text().await.unwrap()),
        }
    })
    .await;
    until("the end of all uploads", || async {
        match cloud::open_multipart_uploads(&stack.info()).await {
            open if open.is_empty() => Ok(()),
            open => Err(format!("{open:?}")),
        }
    })
    .await;
    stack.finish_with_messages().await;
}

/// The API's document in a file of the folder.
async fn document(stack: &Stack, folder: &Path) -> PathBuf {
    let answer = stack.client().get(format!("{}/openapi.json", stack.info().api)).send().await.unwrap();
    let path = folder.join("openapi.json");
    std::fs::write(&path, answer.bytes().await.unwrap()).unwrap();
    path
}

/// Runs a client's program over the main job.
async fn main_job(mut command: Command, stack: &Stack, folder: &Path, email: &str) {
    command.args([&stack.info().api, email, PASSWORD]).arg(root().join("e2e/media/nasa-13s.mp4"));
    command.current_dir(folder);
    assert_eq!(output(command).await, "3 frames\n");
}

#[tokio::test]
async fn generated_clients_do_the_main_job() {
    let stack = Stack::start(Setup::default()).await;
    let folder = stack.scratch();
    let document = document(&stack, &folder).await;

    let mut generate = program("openapi-python-client");
    generate.args(["generate", "--meta", "none", "--fail-on-warning", "--path"]).arg(&document);
    generate.arg("--config").arg(files().join("openapi-python-client.yaml"));
    generate.arg("--output-path").arg(folder.join("framelift_client"));
    output(generate).await;
    let mut python = program("python");
    python.arg(files().join("client.py")).env("PYTHONPATH", &folder);
    main_job(python, &stack, &folder, "python@example.com").await;

    let modules = tools("FRAMELIFT_TEST_NODE").join("node_modules");
    for file in ["client.ts", "package.json", "tsconfig.json"] {
        std::fs::copy(files().join(file), folder.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(&modules, folder.join("node_modules")).unwrap();
    let node = |script: &str| {
        let mut node = program("node");
        node.arg(modules.join(script)).current_dir(&folder);
        node
    };
    let mut generate = node("openapi-typescript/bin/cli.js");
    generate.arg(&document).args(["--output", "schema.d.ts"]);
    output(generate).await;
    output(node("typescript/bin/tsc")).await;
    let mut typescript = program("node");
    typescript.arg("client.js");
    main_job(typescript, &stack, &folder, "typescript@example.com").await;
    stack.finish().await;
}

#[tokio::test]
async fn pages_of_configured_origins_may_call() {
    let origins = "http://localhost:5173 https://app.example.com".to_owned();
    let env = vec![("SPIN_VARIABLE_CORS_ORIGINS", origins)];
    let stack = Stack::start(Setup { env, ..Setup::default() }).await;
    let api = stack.info().api;
    let send = async |method: Method, path: &str, origin: &str| {
        let request = stack.client().request(method, format!("{api}{path}")).header("origin", origin);
        let answer = request.header("access-control-request-method", "POST").send().await.unwrap();
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        assert!(header("vary").is_some_and(|vary| vary.contains("origin")), "{path}: {answer:?}");
        (
            answer.status().as_u16(),
            header("access-control-allow-origin"),
            header("access-control-allow-methods"),
        )
    };
    let ours = "https://app.example.com";
    // One path of each component, and one that nobody serves.
    for (method, path, status) in [
        (Method::GET, "/auth/me", 401),
        (Method::GET, "/videos", 401),
        (Method::POST, "/videos/upload", 401),
        (Method::GET, "/videos/x/download", 401),
        (Method::GET, "/health/ready", 200),
        (Method::GET, "/openapi.json", 200),
        (Method::GET, "/nothing/here", 404),
    ] {
        assert_eq!(send(method.clone(), path, ours).await, (status, Some(ours.into()), None), "{path}");
        assert_eq!(send(method, path, "https://evil.example").await, (status, None, None), "{path}");
    }
    let asked = send(Method::OPTIONS, "/videos/upload", ours).await;
    assert_eq!(asked, (204, Some(ours.into()), Some("OPTIONS, POST".into())));
    stack.finish().await;
}
