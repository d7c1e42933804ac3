//! The command line against the whole system: logins, uploads that break off, results that are checked.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use framelift_dev_faults::{Fault, Rule};
use framelift_domain::Checksum;
use framelift_e2e::faulty_cloud::FaultyCloud;
use framelift_e2e::process::{program, root, signal};
use framelift_e2e::receiver::Receiver;
use framelift_e2e::user::{PASSWORD, open_archive};
use framelift_e2e::{Setup, Stack, User, clip, until};
use serde_json::{Value, json};

/// The program with a home folder.
pub(crate) struct Cli {
    home: PathBuf,
}

impl Cli {
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn new(stack: &Stack, name: &str) -> Self {
        let home = stack.scratch().join(name);
        std::fs::create_dir_all(&home).unwrap();
        Self { home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("framelift"));
        command.env_clear().env("HOME", &self.home).current_dir(&self.home).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "", &[]).await
    }

    async fn run_with(&self, arguments: &[&str], input: &str, env: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments);
        command.envs(env.iter().copied()).stdin(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn().unwrap();
            // It may have ended without reading.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Runs to success; what it printed as JSON.
    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", error(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs into an error with this exit code; its code and what it says.
    async fn refused(&self, arguments: &[&str], exit: i32) -> (String, String) {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", error(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (told["error"]["code"].as_str().unwrap().to_owned(), error(&output))
    }

    pub(crate) async fn log_in(&self, stack: &Stack, email: &str) {
        let api = stack.info().api;
        let output = self
            .run_with(&["login", "--server", &api, "--email", email], &format!("{PASSWORD}\n"), &[])
            .await;
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    }

    fn credentials(&self) -> PathBuf {
        self.home.join(".config/framelift/credentials.json")
    }

    /// Changes the stored login.
    fn change_login(&self, change: impl FnOnce(&mut Value)) {
        let mut stored: Value = serde_json::from_slice(&std::fs::read(self.credentials()).unwrap()).unwrap();
        change(stored["logins"].as_object_mut().unwrap().values_mut().next().unwrap());
        std::fs::write(self.credentials(), stored.to_string()).unwrap();
    }

    /// What is kept of uploads.
    fn kept(&self) -> usize {
        std::fs::read_dir(self.home.join(".local/state/framelift/uploads")).map_or(0, Iterator::count)
    }
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn logins_last_and_end() {
    let stack = Stack::start(Setup::default()).await;
    let (api, cli) = (stack.info().api, Cli::new(&stack, "ada"));
    let ada = stack.user("ada").await;

    let (code, said) = cli.refused(&["list", "--server", &api], 77).await;
    assert_eq!(code, "not-logged-in");
    assert!(said.contains(&format!("run `framelift login --server {api}`")), "{said}");

    let login = ["login", "--server", &api, "--email", &ada.email];
    let wrong = cli.run_with(&login, "not the password\n", &[]).await;
    assert_eq!(wrong.status.code(), Some(77), "{}", error(&wrong));
    assert!(error(&wrong).contains("check the e-mail address and the password"), "{}", error(&wrong));
    assert!(!cli.credentials().exists());

    cli.log_in(&stack, &ada.email).await;
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = cli.credentials().parent().unwrap().to_owned();
    assert_eq!((mode(cli.credentials()), mode(folder)), (0o600, 0o700));
    assert_eq!(cli.json(&["list"]).await, json!({"items": []}));
    assert_eq!(cli.json(&["account", "show"]).await["email"], ada.email.as_str());

    // An access token that has ended is renewed, by one of many processes at once.
    cli.change_login(|login| login["access_token"] = "ended".into());
    let many = futures::future::join_all((0..6).map(|_| cli.run(&["list"]))).await;
    for output in many {
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        assert_eq!(text(&output), "no videos\n");
    }
    assert_eq!(cli.json(&["account", "sessions"]).await["items"].as_array().map(Vec::len), Some(2));

    // A token in the environment needs no login.
    let fresh = Cli::new(&stack, "machine");
    let env = [("FRAMELIFT_SERVER", &*api), ("FRAMELIFT_TOKEN", &*ada.token)];
    assert_eq!(fresh.run_with(&["list"], "", &env).await.status.code(), Some(0));
    let env = [("FRAMELIFT_SERVER", &*api), ("FRAMELIFT_TOKEN", "x")];
    let refused = fresh.run_with(&["list"], "", &env).await;
    assert_eq!(refused.status.code(), Some(77));
    assert!(error(&refused).contains("FRAMELIFT_TOKEN"), "{}", error(&refused));

    // A login that the owner has ended elsewhere.
    let sessions = ada.expect(reqwest::Method::GET, "/auth/me/sessions", None, 200).await;
    for session in sessions["items"].as_array().unwrap() {
        if session["current"] == false {
            let path = format!("/auth/me/sessions/{}", session["id"].as_str().unwrap());
            ada.expect(reqwest::Method::DELETE, &path, None, 204).await;
        }
    }
    cli.change_login(|login| login["access_token"] = "ended".into());
    assert_eq!(cli.refused(&["list"], 77).await.0, "login-ended");

    cli.log_in(&stack, &ada.email).await;
    let (sessions, out) = (cli.json(&["account", "sessions"]).await, cli.run(&["logout"]).await);
    assert_eq!((out.status.code(), error(&out)), (Some(0), String::new()));
    let left = ada.expect(reqwest::Method::GET, "/auth/me/sessions", None, 200).await;
    let count = |list: &Value| list["items"].as_array().map_or(0, Vec::len);
    assert_eq!(count(&left) + 1, count(&sessions), "the service has forgotten the login: {left}");
    assert_eq!(cli.refused(&["list"], 77).await.0, "not-logged-in");
    stack.finish().await;
}

#[tokio::test]
async fn videos_go_up_and_their_frames_come_down() {
    let stack = Stack::start(Setup::default()).await;
    let (ada, cli) = (stack.user("ada").await, Cli::new(&stack, "ada"));
    cli.log_in(&stack, &ada.email).await;
    std::fs::write(cli.home.join("cars.mp4"), clip::sample("cars-30s.mp4")).unwrap();
    std::fs::write(cli.home.join("text.mp4"), "no video at all").unwrap();
    std::fs::write(cli.home.join("notes.txt"), "not even by name").unwrap();

    let video = cli.json(&["upload", "cars.mp4", "--every", "10", "--size", "64x", "-o", "out"]).await;
    assert_eq!((&video["status"], &video["result"]["frames"]), (&json!("completed"), &json!(4)));
    assert_eq!(video["output"], "out/cars-frames.zip");
    let archive = std::fs::read(cli.home.join("out/cars-frames.zip")).unwrap();
    assert_eq!(video["result"]["sha256"], Checksum::of(&archive).to_string());
    assert_eq!(open_archive(&archive).0.len(), 5);
    assert_eq!(cli.kept(), 0);
    let id = video["id"].as_str().unwrap();

    // What is there is not replaced, and what has come of it before is gone on with.
    let again = cli.refused(&["download", id, "-o", "out"], 1).await;
    assert!(again.1.contains("--force replaces it"), "{}", again.1);
    let part = format!(".half.zip.{}.part", &Checksum::of(&archive).to_string()[..12]);
    std::fs::write(cli.home.join(&part), &archive[..archive.len() / 2]).unwrap();
    cli.json(&["download", id, "-o", "half.zip"]).await;
    assert_eq!(std::fs::read(cli.home.join("half.zip")).unwrap(), archive);
    std::fs::write(cli.home.join(part.replace("half", "bad")), "these are other bytes").unwrap();
    assert_eq!(cli.refused(&["download", id, "-o", "bad.zip"], 1).await.0, "checksum-mismatch");
    assert!(!cli.home.join("bad.zip").exists());
    cli.json(&["download", id, "-o", "bad.zip"]).await;

    let run = cli.json(&["run", id, "--at", "50%", "--wait"]).await;
    assert_eq!(run["result"]["frames"], 1);
    assert_eq!(cli.json(&["show", id]).await["options"]["select"], json!({"every": "10s"}));
    let list = cli.run(&["list", "--status", "completed"]).await;
    assert!(text(&list).contains(id) && text(&list).contains("cars.mp4"), "{}", text(&list));
    let watched = cli.run(&["watch", id, "--json"]).await;
    let lines: Vec<Value> = text(&watched).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["status"]), (1, &json!("completed")));

    // What is no video is told in plain words, beside those that are one.
    assert_eq!(cli.refused(&["upload", "text.mp4", "--wait"], 1).await.0, "not-a-video");
    let (code, said) = cli.refused(&["upload", "notes.txt"], 64).await;
    assert_eq!(code, "unsupported-file-format");
    assert!(said.contains("hint: rename the file if it is a video"), "{said}");
    let both = cli.run(&["upload", "text.mp4", "cars.mp4", "--count", "2", "--wait", "--json"]).await;
    assert_eq!(both.status.code(), Some(3), "{}", error(&both));
    let both: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!((&both["done"], &both["failed"]), (&json!(1), &json!(1)));
    assert_eq!(both["videos"][1]["result"]["frames"], 2);

    assert_eq!(cli.refused(&["cancel", id], 1).await.0, "processing-already-finished");
    let announced = ada.create("later.mp4", 1000, json!({})).await["id"].as_str().unwrap().to_owned();
    let canceled = cli.run(&["cancel", &announced]).await;
    assert_eq!(text(&canceled), format!("{announced} canceled\n"), "{}", error(&canceled));
    assert_eq!(ada.video(&announced).await["status"], "canceled");
    let run = run["id"].as_str().unwrap();
    assert_eq!(cli.run(&["rm", id, run]).await.status.code(), Some(0));
    assert_eq!(cli.refused(&["show", id], 1).await.0, "video-not-found");
    assert_eq!(cli.refused(&["show", "../auth/me"], 64).await.0, "invalid-options");
    stack.finish().await;
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_where_it_stopped() {
    let cloud = FaultyCloud::start(1).await;
    let stack = Stack::start(cloud.setup()).await;
    let (ada, cli) = (stack.user("ada").await, Cli::new(&stack, "ada"));
    cli.log_in(&stack, &ada.email).await;
    std::fs::write(cli.home.join("large.mp4"), clip::padded(200 << 20)).unwrap();
    let arguments = ["upload", "large.mp4", "--count", "3", "--wait", "--json"];

    // However fast the machine is, the upload does not end before it is interrupted.
    cloud.s3_faults().add(Rule::new(Fault::Stall).on("PUT", "partNumber=7"));
    let mut first: Child = cli.command(&arguments).spawn().unwrap();
    let (id, arrived) = until("the first parts", || async {
        let videos = ada.expect(reqwest::Method::GET, "/videos", None, 200).await;
        let id = videos["items"][0]["id"].as_str().ok_or("no video yet")?.to_owned();
        let parts = ada.expect(reqwest::Method::GET, &format!("/videos/{id}/upload-parts"), None, 200).await;
        match parts["uploaded"].as_array().map_or(0, Vec::len) {
            0..=1 => Err(format!("{id}: no parts yet")),
            arrived => Ok((id, arrived)),
        }
    })
    .await;
    signal(first.id(), "INT");
    let status = tokio::task::spawn_blocking(move || first.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(cli.kept(), 1);
    let video = ada.video(&id).await;
    assert_eq!(video["status"], "awaiting_upload", "{arrived} parts had arrived");
    cloud.s3_faults().clear();

    let second = cli.run(&arguments).await;
    assert_eq!(second.status.code(), Some(0), "{}", error(&second));
    let video: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!((&video["id"], &video["result"]["frames"]), (&json!(id), &json!(3)));
    assert_eq!(cli.kept(), 0);
    let list = cli.json(&["list"]).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "it is one video: {list}");
    stack.finish().await;
}

#[tokio::test]
async fn plugins_are_pushed_listed_and_removed() {
    let stack = Stack::start(Setup::default()).await;
    let (ada, cli) = (stack.user("ada").await, Cli::new(&stack, "ada"));
    cli.log_in(&stack, &ada.email).await;
    let component = std::fs::read(root().join("plugins/built/sharpest.wasm")).unwrap();
    std::fs::write(cli.home.join("my_picker.wasm"), component).unwrap();
    let pushed = cli.json(&["plugin", "push", "my_picker.wasm", "--wait"]).await;
    assert_eq!((&pushed["name"], &pushed["state"]), (&json!("my-picker"), &json!("ready")), "{pushed}");
    let listed = cli.run(&["plugin", "list"]).await;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.starts_with("my-picker                   1  ready\ndedupe "), "{text}");

    std::fs::write(cli.home.join("odd.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let (_, said) = cli.refused(&["plugin", "push", "odd.wasm", "--name", "mine", "--wait"], 1).await;
    assert!(said.contains("the plugin mine was rejected: does not fit the world"), "{said}");
    let deleted = cli.json(&["plugin", "rm", "my-picker"]).await;
    assert_eq!(deleted, json!({"name": "my-picker", "in_use": []}));
    let (code, _) = cli.refused(&["plugin", "rm", "my-picker"], 1).await;
    assert_eq!(code, "plugin-not-found");
    stack.finish().await;
}

#[tokio::test]
async fn a_service_that_is_away_is_told() {
    let mut stack = Stack::start(Setup::default()).await;
    let (ada, cli) = (stack.user("ada").await, Cli::new(&stack, "ada"));
    cli.log_in(&stack, &ada.email).await;
    stack.stop().await;
    let (code, said) = cli.refused(&["list"], 69).await;
    assert_eq!(code, "unreachable");
    assert!(said.contains("does not answer") && said.contains("hint: check the address"), "{said}");
    // Something else listens there.
    let (code, _) = cli.refused(&["list", "--server", "http://127.0.0.1:1"], 77).await;
    assert_eq!(code, "not-logged-in");
    stack.start_again().await;
    stack.finish().await;
}

#[tokio::test]
async fn an_account_is_changed_and_deleted() {
    const NEW_PASSWORD: &str = "staple in the correct battery";
    let stack = Stack::start(Setup::default()).await;
    let (ada, cli, other) = (stack.user("ada").await, Cli::new(&stack, "ada"), Cli::new(&stack, "other"));
    cli.log_in(&stack, &ada.email).await;
    other.log_in(&stack, &ada.email).await;

    let account = cli.json(&["account", "set", "--name", "Ada L.", "--email", "false"]).await;
    assert_eq!((&account["name"], &account["notifications"]["email"]), (&json!("Ada L."), &json!(false)));
    let account = cli.json(&["account", "set", "--email-on-completion", "true"]).await;
    assert_eq!((&account["name"], &account["notifications"]["email"]), (&json!("Ada L."), &json!(false)));
    assert_eq!(account["notifications"]["email_on_completion"], true);
    assert!(cli.refused(&["account", "set"], 64).await.1.contains("give --name"));

    // A login elsewhere is ended.
    let sessions = other.json(&["account", "sessions"]).await;
    let current = sessions["items"].as_array().unwrap().iter().find(|item| item["current"] == true).unwrap();
    let id = current["id"].as_str().unwrap();
    assert_eq!(cli.json(&["account", "sessions", "--end", id]).await, json!({"id": id}));
    other.change_login(|login| login["access_token"] = "ended".into());
    assert_eq!(other.refused(&["list"], 77).await.0, "login-ended");
    assert_eq!(cli.json(&["account", "sessions"]).await["items"].as_array().map(Vec::len), Some(2));

    // The new password holds, and this login goes on.
    std::fs::write(cli.home.join("new"), NEW_PASSWORD).unwrap();
    let change = ["account", "password", "--new-password-file", "new"];
    let wrong = cli.run_with(&change, "not the password\n", &[]).await;
    assert_eq!(wrong.status.code(), Some(77), "{}", error(&wrong));
    let changed = cli.run_with(&change, &format!("{PASSWORD}\n"), &[]).await;
    assert_eq!(changed.status.code(), Some(0), "{}", error(&changed));
    cli.change_login(|login| login["access_token"] = "ended".into());
    assert_eq!(cli.json(&["account", "sessions"]).await["items"].as_array().map(Vec::len), Some(1));
    let ada = User::log_in(stack.client().clone(), stack.info().api, ada.email, NEW_PASSWORD).await;

    // Only the account that is named is deleted, and the login goes with it.
    let delete = ["account", "delete", "--confirm"];
    let (_, said) = cli.refused(&[&delete[..], &["eve@example.com"]].concat(), 64).await;
    assert!(said.contains(&format!("this is the account of {}", ada.email)), "{said}");
    let deleted =
        cli.run_with(&[&delete[..], &[&ada.email]].concat(), &format!("{NEW_PASSWORD}\n"), &[]).await;
    assert_eq!(text(&deleted), format!("the account of {} is deleted\n", ada.email), "{}", error(&deleted));
    assert_eq!(ada.send(reqwest::Method::GET, "/auth/me", None).await.status().as_u16(), 401);
    assert_eq!(cli.refused(&["list"], 77).await.0, "not-logged-in");
    stack.finish().await;
}

#[tokio::test]
async fn a_webhook_is_set_tried_and_followed() {
    let stack = Stack::start(Setup::default()).await;
    let (ada, cli, receiver) = (stack.user("ada").await, Cli::new(&stack, "ada"), Receiver::start());
    cli.log_in(&stack, &ada.email).await;
    let webhook =
        async |arguments: &[&str]| cli.json(&[&["account", "webhook"][..], arguments].concat()).await;

    let set = webhook(&["set", &receiver.url]).await;
    assert_eq!(set["webhook_url"], receiver.url.as_str());
    assert_eq!(cli.json(&["account", "show"]).await["notifications"]["webhook_url"], receiver.url.as_str());
    let secret = webhook(&["secret"]).await;
    assert!(secret["webhook_secret"].as_str().unwrap().starts_with("whsec_"), "{secret}");
    assert_ne!(set["webhook_secret"], secret["webhook_secret"]);

    let received = async |count: usize| {
        until("the event", || async {
            let list = webhook(&["deliveries"]).await;
            let delivered = list["items"][0]["status"] == "delivered";
            if delivered && receiver.signatures().len() == count { Ok(list) } else { Err(list.to_string()) }
        })
        .await
    };
    webhook(&["test"]).await;
    let list = received(1).await;
    assert_eq!(list["items"][0]["event"], "webhook.test");
    let id = list["items"][0]["id"].as_str().unwrap();
    let shown = cli.run(&["account", "webhook", "deliveries"]).await;
    let expected = format!("{id}  webhook.test  delivered  attempts: 1, last: status 204\n");
    assert_eq!(text(&shown), expected, "{}", error(&shown));
    webhook(&["replay", id]).await;
    assert_eq!(received(2).await["items"].as_array().map(Vec::len), Some(1), "it is the same event");

    assert_eq!(webhook(&["off"]).await, json!({"webhook_url": null}));
    assert_eq!(cli.json(&["account", "show"]).await["notifications"]["webhook_url"], Value::Null);
    stack.finish().await;
}
