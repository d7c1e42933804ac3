//! Where the frames go: folders, files with chosen names, archives, the standard output.

use std::fs;
use std::process::Command;

use super::{error, files, framelift, sample};

fn extract(folder: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    let sample = sample();
    framelift(folder, &[&["extract", sample.to_str().unwrap(), "--width", "64"], arguments].concat())
}

#[test]
fn a_folder_gets_images_and_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let output = extract(folder.path(), &["-o", "deep/frames/", "--count", "2", "--storyboard"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("2 frames in deep/frames/ ("));
    let made = folder.path().join("deep/frames");
    let expected =
        ["frame_000001.jpg", "frame_000002.jpg", "manifest.json", "storyboard.jpg", "storyboard.vtt"];
    assert_eq!(files(&made), expected);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(made.join("manifest.json")).unwrap()).unwrap();
    for (frame, name) in manifest["frames"].as_array().unwrap().iter().zip(expected) {
        assert_eq!(frame["file"], name);
        assert_eq!(frame["bytes"], fs::metadata(made.join(name)).unwrap().len());
        let exact = frame["time"].as_str().unwrap();
        let (num, den) = exact.split_once('/').unwrap_or((exact, "1"));
        let seconds = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
        assert!((frame["time_seconds"].as_f64().unwrap() - seconds).abs() < 1e-9, "{frame}");
    }
    assert_eq!(files(folder.path()), ["deep"]);

    let again = extract(folder.path(), &["-o", "deep/frames/", "--count", "3"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(error(&again).contains("deep/frames/manifest.json exists; --force"), "{}", error(&again));
    let forced = extract(folder.path(), &["-o", "deep/frames", "--count", "3", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", error(&forced));
    assert_eq!(files(&made).len(), 6);

    // What an earlier run wrote and this one does not goes; what else is there stays.
    fs::write(made.join("notes.txt"), "mine").unwrap();
    fs::write(made.join("frame_000009.jpg"), "mine, too").unwrap();
    let fewer = extract(folder.path(), &["-o", "deep/frames", "--count", "1", "--format", "png", "--force"]);
    assert_eq!(fewer.status.code(), Some(0), "{}", error(&fewer));
    let expected = [
        "frame_000001.png",
        "frame_000009.jpg",
        "manifest.json",
        "notes.txt",
        "storyboard.jpg",
        "storyboard.vtt",
    ];
    assert_eq!(files(&made), expected);

    // A manifest that somebody else wrote leads out of no folder.
    fs::write(folder.path().join("outside.jpg"), "mine").unwrap();
    let manifest = fs::read_to_string(made.join("manifest.json")).unwrap();
    fs::write(made.join("manifest.json"), manifest.replace("frame_000001.png", "../../outside.jpg")).unwrap();
    let again = extract(folder.path(), &["-o", "deep/frames", "--count", "1", "--force"]);
    assert_eq!(again.status.code(), Some(0), "{}", error(&again));
    assert_eq!(fs::read(folder.path().join("outside.jpg")).unwrap(), b"mine");
}

#[test]
fn images_have_the_names_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = extract(folder.path(), &["-o", "out/{stem}_{n:03}_{time:.2}.{ext}", "--at", "0,00:00:01.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let names = files(&folder.path().join("out"));
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "nasa-13s-manifest.json");
    assert_eq!(names[1], "nasa-13s_001_0.00.jpg");
    assert!(names[2].starts_with("nasa-13s_002_1."), "{names:?}");

    // The name says which format.
    let png = extract(folder.path(), &["-o", "{n}.png", "--count", "1"]);
    assert_eq!(png.status.code(), Some(0), "{}", error(&png));
    assert!(String::from_utf8_lossy(&png.stdout).starts_with("1 frame in ./ ("));
    assert!(fs::read(folder.path().join("1.png")).unwrap().starts_with(b"\x89PNG"));

    // A frame that is wanted twice has one time.
    let twice = extract(folder.path(), &["-o", "two/{time}.jpg", "--at", "1,1"]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(error(&twice).contains("two files would be called"), "{}", error(&twice));
    assert_eq!(files(folder.path()), ["1.png", "nasa-13s-manifest.json", "out"]);

    // One of the images is there, which nobody knew before they were made.
    fs::write(folder.path().join("out/2.jpg"), "mine").unwrap();
    let taken = extract(folder.path(), &["-o", "out/{n}.jpg", "--count", "3", "--force"]);
    assert_eq!(taken.status.code(), Some(0), "{}", error(&taken));
    fs::remove_file(folder.path().join("out/nasa-13s-manifest.json")).unwrap();
    fs::remove_file(folder.path().join("out/1.jpg")).unwrap();
    let taken = extract(folder.path(), &["-o", "out/{n}.jpg", "--count", "3"]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(error(&taken).contains("jpg exists; --force replaces it"), "{}", error(&taken));
    assert!(!files(&folder.path().join("out")).contains(&"1.jpg".to_owned()));
    assert_eq!(files(folder.path()), ["1.png", "nasa-13s-manifest.json", "out"]);
}

#[test]
fn a_tar_is_written_by_name_and_by_word() {
    let folder = tempfile::tempdir().unwrap();
    let named = extract(folder.path(), &["-o", "a.tar", "--count", "2"]);
    assert_eq!(named.status.code(), Some(0), "{}", error(&named));
    let streamed = extract(folder.path(), &["-o", "-", "--archive", "tar", "--count", "2"]);
    assert_eq!(streamed.status.code(), Some(0), "{}", error(&streamed));
    assert_eq!(streamed.stdout, fs::read(folder.path().join("a.tar")).unwrap());
    let listed = Command::new("tar").args(["-tf", "a.tar"]).current_dir(folder.path()).output().unwrap();
    let expected = "frames/frame_000001.jpg\nframes/frame_000002.jpg\nmanifest.json\n";
    assert_eq!(String::from_utf8_lossy(&listed.stdout), expected);
}

#[test]
fn nothing_is_streamed_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{} extract {} -o -", env!("CARGO_BIN_EXE_framelift"), sample().display());
    // `script` runs the command on a new terminal.
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("error: --output: the standard output is a terminal"), "{said}");
    assert!(files(folder.path()).is_empty());
}

#[test]
fn quiet_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = extract(folder.path(), &["-q", "--at", "0,99s", "-o", "a.zip"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert_eq!((error(&output), output.stdout.len()), (String::new(), 0));
    assert_eq!(files(folder.path()), ["a.zip"]);
}
