//! The program as people run it: exit codes, files left behind, what it prints.
#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

mod account;
mod authors;
mod built;
#[path = "../../../crates/plugin-host/tests/plugins/component.rs"]
#[expect(dead_code, reason = "the tests of the plugins' host use all of it")]
mod component;
mod frames;
mod output;
mod plugins;
mod server;
mod shell;
mod videos;
mod watch;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/media/nasa-13s.mp4")
}

fn framelift(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_framelift")).current_dir(folder).args(arguments).output().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn frames_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let sample = sample.to_str().unwrap();
    let output = framelift(folder.path(), &["extract", sample, "--count", "5", "--width", "100", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (summary["frames"].as_u64(), summary["output"].as_str()),
        (Some(5), Some("nasa-13s-frames.zip"))
    );
    let archive = std::fs::File::open(folder.path().join("nasa-13s-frames.zip")).unwrap();
    assert_eq!(zip::ZipArchive::new(archive).unwrap().len(), 6);

    let again = framelift(folder.path(), &["extract", sample]);
    assert_eq!(again.status.code(), Some(1));
    assert!(error(&again).contains("--force replaces it"), "{}", error(&again));
    let forced = framelift(folder.path(), &["extract", sample, "--force", "--at", "1s,50%", "--at", "#3"]);
    assert_eq!(forced.status.code(), Some(0), "{}", error(&forced));
    assert!(String::from_utf8_lossy(&forced.stdout).starts_with("3 frames in nasa-13s-frames.zip"));
    assert_eq!(files(folder.path()), ["nasa-13s-frames.zip"]);

    let piped = framelift(folder.path(), &["extract", sample, "-o", "-", "--keyframes"]);
    assert_eq!(piped.status.code(), Some(0), "{}", error(&piped));
    assert!(zip::ZipArchive::new(std::io::Cursor::new(piped.stdout)).unwrap().len() > 1);
}

#[test]
fn every_format_and_a_storyboard() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    for (format, extension) in [("jpeg", "jpg"), ("png", "png"), ("webp", "webp"), ("avif", "avif")] {
        let name = format!("{format}.zip");
        let output = framelift(
            folder.path(),
            &["extract", sample.to_str().unwrap(), "--count", "2", "--width", "64", "--format", format]
                .into_iter()
                .chain(["--quality", "50", "--storyboard", "-o", &name])
                .collect::<Vec<_>>(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        let archive = std::fs::File::open(folder.path().join(&name)).unwrap();
        let archive = zip::ZipArchive::new(archive).unwrap();
        let mut names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort_unstable();
        let images = [1, 2].map(|n| format!("frames/frame_00000{n}.{extension}"));
        assert_eq!(names, [&*images[0], &*images[1], "manifest.json", "storyboard.jpg", "storyboard.vtt"]);
    }
}

#[test]
fn a_part_and_a_stream_are_taken_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let extract = |arguments: &[&str]| {
        let always = ["extract", sample.to_str().unwrap(), "--count", "1", "--force", "--json"];
        framelift(folder.path(), &[&always[..], arguments].concat())
    };
    let output = extract(&["--crop", "16:8:100x50", "--stream", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let archive = std::fs::File::open(folder.path().join("nasa-13s-frames.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
    let (frame, options) = (&manifest["frames"][0], &manifest["options"]);
    assert_eq!((frame["width"].as_u64(), frame["height"].as_u64()), (Some(100), Some(50)));
    assert_eq!(options["crop"], serde_json::json!({"x": 16, "y": 8, "width": 100, "height": 50}));
    assert_eq!(options["stream"], 0);

    for (arguments, exit, message) in [
        (["--crop", "1:2:3"], 64, "--crop: \"1:2:3\" is not X:Y:WIDTHxHEIGHT"),
        (["--crop", "0:0:0x9"], 64, "--crop: must be an integer from 1 to 65535"),
        (["--crop", "9:9:9999x9"], 1, "the crop 9:9:9999x9 reaches beyond the picture"),
        (["--stream", "one"], 64, "--stream: \"one\" is not a whole number"),
        (["--stream", "7"], 1, "stream 7 of the file is no video; these are: 0 (h264, "),
    ] {
        let output = extract(&arguments);
        assert_eq!(output.status.code(), Some(exit), "{}", error(&output));
        assert!(error(&output).contains(message), "{}", error(&output));
    }
}

#[test]
fn devices_and_pipes_are_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    let sample = sample();
    let args = ["extract", sample.to_str().unwrap(), "-o", "pipe", "--force", "--count", "1"];
    let output = framelift(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(reader.join().unwrap())).unwrap().len(), 2);
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

    let folder_named = framelift(folder.path(), &["extract", sample.to_str().unwrap(), "-o", ".", "--force"]);
    assert_eq!(folder_named.status.code(), Some(0), "{}", error(&folder_named));
    assert!(files(folder.path()).contains(&"manifest.json".to_owned()), "{:?}", files(folder.path()));

    let video = folder.path().join("video.zip");
    std::fs::copy(&sample, &video).unwrap();
    let onto_itself = framelift(folder.path(), &["extract", "video.zip", "-o", "./video.zip", "--force"]);
    assert_eq!(onto_itself.status.code(), Some(1));
    assert!(error(&onto_itself).contains("the video itself"), "{}", error(&onto_itself));
    assert_eq!(std::fs::read(&video).unwrap(), std::fs::read(&sample).unwrap());
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_framelift");
    let script = format!("{program} probe {} --json | true; echo ${{PIPESTATUS[0]}}", sample().display());
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{}", error(&output));
    assert!(!error(&output).contains("panicked"), "{}", error(&output));
}

#[test]
fn a_closed_pipe_of_the_archive_is_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_framelift");
    let script =
        format!("{program} extract {} --all -o - | true; echo ${{PIPESTATUS[0]}}", sample().display());
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "141");
    assert_eq!(error(&output), "");
}

#[test]
fn a_limit_on_the_size_of_files_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_framelift");
    for output in ["a.zip", "a.tar", "frames/"] {
        // 8 KiB: less than one picture.
        let script = format!("ulimit -f 8; exec {program} extract {} -o {output}", sample().display());
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(error(&output).contains("File too large"), "{}", error(&output));
        assert!(files(folder.path()).is_empty());
    }
}

#[test]
fn places_beyond_the_end_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let output =
        framelift(folder.path(), &["extract", sample.to_str().unwrap(), "--at", "99s", "-o", "a.zip"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(error(&output).contains("warning: 1 place lies beyond the end"), "{}", error(&output));
}

#[test]
fn a_failed_video_leaves_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.mp4"), "no video\n".repeat(1000)).unwrap();
    let output = framelift(folder.path(), &["extract", "text.mp4", "-o", "a.zip", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said = error(&output);
    let [first, second] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(first.starts_with("error: not-a-video: "), "{said}");
    assert!(second.starts_with("hint: ") && !second.contains("pload"), "{said}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["error"]["code"], "not-a-video");
    assert_eq!(files(folder.path()), ["text.mp4"]);
    let missing = framelift(folder.path(), &["extract", "missing.mp4"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(error(&missing).contains("missing.mp4"), "{}", error(&missing));
}

#[test]
fn usage_errors_and_invalid_values_have_separate_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let sample = sample.to_str().unwrap();
    for usage in [&["extract"][..], &["extract", sample, "--all", "--count", "3"], &["nonsense"]] {
        assert_eq!(framelift(folder.path(), usage).status.code(), Some(2), "{usage:?}");
    }
    for (values, message) in [
        (
            &["--every", "banana"][..],
            "error: --every: \"banana\" is no duration such as 2, 0.5, 250ms, 1m or 00:00:02",
        ),
        (&["--tolerance", "soon"], "error: --tolerance: \"soon\" is no duration such as 2, "),
        (&["--from", "1:2:3:4"], "error: --from: \"1:2:3:4\" is no time such as 2, 250ms or 00:00:02, no "),
        (&["--every", "0"], "error: --every: must be at least"),
        (&["--count", "many"], "--count"),
        (&["--fps", "0"], "--fps"),
        (&["--fps", "1/0"], "--fps"),
        (&["--at", "120%"], "error: --at: \"120%\" is no time such as 2, "),
        (&["--at", "1,00:99"], "error: --at: \"00:99\" is no time such as 2, "),
        (&["--from", "5s", "--to", "00:00:05"], "--to: must lie after"),
        (&["--to", "0%"], "--to: must lie after"),
        (&["--quality", "101"], "--quality"),
        (&["--format", "gif"], "--format"),
        (&["--scenes", "much"], "--scenes"),
        (&["--scenes", "0.3,x"], "--scenes"),
        (&["--scenes", "2"], "--scenes"),
        (&["--scenes", "0.3,0"], "--scenes"),
        (&["--format", "webp", "--width", "16384"], "the width"),
        (&["--fit", "cover"], "--fit"),
        (&["--width", "0"], "the width"),
        (&["--size", "336"], "--size"),
        (&["--json", "-o", "-"], "--json: the standard output is taken"),
        (&["-o", "out.jpg"], "--output: \"out.jpg\" is neither"),
        (&["-o", "out"], "--output: \"out\" is neither"),
        (&["-o", "{frame}.jpg"], "{frame} is unknown"),
        (&["-o", "{n}.mp4"], "the images' name must end in"),
        (&["-o", "{n}.png", "--format", "jpg"], "--format: the output's name asks for png"),
        (&["-o", "x.tar", "--archive", "zip"], "--archive contradicts"),
        (&["-o", "{n}/x.jpg"], "belong in the file's name"),
    ] {
        let output = framelift(folder.path(), &[&["extract", sample], values].concat());
        assert_eq!(output.status.code(), Some(64), "{values:?}: {}", error(&output));
        assert!(error(&output).contains(message), "{values:?}: {}", error(&output));
        assert!(!error(&output).contains("error: /"), "a JSON pointer for {values:?}: {}", error(&output));
    }
    assert!(files(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    // The archive goes into a pipe that nobody empties, so that the run waits there.
    let mut child = Command::new(env!("CARGO_BIN_EXE_framelift"))
        .current_dir(folder.path())
        .args(["extract", sample.to_str().unwrap(), "--all", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"PK\x03\x04");
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", error(&output));
}

/// Options whose every image is one call into an encoder for half a minute and more.
const ENDLESS: [&str; 10] =
    ["--all", "--threads", "1", "--size", "8192x8192", "--fit", "fill", "--format", "avif", "--quality=100"];

/// Waits for what happens sooner or later.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_first_ctrl_c_ends_a_call_that_does_not_return() {
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_framelift"))
            .current_dir(folder.path())
            .args(["extract", sample().to_str().unwrap(), "-o", "a.zip", "--json"])
            .args(ENDLESS)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("an archive is begun", || files(folder.path()).len() == 1);
        signal(&child, name);
        let mut status = None;
        eventually("the end of an encoder that needs hours", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let output = child.wait_with_output().unwrap();
        assert_eq!(status.unwrap().code(), Some(128 + number), "{}", error(&output));
        assert!(error(&output).contains("error: interrupted"), "{}", error(&output));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["error"]["code"], "canceled");
        assert_eq!(files(folder.path()), [""; 0]);
    }
}

#[test]
fn ctrl_c_ends_a_write_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_framelift"))
        .current_dir(folder.path())
        .args(["extract", sample().to_str().unwrap(), "--all", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    signal(&child, "INT");
    let mut status = None;
    eventually("the end, though its output is not read", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(130));
}

#[test]
fn inputs_without_random_access_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.mp4")).status().unwrap().success());
    for (input, what) in [("pipe.mp4", "a pipe"), ("/dev/zero", "a device"), (".", "a folder")] {
        for command in ["extract", "probe"] {
            // Nobody ever writes to the pipe: opening it would wait for good.
            let output = framelift(folder.path(), &[command, input]);
            assert_eq!(output.status.code(), Some(1), "{input}: {}", error(&output));
            let expected = format!("error: {input}: {what}, not a file");
            assert!(error(&output).contains(&expected), "{}", error(&output));
        }
    }
    assert_eq!(files(folder.path()), ["pipe.mp4"]);
}

#[test]
fn probe_describes() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let output = framelift(folder.path(), &["probe", sample.to_str().unwrap(), "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((info["codec"].as_str(), info["width"].as_u64()), (Some("h264"), Some(480)));
    let text = framelift(folder.path(), &["probe", sample.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&text.stdout).starts_with("h264 in mov, 480×270 pixels"));
}

#[test]
fn probe_says_what_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let packed = sample().parent().unwrap().join("hostile/units_of_one_picture.ts.gz");
    let unpacked = Command::new("gunzip").arg("-c").arg(packed).output().unwrap().stdout;
    std::fs::write(folder.path().join("a.ts"), unpacked).unwrap();
    let text = framelift(folder.path(), &["probe", "a.ts"]);
    let expected = "h264 in mpegts, unknown size, unknown duration, unknown frame rate\n";
    assert_eq!(String::from_utf8_lossy(&text.stdout), expected);
    let output = framelift(folder.path(), &["probe", "a.ts", "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for field in ["width", "shown_height", "duration", "frame_rate"] {
        assert!(info[field].is_null(), "{field}: {info}");
    }
}

#[test]
fn a_machine_says_what_its_gpu_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let output = framelift(folder.path(), &["hardware", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let usable = info["codecs"].as_array().unwrap().iter().any(|codec| codec["problem"].is_null());
    assert_eq!(info["problem"].is_null(), usable, "{info}");
    let text = framelift(folder.path(), &["hardware"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.starts_with("the CPU decodes everything: "), !usable, "{text}");
}

#[test]
fn the_gpu_is_auto_or_never() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let arguments = ["extract", sample.to_str().unwrap(), "--count", "1", "--hardware"];
    let wrong = framelift(folder.path(), &[arguments.as_slice(), &["perhaps"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(error(&wrong).contains("neither auto nor never"), "{}", error(&wrong));
    let never = framelift(folder.path(), &[arguments.as_slice(), &["never"]].concat());
    assert_eq!(never.status.code(), Some(0), "{}", error(&never));
}
