//! Several videos in one call, and videos from the standard input.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{error, files, framelift, sample};

/// Creates videos in folders, and a file that is not a video.
fn tree(folder: &Path) {
    for path in ["clips/a.mp4", "clips/b.MP4", "clips/deep/a.mp4", "clips/.hidden/x.mp4"] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(sample(), path).unwrap();
    }
    fs::write(folder.join("clips/notes.txt"), "no video").unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const FEW: [&str; 4] = ["--count", "1", "--width", "64"];

fn extract(folder: &Path, arguments: &[&str]) -> Output {
    framelift(folder, &[&["extract"], &FEW[..], arguments].concat())
}

#[test]
fn folders_lists_and_patterns_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let refused = extract(folder.path(), &["clips"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("clips: a folder, not a file; --recursive"), "{}", error(&refused));

    let output = extract(folder.path(), &["-r", "clips", "-o", "out/{dir}/{stem}.zip"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let lines = stdout(&output);
    assert_eq!(lines.lines().count(), 4, "{lines}");
    assert!(lines.starts_with("clips/a.mp4: 1 frame in out/a.zip ("), "{lines}");
    assert!(lines.ends_with("3 of 3 videos done; 3 frames\n"), "{lines}");
    assert_eq!(files(&folder.path().join("out")), ["a.zip", "b.zip", "deep"]);
    assert_eq!(files(&folder.path().join("out/deep")), ["a.zip"]);

    let pattern = extract(folder.path(), &["clips/*.mp4", "clips/b.MP4", "clips/a.mp4", "-o", "globbed/"]);
    assert_eq!(pattern.status.code(), Some(0), "{}", error(&pattern));
    assert_eq!(files(&folder.path().join("globbed")), ["a", "b"]);
    assert_eq!(files(&folder.path().join("globbed/a")), ["frame_000001.jpg", "manifest.json"]);
    let nothing = extract(folder.path(), &["clips/*.mkv"]);
    assert!(error(&nothing).contains("clips/*.mkv: no file matches"), "{}", error(&nothing));

    fs::write(folder.path().join("list"), "clips/a.mp4\r\n\nclips/b.MP4\n").unwrap();
    let listed = extract(folder.path(), &["--list", "list", "-o", "listed_{stem}_{n}.jpg"]);
    assert_eq!(listed.status.code(), Some(0), "{}", error(&listed));
    for name in ["listed_a_1.jpg", "listed_b_1.jpg", "a-manifest.json", "b-manifest.json"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[test]
fn the_exit_code_says_whether_some_failed() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let output = extract(folder.path(), &["clips/a.mp4", "clips/notes.txt", "missing.mp4", "clips/b.MP4"]);
    assert_eq!(output.status.code(), Some(3), "{}", error(&output));
    assert!(stdout(&output).ends_with("2 of 4 videos done, 2 failed; 2 frames\n"), "{}", stdout(&output));
    let said = error(&output);
    assert!(said.contains("error: clips/notes.txt: not-a-video: ") && said.contains("\nhint: "), "{said}");
    assert!(said.contains("error: missing.mp4: No such file"), "{said}");
    assert_eq!(files(folder.path()), ["a-frames.zip", "b-frames.zip", "clips"]);

    let json = extract(folder.path(), &["--json", "--force", "clips/a.mp4", "missing.mp4"]);
    assert_eq!(json.status.code(), Some(3));
    let summary: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((summary["done"].as_u64(), summary["failed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(summary["videos"][0]["output"], "a-frames.zip");
    assert_eq!(summary["videos"][1]["error"]["code"], "io");

    let all = extract(folder.path(), &["missing.mp4", "missing.mkv"]);
    assert_eq!(all.status.code(), Some(64), "both have one name: {}", error(&all));
    let all = extract(folder.path(), &["missing.mp4", "gone.mp4"]);
    assert_eq!(all.status.code(), Some(1), "{}", error(&all));
}

#[test]
fn two_videos_never_share_an_output() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let two = ["clips/a.mp4", "clips/deep/a.mp4"];
    for (output, said) in [
        ("{stem}.zip", "would go to the same place"),
        ("out/", "would go to the same place"),
        ("{stem}_{n}.jpg", "would go to the same place"),
        ("{n}.jpg", "write {stem} in the images' name"),
        ("a.zip", "write {stem} in its name"),
        ("-", "takes the frames of one video only"),
    ] {
        let refused = extract(folder.path(), &[&two[..], &["-o", output]].concat());
        assert_eq!(refused.status.code(), Some(64), "{output}: {}", error(&refused));
        assert!(error(&refused).contains(said), "{output}: {}", error(&refused));
    }
    assert_eq!(files(folder.path()), ["clips"]);
}

fn from_stdin(folder: &Path, script: &str) -> Output {
    let script = script.replace("FRAMELIFT", env!("CARGO_BIN_EXE_framelift"));
    let script = script.replace("SAMPLE", sample().to_str().unwrap());
    Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_video_is_read_from_the_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let piped = from_stdin(folder.path(), "cat SAMPLE | FRAMELIFT extract - --count 2");
    assert_eq!(piped.status.code(), Some(0), "{}", error(&piped));
    assert_eq!(files(folder.path()), ["stdin-frames.zip"], "no temporary file is left");
    let direct = from_stdin(folder.path(), "FRAMELIFT extract - --count 2 -o direct.zip <SAMPLE");
    assert_eq!(direct.status.code(), Some(0), "{}", error(&direct));
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("direct.zip"), read("stdin-frames.zip"));

    let large = from_stdin(folder.path(), "cat SAMPLE | FRAMELIFT extract - --stdin-limit 1000 -o b.zip");
    assert_eq!(large.status.code(), Some(1));
    assert!(error(&large).contains("more than 1000 bytes; --stdin-limit"), "{}", error(&large));
    let listed = from_stdin(folder.path(), "echo SAMPLE | FRAMELIFT extract --list - --count 1");
    assert_eq!(listed.status.code(), Some(0), "{}", error(&listed));
    let both = from_stdin(folder.path(), "echo SAMPLE | FRAMELIFT extract --list - -");
    assert!(error(&both).contains("can be read once only"), "{}", error(&both));
    assert_eq!(files(folder.path()), ["direct.zip", "nasa-13s-frames.zip", "stdin-frames.zip"]);
}
