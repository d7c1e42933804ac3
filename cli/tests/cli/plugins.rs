//! Frame plugins on the command line, from the template to the frames.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Where the templates' dependencies are kept built.
fn target(language: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(language)
}

#[test]
fn the_rust_template_is_built_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let made = framelift(folder.path(), &["plugin", "new", "--lang", "rust", "my-plugin"]);
    assert_eq!(made.status.code(), Some(0), "{}", error(&made));
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    let component = "target/wasm32-unknown-unknown/release/my_plugin.wasm";
    assert!(
        text.contains(&format!("  cargo build --release\n  framelift plugin check {component}\n")),
        "{text}"
    );
    // The page for authors says the same, line by line.
    let page = include_str!("../../../docs/plugins.md");
    for command in text.lines().filter_map(|line| line.strip_prefix("  ")) {
        assert!(page.contains(&format!("\n{command}\n")), "{command} is not in docs/plugins.md");
    }
    let again = framelift(folder.path(), &["plugin", "new", "--lang", "rust", "my-plugin"]);
    assert_eq!(again.status.code(), Some(1));
    let named = framelift(folder.path(), &["plugin", "new", "--lang", "rust", "My_Plugin"]);
    assert_eq!(named.status.code(), Some(64));

    let project = folder.path().join("my-plugin");
    let mut cargo = Command::new("cargo");
    // The workspace's own settings are not the author's.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().into_owned();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || text.starts_with("RUST") && text != "RUSTUP_HOME"
        {
            cargo.env_remove(name);
        }
    }
    let built = cargo
        .current_dir(&project)
        .args(["build", "--release", "--offline", "--quiet"])
        .env("CARGO_TARGET_DIR", target("rust"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", error(&built));
    let component = target("rust").join("wasm32-unknown-unknown/release/my_plugin.wasm");
    tries(folder.path(), &component);
}

/// What the templates do: they label frames with their brightness, and drop dark ones.
fn tries(folder: &Path, component: &Path) {
    let component = component.to_str().unwrap();
    let sample = sample();
    let checked = framelift(folder, &["plugin", "check", component, "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", error(&checked));
    let json: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(json["config_schema"]["properties"]["darkest"]["maximum"], 255);

    let run = |config: &str, output: &str| {
        let plugin = format!("{component}:{config}");
        let arguments = [&*plugin, sample.to_str().unwrap(), "--count", "4", "--width", "64", "-o", output];
        framelift(folder, &[&["plugin", "run", "--json"], &arguments[..]].concat())
    };
    let kept = run("{}", "kept");
    assert_eq!(kept.status.code(), Some(0), "{}", error(&kept));
    let json: serde_json::Value = serde_json::from_slice(&kept.stdout).unwrap();
    assert_eq!((json["after"].as_u64(), json["summary"].as_str()), (Some(4), Some("0 dark frames dropped")));
    let label = json["labels"]["frames/frame_000001.jpg"].as_str().unwrap();
    let brightness: u32 = label.strip_prefix("brightness = ").unwrap().parse().unwrap();
    assert!(brightness < 250, "{json}");
    let dropped = run("{\"darkest\": 255}", "dropped");
    assert_eq!(dropped.status.code(), Some(0), "{}", error(&dropped));
    let json: serde_json::Value = serde_json::from_slice(&dropped.stdout).unwrap();
    assert_eq!((json["after"].as_u64(), json["summary"].as_str()), (Some(0), Some("4 dark frames dropped")));
    let refused = run("{\"darkest\": \"x\"}", "refused");
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("darkest"), "{}", error(&refused));
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
    let pixels = |name: &str| {
        let path = folder.path().join(name).join("frame_000003.png");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i", path.to_str().unwrap(), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
            .output()
            .unwrap();
        assert!(!output.stdout.is_empty(), "{}", error(&output));
        output.stdout
    };
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
    let deduped = extract("dedupe/", &["--plugin", "dedupe:{\"distance\":64}"]);
    assert_eq!(deduped["frames"].as_array().unwrap().len(), 1);
    assert_eq!(deduped["plugins"][0]["summary"], "11 near-duplicates dropped");
    let sharpest = extract("sharpest/", &["--plugin", "sharpest:{\"window\":4}"]);
    let frames = sharpest["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame["labels"]["sharpest"]["sharpness"].is_string()), "{frames:?}");
}
