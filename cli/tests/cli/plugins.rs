//! Frame plugins on the command line.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::component::{DROP, ERROR, GIVE_BACK, GUEST, Guest};
use crate::{error, files, framelift, sample};

/// Writes a plugin that drops every second frame.
fn write_plugin(folder: &Path) {
    let process = format!(
        "(call $log (i32.const 1) (i32.const 64) (i32.const 13))
         (if (i32.wrap_i64 (i64.and (call $index (local.get 0)) (i64.const 1)))
           (then {GIVE_BACK} (return {DROP})))
         {GIVE_BACK} (i32.const 0)"
    );
    std::fs::write(folder.join("half.wasm"), Guest { process: &process, ..GUEST }.build()).unwrap();
    std::fs::write(folder.join("no.wasm"), Guest { configure: ERROR, ..GUEST }.build()).unwrap();
}

fn manifest(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn frames_pass_plugins_in_order() {
    let folder = tempfile::tempdir().unwrap();
    write_plugin(folder.path());
    let sample = sample();
    let extract = |arguments: &[&str]| {
        let always = ["extract", sample.to_str().unwrap(), "--count", "8", "--width", "64", "-o", "out/"];
        framelift(folder.path(), &[&always[..], arguments].concat())
    };
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    let output = extract(&["--plugin", "half.wasm:config.json", "--plugin", "half.wasm:{\"a\": 1}"]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    // The second one sees frames 0, 2, 4 and 6 under their own numbers.
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("4 frames in "));
    let manifest = manifest(&folder.path().join("out/manifest.json"));
    let dropped: Vec<_> =
        manifest["plugins"].as_array().unwrap().iter().map(|it| it["dropped"].as_u64()).collect();
    assert_eq!(dropped, [Some(4), Some(0)]);
    assert_eq!(
        (manifest["plugins"][0]["name"].as_str(), manifest["frames"].as_array().unwrap().len()),
        (Some("half"), 4)
    );

    for (plugin, exit, message) in [
        ("no.wasm", 1, "error: plugin-failed: the plugin no: as configured"),
        ("half.wasm:{", 64, "error: --plugin: {: EOF"),
        ("none.wasm", 1, "error: none.wasm: No such file"),
        ("config.json", 1, "error: plugin-failed: the plugin config: is not a WebAssembly component"),
    ] {
        let output = extract(&["--force", "--plugin", plugin]);
        assert_eq!(output.status.code(), Some(exit), "{}", error(&output));
        assert!(error(&output).contains(message), "{}", error(&output));
    }
}

#[test]
fn a_plugin_is_checked_tried_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    write_plugin(folder.path());
    let sample = sample();
    let checked = framelift(folder.path(), &["plugin", "check", "half.wasm"]);
    assert_eq!(checked.status.code(), Some(0), "{}", error(&checked));
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        text.starts_with("half.wasm is a frame plugin and does not describe its configuration"),
        "{text}"
    );
    let checked = framelift(folder.path(), &["plugin", "check", "no.wasm", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(json["refuses_empty_config"], "as configured");

    let work = ["half.wasm", sample.to_str().unwrap(), "--count", "4", "--width", "64"];
    let tried = framelift(folder.path(), &[&["plugin", "run"], &work[..], &["-o", "tried"]].concat());
    assert_eq!(tried.status.code(), Some(0), "{}", error(&tried));
    let text = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(text.starts_with("4 frames before and 2 after, in tried"), "{text}");
    assert!(text.contains("\nlog: info: as configured"), "{text}");
    assert_eq!(files(&folder.path().join("tried/before/frames")).len(), 4);
    assert_eq!(files(&folder.path().join("tried/after/frames")).len(), 2);

    let measured = framelift(folder.path(), &[&["plugin", "bench"], &work[..], &["--json"]].concat());
    assert_eq!(measured.status.code(), Some(0), "{}", error(&measured));
    let json: serde_json::Value = serde_json::from_slice(&measured.stdout).unwrap();
    assert_eq!((json["frames"].as_u64(), json["memory_bytes"].as_u64()), (Some(4), Some(128 << 10)));
    assert!(json["instructions_a_frame"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn images_are_tried_like_videos_of_one_frame() {
    let folder = tempfile::tempdir().unwrap();
    write_plugin(folder.path());
    for image in ["a.jpg", "b.png"] {
        let sample = sample();
        let ffmpeg = ["-v", "error", "-i", sample.to_str().unwrap(), "-frames:v", "1", image];
        assert!(Command::new("ffmpeg").args(ffmpeg).current_dir(folder.path()).status().unwrap().success());
    }
    let run = |inputs: &[&str], output: &str| {
        let always = ["plugin", "run", "grayscale", "--format", "png", "--json", "-o", output];
        let tried = framelift(folder.path(), &[&always[..], inputs].concat());
        assert_eq!(tried.status.code(), Some(0), "{}", error(&tried));
        serde_json::from_slice::<serde_json::Value>(&tried.stdout).unwrap()
    };
    let one = run(&["a.jpg"], "one");
    assert_eq!((one["before"].as_u64(), one["after"].as_u64()), (Some(1), Some(1)));
    let both = run(&["a.jpg", "b.png"], "both");
    assert_eq!(both["inputs"][1]["after"], 1);
    for (frames, gray) in [
        ("one/before", false),
        ("one/after", true),
        ("both/a.jpg/after", true),
        ("both/b.png/before", false),
        ("both/b.png/after", true),
    ] {
        let pixels = rgb(&folder.path().join(frames).join("frames/frame_000001.png"));
        assert_eq!(pixels.len(), 480 * 270 * 3);
        assert_eq!(pixels.chunks(3).all(|it| it[0] == it[1] && it[1] == it[2]), gray, "{frames}");
    }
    std::fs::write(folder.path().join("cut.jpg"), b"\xff\xd8\xff\xe0\0\x10JFIF").unwrap();
    let refused = framelift(folder.path(), &["plugin", "run", "grayscale", "cut.jpg", "-o", "none"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("cut.jpg: its header does not say its size"), "{}", error(&refused));
}

/// An image's pixels, three bytes each.
fn rgb(image: &Path) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(image).args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    let output = ffmpeg.output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", error(&output));
    output.stdout
}

#[test]
fn the_plugins_that_come_with_it_work_on_a_video() {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let extract = |name: &str, more: &[&str]| {
        let always =
            ["extract", sample.to_str().unwrap(), "--count", "12", "--format", "png", "--width", "96"];
        let output = framelift(folder.path(), &[&always[..], &["-o", name], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        manifest(&folder.path().join(name).join("manifest.json"))
    };
    let pixels = |name: &str| rgb(&folder.path().join(name).join("frame_000003.png"));
    let changed = |name: &str| {
        let (one, other) = (pixels("plain/"), pixels(name));
        assert_eq!(one.len(), other.len());
        let rows: Vec<bool> =
            one.chunks(96 * 3).zip(other.chunks(96 * 3)).map(|(one, other)| one != other).collect();
        rows
    };
    extract("plain/", &[]);
    extract("gray/", &["--plugin", "grayscale"]);
    assert!(pixels("gray/").chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    extract(
        "mark/",
        &["--plugin", "watermark:{\"text\":\"draft\",\"position\":\"bottom\",\"margin\":0,\"size\":14}"],
    );
    let rows = changed("mark/");
    assert!(rows[..30].iter().all(|changed| !changed) && rows.iter().filter(|changed| **changed).count() > 4);
    extract(
        "redact/",
        &["--plugin", "redact:{\"areas\":[{\"x\":0,\"y\":10,\"width\":999,\"height\":5,\"mode\":\"fill\"}]}"],
    );
    let rows = changed("redact/");
    assert!((0..rows.len()).all(|row| rows[row] == (10..15).contains(&row)), "{rows:?}");
    // A blurred part has the same mean and less contrast; the rest is as it was.
    let area = r#"{"areas":[{"x":24,"y":12,"width":48,"height":32,"sigma":6}]}"#;
    extract("blur/", &["--plugin", &format!("redact:{area}")]);
    let contrast = |pixels: &[u8]| {
        let rows = (18..38).flat_map(|y| (30..66).map(move |x| f64::from(pixels[(y * 96 + x) * 3])));
        let values: Vec<f64> = rows.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
    };
    let (before, after) = (contrast(&pixels("plain/")), contrast(&pixels("blur/")));
    assert!(after.1 < before.1 / 2.0 && (after.0 - before.0).abs() < 20.0, "{before:?} and {after:?}");
    let (one, other) = (pixels("plain/"), pixels("blur/"));
    let differs = |x: usize, y: usize| one[(y * 96 + x) * 3..][..3] != other[(y * 96 + x) * 3..][..3];
    let outside = |x: usize, y: usize| !(24..72).contains(&x) || !(12..44).contains(&y);
    let rows = one.len() / 96 / 3;
    assert!((0..rows).all(|y| (0..96).all(|x| !(outside(x, y) && differs(x, y)))));
    // A watermark from a PNG, in each place: 4 by 4 pixels of pure green.
    let green = folder.path().join("green.png");
    let ffmpeg =
        ["-v", "error", "-f", "lavfi", "-i", "color=0x00ff00:size=4x4,format=rgba", "-frames:v", "1"];
    assert!(Command::new("ffmpeg").args(ffmpeg).arg(&green).status().unwrap().success());
    let png = STANDARD.encode(std::fs::read(&green).unwrap());
    for (place, x, y) in [
        ("top-left", 2, 2),
        ("top", 46, 2),
        ("top-right", 90, 2),
        ("left", 2, rows / 2 - 2),
        ("center", 46, rows / 2 - 2),
        ("right", 90, rows / 2 - 2),
        ("bottom-left", 2, rows - 6),
        ("bottom", 46, rows - 6),
        ("bottom-right", 90, rows - 6),
    ] {
        let name = format!("{place}/");
        let config = format!(r#"watermark:{{"png":"{png}","position":"{place}","margin":2,"opacity":1}}"#);
        extract(&name, &["--plugin", &config]);
        let marked = pixels(&name);
        let within = |across: usize, down: usize| (x..x + 4).contains(&across) && (y..y + 4).contains(&down);
        for (at, (was, is)) in one.chunks(3).zip(marked.chunks(3)).enumerate() {
            let expected = if within(at % 96, at / 96) { &[0, 255, 0] } else { was };
            assert_eq!(is, expected, "{place}: pixel {at}");
        }
    }
    // Of half the opacity it is half of what is under it.
    let config = format!(r#"watermark:{{"png":"{png}","position":"top-left","margin":2,"opacity":0.5}}"#);
    extract("half/", &["--plugin", &config]);
    let marked = pixels("half/");
    for at in (2..6).flat_map(|y| (2..6).map(move |x| y * 96 + x)) {
        for (component, full) in [(0, 0), (1, 255), (2, 0)] {
            let (was, is) = (u32::from(one[at * 3 + component]), u32::from(marked[at * 3 + component]));
            assert!(is.abs_diff((was + full) / 2) <= 1, "pixel {at}: {was} became {is}");
        }
    }
    let deduped = extract("dedupe/", &["--plugin", "dedupe:{\"distance\":64}"]);
    assert_eq!(deduped["frames"].as_array().unwrap().len(), 1);
    assert_eq!(deduped["plugins"][0]["summary"], "11 near-duplicates dropped");
    let sharpest = extract("sharpest/", &["--plugin", "sharpest:{\"window\":4}"]);
    let frames = sharpest["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame["labels"]["sharpest"]["sharpness"].is_string()), "{frames:?}");
}

#[test]
fn areas_are_redacted_from_and_until_their_times_and_missed_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "color=white:size=64x64:rate=1:duration=6"]);
    ffmpeg.args(["-c:v", "ffv1", "clip.mkv"]).current_dir(folder.path());
    assert!(ffmpeg.status().unwrap().success());
    let areas = r#"[
        {"x": 0, "y": 0, "width": 8, "height": 8, "mode": "fill", "from": 2, "until": 4},
        {"x": 16, "y": 0, "width": 8, "height": 8, "mode": "fill", "until": 1},
        {"x": 32, "y": 0, "width": 8, "height": 8, "mode": "fill", "from": 5},
        {"x": 64, "y": 0, "width": 8, "height": 8, "mode": "fill", "from": 3}
    ]"#;
    let plugin = format!("redact:{{\"areas\": {areas}}}");
    let arguments = ["extract", "clip.mkv", "--all", "--format", "png", "--plugin", &plugin, "-o", "out/"];
    let output = framelift(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let manifest = manifest(&folder.path().join("out/manifest.json"));
    let frames = manifest["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 6);
    for (second, frame) in frames.iter().enumerate() {
        let pixels = rgb(&folder.path().join(format!("out/frame_{:06}.png", second + 1)));
        let dark = [0, 16, 32].map(|x| pixels[(4 * 64 + x + 4) * 3] < 16);
        assert_eq!(dark, [(2..4).contains(&second), second < 1, second >= 5], "{second} s");
        let outside = (second >= 3).then_some("3");
        assert_eq!(frame["labels"]["redact"]["outside"].as_str(), outside, "{second} s");
    }
    assert_eq!(manifest["plugins"][0]["summary"], "area 3 lay outside of 3 frames");

    let never = r#"redact:{"areas": [{"x": 0, "y": 0, "width": 8, "height": 8, "from": 2, "until": 2}]}"#;
    let output = framelift(folder.path(), &["extract", "clip.mkv", "--plugin", never, "-o", "no/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("the plugin redact: until must be later than from"),
        "{}",
        error(&output)
    );
}

#[test]
fn the_sharpest_of_64_frames_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // 64 frames of 1080p; in the first clip the first one is sharp, in the second one each is sharper than the last.
    for (clip, blur) in [("first", "gblur=sigma=8:enable='gt(n,0)'"), ("rising", "null")] {
        let source = "testsrc2=size=480x270:rate=25:duration=2.56";
        let grows = "scale=1920:1080:flags=neighbor";
        let contrast = if clip == "rising" { ",eq=eval=frame:contrast='0.3+0.01*n'" } else { "" };
        let graph = format!("{source},{blur}{contrast},{grows}");
        let file = format!("{clip}.mp4");
        let ffmpeg =
            ["-v", "error", "-f", "lavfi", "-i", &graph, "-c:v", "libx264", "-preset", "ultrafast", &file];
        assert!(Command::new("ffmpeg").args(ffmpeg).current_dir(folder.path()).status().unwrap().success());
        let output = format!("{clip}/");
        let arguments = ["extract", &file, "--all", "--plugin", "sharpest:{\"window\":64}", "-o", &output];
        let extracted = framelift(folder.path(), &arguments);
        assert_eq!(extracted.status.code(), Some(0), "{}", error(&extracted));
        let manifest = manifest(&folder.path().join(&output).join("manifest.json"));
        let frames = manifest["frames"].as_array().unwrap();
        assert_eq!((frames.len(), manifest["plugins"][0]["dropped"].as_u64()), (1, Some(63)), "{clip}");
        let second = frames[0]["time_seconds"].as_f64().unwrap();
        assert!(if clip == "first" { second < 0.01 } else { second > 1.0 }, "{clip}: {second}");
    }
}

#[test]
fn near_duplicates_go_and_of_each_window_the_sharp_frame_stays() {
    let folder = tempfile::tempdir().unwrap();
    // Twelve frames, one a second: the picture changes every four; of each four only the third is not blurred.
    let sources = ["testsrc2", "testsrc", "smptehdbars"].map(|source| {
        format!(
            "{source}=size=160x96:rate=1:duration=1,loop=loop=3:size=1,setpts=N/TB,trim=end_frame=4[{source}]"
        )
    });
    let graph = format!(
        "{};[testsrc2][testsrc][smptehdbars]concat=n=3,setpts=N/TB,gblur=sigma=4:enable='not(eq(mod(n,4),2))'",
        sources.join(";")
    );
    let ffmpeg = ["-v", "error", "-filter_complex", &graph, "-r", "1", "-c:v", "ffv1", "-g", "1", "clip.mkv"];
    assert!(Command::new("ffmpeg").args(ffmpeg).current_dir(folder.path()).status().unwrap().success());
    let indices = |plugin: &str, output: &str| {
        let arguments = ["extract", "clip.mkv", "--all", "--plugin", plugin, "-o", output];
        let extracted = framelift(folder.path(), &arguments);
        assert_eq!(extracted.status.code(), Some(0), "{}", error(&extracted));
        let manifest = manifest(&folder.path().join(output).join("manifest.json"));
        let frames = manifest["frames"].as_array().unwrap().clone();
        let seconds = |frame: &serde_json::Value| frame["time_seconds"].as_f64().unwrap().round() as u64;
        frames.iter().map(seconds).collect::<Vec<_>>()
    };
    assert_eq!(indices("sharpest:{\"window\":4}", "sharpest/"), [2, 6, 10]);
    assert_eq!(indices("dedupe:{\"distance\":12}", "dedupe/"), [0, 4, 8]);
}
