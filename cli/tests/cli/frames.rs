//! Single frames, from a server with three frames and two on a page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use super::{error, files};

/// Answers one request. Only links need no token.
fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut authorized) = (String::new(), false);
    if reader.read_line(&mut request).unwrap() == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        authorized |= line.trim_end().eq_ignore_ascii_case("authorization: Bearer good");
        if line.trim_end().is_empty() {
            break;
        }
    }
    let item = |n: u32| json!({"n": n, "time": n.to_string(), "url": format!("/f/link.{n}")});
    let path = request.split(' ').nth(1).unwrap();
    assert_eq!(authorized, !path.starts_with("/f/"), "{path}");
    let (status, body) = match path {
        "/videos/v1" => (200, video("completed").to_string()),
        "/videos/v2" => (200, video("failed").to_string()),
        "/videos/v1/frames?limit=100" => {
            (200, json!({"items": [item(1), item(2)], "next_cursor": "a/b"}).to_string())
        }
        "/videos/v1/frames?limit=100&cursor=a%2Fb" => {
            (200, json!({"items": [item(3)], "next_cursor": null}).to_string())
        }
        "/videos/v1/manifest" => (200, json!({"frames": []}).to_string()),
        "/videos/v1/frames/at/12.5s" => (200, "image at 12.5".to_owned()),
        link if link.starts_with("/f/link.") => (200, format!("image {link}")),
        _ => (404, json!({"code": "frame-not-found", "title": "x", "detail": "there is none"}).to_string()),
    };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = (&stream).write_all((head + &body).as_bytes());
}

fn video(status: &str) -> serde_json::Value {
    let done = status == "completed";
    json!({
        "id": "v1", "file_name": "a.mp4", "size_bytes": 1, "status": status, "options": {"format": "png"},
        "progress": {"stage": "done", "percent": 100, "frames_done": 3},
        "result": done.then(|| json!({"size_bytes": 1, "frames": 3, "sha256": "", "warnings": []})),
        "failure": (!done).then(|| json!({"code": "not-a-video", "message": "it is none"})),
        "created_at": "", "completed_at": "now",
    })
}

#[test]
fn frames_come_one_by_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framelift"));
        command.env_clear().env("HOME", folder.path()).env("FRAMELIFT_SERVER", &server);
        command.env("FRAMELIFT_TOKEN", "good").current_dir(folder.path()).arg("frames").args(arguments);
        command.output().unwrap()
    };
    let out = run(&["v1", "-o", "out"]);
    assert_eq!(out.status.code(), Some(0), "{}", error(&out));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "3 frames in out (45 B)\n");
    let names = ["frame_000001.png", "frame_000002.png", "frame_000003.png", "manifest.json"];
    assert_eq!(files(&folder.path().join("out")), names);
    let read = |name: &str| std::fs::read_to_string(Path::new(folder.path()).join(name)).unwrap();
    assert_eq!(read("out/frame_000003.png"), "image /f/link.3");

    assert_eq!(run(&["v1", "--at", "12.5s", "-o", "one.png"]).status.code(), Some(0));
    assert_eq!(read("one.png"), "image at 12.5");
    for (arguments, exit, message) in [
        (&["v1", "--at", "99s", "-o", "none.png"][..], 1, "frame-not-found: there is none"),
        (&["v1", "--at", "../x", "-o", "none.png"], 64, "--at: "),
        (&["v2", "-o", "none"], 1, "not-a-video: it is none"),
        (&["v1", "-o", "out"], 1, "--force replaces it"),
    ] {
        let out = run(arguments);
        assert_eq!(out.status.code(), Some(exit), "{}", error(&out));
        assert!(error(&out).contains(message), "{}", error(&out));
    }
    assert_eq!(files(folder.path()), ["one.png", "out"]);
}
