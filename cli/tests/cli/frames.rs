//! Single frames, from a server with three frames and two on a page.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use framelift_domain::Checksum;
use serde_json::json;

use super::server::{Answer, Request, Server, json_answer, not_found};
use super::{error, eventually, files, signal};

const FRAMES: [&str; 3] = ["frame_000001.png", "frame_000002.png", "frame_000003.png"];
/// Where frames are kept until all have arrived.
const PART: &str = ".framelift-0123456789ab.part";

fn image(number: usize) -> String {
    format!("image {number}")
}

fn answer(request: &Request) -> Answer {
    let authorized = request.header("authorization") == Some("bearer good");
    assert_eq!(authorized, !request.path.starts_with("/f/"), "only links need no token: {}", request.path);
    let item = |n: u32| json!({"n": n, "time": n.to_string(), "url": format!("/f/link.{n}")});
    let record = |(n, name): (usize, &&str)| json!({"file": format!("frames/{name}"), "sha256": Checksum::of(image(n + 1).as_bytes()).to_string()});
    let bytes = |body: String| (200, "image/png", body);
    match &*request.path {
        "/videos/v1" => json_answer(&video("completed")),
        "/videos/v2" => json_answer(&video("failed")),
        "/videos/v1/frames?limit=100" => {
            json_answer(&json!({"items": [item(1), item(2)], "next_cursor": "a/b"}))
        }
        "/videos/v1/frames?limit=100&cursor=a%2Fb" => {
            json_answer(&json!({"items": [item(3)], "next_cursor": null}))
        }
        "/videos/v1/manifest" => {
            json_answer(&json!({"frames": FRAMES.iter().enumerate().map(record).collect::<Vec<_>>()}))
        }
        "/videos/v1/frames/at/12.5s" => bytes("image at 12.5".to_owned()),
        "/videos/v1/frames/at/20s" => bytes("x".repeat(20_000)),
        link if link.starts_with("/f/link.") => bytes(image(link["/f/link.".len()..].parse().unwrap())),
        _ => not_found("frame-not-found"),
    }
}

fn video(status: &str) -> serde_json::Value {
    let done = status == "completed";
    let result = json!({"size_bytes": 1, "frames": 3, "sha256": "0123456789abcdef", "warnings": []});
    json!({
        "id": "v1", "file_name": "a.mp4", "size_bytes": 1, "status": status, "options": {"format": "png"},
        "progress": {"stage": "done", "percent": 100, "frames_done": 3},
        "result": done.then_some(result),
        "failure": (!done).then(|| json!({"code": "not-a-video", "message": "it is none"})),
        "created_at": "", "completed_at": "now",
    })
}

fn frames(server: &Server, folder: &Path, arguments: &[&str]) -> Command {
    server.command(folder, &[&["frames", "v1"], arguments].concat())
}

/// The links that were opened since the last call.
fn opened(server: &Server) -> Vec<String> {
    let mut paths: Vec<String> = server.take_asked().into_iter().map(|request| request.path).collect();
    paths.retain(|path| path.starts_with("/f/"));
    paths.sort();
    paths
}

fn wait(mut child: std::process::Child) -> Output {
    eventually("the end", || child.try_wait().unwrap().is_some());
    child.wait_with_output().unwrap()
}

#[test]
fn frames_come_one_by_one() {
    let server = Server::start(|request, _| answer(request));
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| server.command(folder.path(), arguments).output().unwrap();
    let out = run(&["frames", "v1", "-o", "out"]);
    assert_eq!(out.status.code(), Some(0), "{}", error(&out));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "3 frames in out (21 B)\n");
    assert_eq!(files(&folder.path().join("out")), [FRAMES.as_slice(), &["manifest.json"]].concat());
    let read = |name: &str| std::fs::read_to_string(Path::new(folder.path()).join(name)).unwrap();
    assert_eq!(read("out/frame_000003.png"), "image 3");

    assert_eq!(run(&["frames", "v1", "--at", "12.5s", "-o", "one.png"]).status.code(), Some(0));
    assert_eq!(read("one.png"), "image at 12.5");
    for (arguments, exit, message) in [
        (&["v1", "--at", "99s", "-o", "none.png"][..], 1, "frame-not-found: there is none"),
        (&["v1", "--at", "../x", "-o", "none.png"], 64, "--at: "),
        (&["v1", "--at", "12.5s", "-o", "one.png"], 1, "--force replaces it"),
        (&["v2", "-o", "none"], 1, "not-a-video: it is none"),
        (&["v1", "-o", "out"], 1, "--force replaces it"),
    ] {
        let out = run(&[&["frames"], arguments].concat());
        assert_eq!(out.status.code(), Some(exit), "{}", error(&out));
        assert!(error(&out).contains(message), "{}", error(&out));
    }
    assert_eq!(files(folder.path()), ["one.png", "out"]);
    // Into the folder that is there.
    assert_eq!(run(&["frames", "v1", "-o", "out", "--force"]).status.code(), Some(0));
    assert_eq!(files(&folder.path().join("out")), [FRAMES.as_slice(), &["manifest.json"]].concat());
}

#[test]
fn frames_that_have_arrived_are_not_fetched_again() {
    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = Arc::clone(&stalls);
    let server = Server::start(move |request, _| {
        while request.path == "/f/link.3" && stalled.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        answer(request)
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join(PART);
    let whole = |number: usize| {
        std::fs::read_to_string(part.join(FRAMES[number - 1])).is_ok_and(|text| text == image(number))
    };
    let child = frames(&server, folder.path(), &["-o", "out"]).stderr(Stdio::piped()).spawn().unwrap();
    // The third is waited for, although the others go on.
    eventually("two frames", || whole(1) && whole(2));
    let other = frames(&server, folder.path(), &["-o", "out"]).output().unwrap();
    assert!(error(&other).contains("is being written by another command"), "{}", error(&other));
    signal(&child, "INT");
    let interrupted = wait(child);
    assert_eq!(interrupted.status.code(), Some(130));
    assert!(error(&interrupted).contains("hint: the same command goes on"), "{}", error(&interrupted));
    assert_eq!(files(folder.path()), [PART]);

    stalls.store(false, Relaxed);
    std::fs::write(part.join(FRAMES[1]), "ima").unwrap();
    opened(&server);
    let out = frames(&server, folder.path(), &["-o", "out"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "3 frames in out (21 B)\n", "{}", error(&out));
    assert_eq!(opened(&server), ["/f/link.2", "/f/link.3"]);
    assert_eq!(files(folder.path()), ["out"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    assert_eq!(FRAMES.map(read), [1, 2, 3].map(image));
}

#[test]
fn an_image_of_another_checksum_is_refused() {
    let server = Server::start(|request, _| match &*request.path {
        "/f/link.2" => (200, "image/png", "another image".to_owned()),
        _ => answer(request),
    });
    let folder = tempfile::tempdir().unwrap();
    let out = frames(&server, folder.path(), &["-o", "out"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(error(&out).contains("checksum-mismatch: frames/frame_000002.png"), "{}", error(&out));
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_signal_removes_an_unfinished_image() {
    let server = Server::start(|request, _| {
        if request.path.ends_with("/at/12.5s") {
            std::thread::sleep(Duration::from_secs(600));
        }
        answer(request)
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut command = frames(&server, folder.path(), &["--at", "12.5s", "-o", "one.png"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        eventually("an image is begun", || files(folder.path()).len() == 1);
        signal(&child, name);
        let output = wait(child);
        assert_eq!(output.status.code(), Some(128 + number), "{}", error(&output));
        assert!(error(&output).contains("hint: nothing was written"), "{}", error(&output));
        assert_eq!(files(folder.path()), [""; 0]);
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_reported() {
    let server = Server::start(|request, _| answer(request));
    let folder = tempfile::tempdir().unwrap();
    let command = frames(&server, folder.path(), &["--at", "20s", "-o", "one.png"]);
    let mut limited = Command::new("bash");
    // 8 KiB.
    limited.args(["-c", "ulimit -f 8; exec \"$@\"", "bash"]).arg(command.get_program());
    limited.args(command.get_args()).current_dir(folder.path());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let output = limited.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(error(&output).contains("File too large"), "{}", error(&output));
    assert_eq!(files(folder.path()), [""; 0]);
}
