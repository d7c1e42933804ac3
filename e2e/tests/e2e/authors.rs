//! Plugins in the three languages that have a template, from the commands of `docs/plugins.md` to a video's frames.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use framelift_domain::Checksum;
use framelift_e2e::process::{program, root};
use framelift_e2e::user::open_archive;
use framelift_e2e::{Setup, Stack, User, clip};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::clients::tools;
use crate::plugins::pixels;

#[path = "../../../cli/tests/cli/built.rs"]
mod built;

/// Runs a shell's command in a folder, without the settings of this workspace's own build.
fn shell(script: &str, folder: &Path) {
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().into_owned();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || text.starts_with("RUST") && text != "RUSTUP_HOME"
        {
            shell.env_remove(name);
        }
    }
    let bin = program("framelift").parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let output = shell.args(["-euc", script]).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The component of a template, built now unless the command line's tests have built it.
fn component(language: &str) -> Vec<u8> {
    let kept = built::kept(language);
    if !kept.is_file() {
        let folder = tempfile::tempdir().unwrap();
        let (word, build, file) = match language {
            "Rust" => (
                "rust",
                "cargo build --release --offline",
                "target/wasm32-unknown-unknown/release/my_plugin.wasm",
            ),
            "Python" => ("python", "sh build.sh", "my-plugin.wasm"),
            _ => ("js", "npm run build", "my-plugin.wasm"),
        };
        shell(&format!("framelift plugin new --lang {word} my-plugin"), folder.path());
        let project = folder.path().join("my-plugin");
        let tools = tools("FRAMELIFT_TEST_AUTHORS");
        symlink(tools.join("python"), project.join(".venv")).unwrap();
        symlink(tools.join("js/node_modules"), project.join("node_modules")).unwrap();
        shell(build, &project);
        built::keep(language, &project.join(file));
    }
    std::fs::read(kept).unwrap()
}

/// The commands of the page's last block, which are about the service.
fn service_commands() -> Vec<&'static str> {
    let page = include_str!("../../../docs/plugins.md");
    let (_, block) =
        page.split_once("```sh\nframelift plugin push").expect("the page shows how to upload it");
    let (block, _) = block.split_once("\n```").expect("the block ends");
    let start = page.find("framelift plugin push").expect("it was found above");
    page[start..start + "framelift plugin push".len() + block.len()].lines().collect()
}

/// The video's frames that pass these plugins, and their manifest.
async fn run(ada: &User, plugins: Value) -> (Vec<u8>, Value) {
    let options = json!({
        "select": {"count": 3}, "format": "png", "resize": {"width": 64, "height": 36, "fit": "fill"},
        "plugins": plugins,
    });
    let id = ada.upload("nasa.mp4", &clip::sample("nasa-13s.mp4"), options).await;
    let record = ada.finished(&id).await;
    assert_eq!(record["status"], "completed", "{record}");
    let archive = ada.download(&id).await;
    let (_, manifest) = open_archive(&archive);
    (archive, manifest)
}

#[tokio::test]
async fn plugins_in_three_languages_run_through_the_api() {
    let components = tokio::task::spawn_blocking(|| ["Python", "JavaScript", "Rust"].map(component));
    let components = components.await.unwrap();
    let stack = Stack::start(Setup::default()).await;
    let (ada, eve) = (stack.user("ada").await, stack.user("eve").await);

    // The page's commands, with the component in Python.
    let cli = Cli::new(&stack, "ada");
    cli.log_in(&stack, &ada.email).await;
    std::fs::write(cli.home().join("my-plugin.wasm"), &components[0]).unwrap();
    std::fs::copy(root().join("e2e/media/nasa-13s.mp4"), cli.home().join("video.mp4")).unwrap();
    for command in service_commands() {
        let words = command.strip_prefix("framelift ").expect("each line is one of its commands");
        let words: Vec<String> =
            words.split(' ').map(|word| word.replace('\'', "").replace("VIDEO", "video.mp4")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = cli.run(&words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        match words[..] {
            ["plugin", "push", ..] => assert_eq!(said.trim(), "my-plugin version 1 is ready"),
            ["plugin", "list"] => assert!(said.starts_with("my-plugin  "), "{said}"),
            ["plugin", "rm", ..] => assert!(said.starts_with("my-plugin is deleted"), "{said}"),
            _ => {}
        }
    }

    let names = ["in-python", "in-js", "in-rust"];
    for (name, component) in names.iter().zip(&components) {
        // It waits for as long as compiling takes.
        std::fs::write(cli.home().join("it.wasm"), component).unwrap();
        let pushed = cli.run(&["plugin", "push", "it.wasm", "--name", name, "--wait"]).await;
        assert_eq!(pushed.status.code(), Some(0), "{}", String::from_utf8_lossy(&pushed.stderr));
        let ready = ada.expect(Method::GET, &format!("/plugins/{name}"), None, 200).await;
        assert_eq!((&ready["state"], &ready["sha256"]), (&json!("ready"), &json!(Checksum::of(component))));
        assert_eq!(ready["config_schema"]["properties"]["darkest"]["maximum"], 255, "{ready}");
    }
    // Frames of 9, 89 and 15: the first one drops a frame, the second one another.
    let chain = json!([
        {"name": "in-python", "config": {"darkest": 12}},
        {"name": "in-js", "config": {"darkest": 50}},
        {"name": "in-rust"},
    ]);
    let (archive, manifest) = run(&ada, chain.clone()).await;
    let frames = manifest["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 1, "{manifest}");
    for ((name, component), (plugin, dropped)) in
        names.iter().zip(&components).zip(manifest["plugins"].as_array().unwrap().iter().zip([1, 1, 0]))
    {
        assert_eq!((&plugin["name"], &plugin["dropped"]), (&json!(name), &json!(dropped)), "{plugin}");
        assert_eq!(plugin["sha256"], json!(Checksum::of(component)));
        assert_eq!(plugin["summary"], format!("{dropped} dark frames dropped"));
        let brightness: u32 = frames[0]["labels"][name]["brightness"].as_str().unwrap().parse().unwrap();
        assert!((80..100).contains(&brightness), "{brightness}");
    }
    // What passes is the picture that it would have been.
    let (plain, before) = run(&ada, json!([])).await;
    let of =
        |archive: &[u8], frame: &Value| pixels(&stack.scratch(), archive, frame["file"].as_str().unwrap());
    let bright = of(&archive, &frames[0]);
    assert_eq!(bright.len(), 64 * 36 * 3);
    assert!(bright == of(&plain, &before["frames"][1]), "the second frame");
    assert!(bright != of(&plain, &before["frames"][0]), "not the first one");

    for name in names {
        eve.expect(Method::GET, &format!("/plugins/{name}"), None, 404).await;
    }
    let body = json!({"file_name": "a.mp4", "size_bytes": 9, "options": {"plugins": chain}});
    let refused = eve.expect(Method::POST, "/videos", Some(body), 422).await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 3, "{refused}");
    stack.finish().await;
}
