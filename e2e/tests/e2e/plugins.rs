//! Tenants' own plugins through the API: uploaded, checked, run beside one that comes with the service, replaced,
//! deleted, refused and hidden from others.

use std::path::Path;
use std::process::Command;

use framelift_contract::plugin::builtin;
use framelift_domain::Checksum;
use framelift_e2e::process::root;
use framelift_e2e::user::{PASSWORD, open_archive};
use framelift_e2e::{Setup, Stack, User, clip, cloud, until};
use reqwest::Method;
use serde_json::{Value, json};

/// A component written in Rust, which a tenant uploads under a new name.
fn component(name: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("plugins/built/{name}.wasm"))).unwrap()
}

/// Uploads a component; status and body of the answer.
async fn put(stack: &Stack, user: &User, name: &str, component: Vec<u8>) -> (u16, Value) {
    let request = stack.client().put(format!("{}/plugins/{name}", user.api())).bearer_auth(&user.token);
    let answer = request.header("content-type", "application/wasm").body(component).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Uploads a component and waits for the check's end.
async fn checked(stack: &Stack, user: &User, name: &str, component: Vec<u8>) -> Value {
    let (status, uploaded) = put(stack, user, name, component).await;
    assert_eq!((status, &uploaded["state"]), (202, &json!("checking")), "{uploaded}");
    until("the check's end", || async {
        let plugin = user.expect(Method::GET, &format!("/plugins/{name}"), None, 200).await;
        if plugin["state"] == "checking" { Err(plugin.to_string()) } else { Ok(plugin) }
    })
    .await
}

/// The pixels of an image of an archive: three bytes each.
pub(crate) fn pixels(folder: &Path, archive: &[u8], image: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let path = folder.join("image.png");
    std::io::copy(&mut archive.by_name(image).unwrap(), &mut std::fs::File::create(&path).unwrap()).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&path).args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    ffmpeg.output().unwrap().stdout
}

#[tokio::test]
async fn a_tenants_plugin_works_beside_one_that_comes_with_the_service() {
    let stack = Stack::start(Setup::default()).await;
    let (ada, eve) = (stack.user("ada").await, stack.user("eve").await);
    let first = component("sharpest");
    let ready = checked(&stack, &ada, "picker", first.clone()).await;
    assert_eq!((&ready["state"], &ready["ready_version"]), (&json!("ready"), &json!(1)), "{ready}");
    let sha256 = Checksum::of(&first);
    assert_eq!((&ready["sha256"], &ready["size_bytes"]), (&json!(sha256), &json!(first.len())));
    assert_eq!(ready["config_schema"]["properties"]["window"]["maximum"], 64, "as the component says itself");
    let list = ada.expect(Method::GET, "/plugins", None, 200).await;
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|plugin| &plugin["name"]).collect();
    assert_eq!(names, ["picker", "dedupe", "grayscale", "redact", "sharpest", "watermark"]);
    for (listed, known) in list["items"].as_array().unwrap()[1..].iter().zip(builtin::ALL.iter()) {
        assert_eq!(listed["config_schema"], Value::Object(known.config_schema.clone()));
        assert_eq!(
            (&listed["sha256"], &listed["size_bytes"]),
            (&json!(known.sha256), &json!(known.size_bytes))
        );
    }

    let video = clip::sample("nasa-13s.mp4");
    let area = json!({"x": 0, "y": 0, "width": 32, "height": 16, "mode": "fill", "color": [255, 0, 0]});
    let options = json!({
        "select": {"count": 8}, "format": "png", "resize": {"width": 64, "height": 36, "fit": "fill"},
        "plugins": [
            {"name": "picker", "config": {"window": 4}},
            {"name": "redact", "config": {"areas": [area]}},
            {"name": "dedupe", "config": {"distance": 0}},
        ],
    });
    // Created before the plugin is replaced and deleted, uploaded and run afterwards.
    let created = ada.create("nasa.mp4", video.len(), options.clone()).await;
    let id = created["id"].as_str().unwrap();
    let second = checked(&stack, &ada, "picker", component("grayscale")).await;
    assert_eq!((&second["state"], &second["ready_version"]), (&json!("ready"), &json!(2)), "{second}");
    let deleted = ada.expect(Method::DELETE, "/plugins/picker", None, 200).await;
    assert_eq!(deleted, json!({"name": "picker", "in_use": [{"version": 1, "videos": 1}]}));
    ada.expect(Method::GET, "/plugins/picker", None, 404).await;
    let body = json!({"file_name": "nasa.mp4", "size_bytes": video.len(), "options": options});
    let refused = ada.expect(Method::POST, "/videos", Some(body.clone()), 422).await;
    assert_eq!(refused["errors"][0]["pointer"], "/options/plugins/0/name", "{refused}");
    ada.put(&created["upload"], &video).await;
    ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
    let record = ada.finished(id).await;
    assert_eq!(
        (&record["status"], &record["result"]["frames"]),
        (&json!("completed"), &json!(2)),
        "{record}"
    );

    let archive = ada.download(id).await;
    let (_, manifest) = open_archive(&archive);
    let plugins = manifest["plugins"].as_array().unwrap();
    let (picker, dedupe) = (&plugins[0], &plugins[2]);
    assert_eq!((&picker["name"], &picker["version"]), (&json!("picker"), &json!("1")), "{picker}");
    assert_eq!((&picker["sha256"], &picker["dropped"]), (&json!(sha256), &json!(6)));
    assert_eq!(plugins[1]["name"], "redact");
    assert_eq!(dedupe["summary"], "0 near-duplicates dropped");
    for frame in manifest["frames"].as_array().unwrap() {
        assert!(frame["labels"]["picker"]["sharpness"].is_string(), "{frame}");
        let pixels = pixels(&stack.scratch(), &archive, frame["file"].as_str().unwrap());
        let at = |x: usize, y: usize| &pixels[(y * 64 + x) * 3..][..3];
        assert_eq!(pixels.len(), 64 * 36 * 3);
        assert!((0..16).all(|y| (0..32).all(|x| at(x, y) == [255, 0, 0])), "the area is filled");
        // The first version runs, which leaves the colours as they are.
        assert!((20..36).any(|y| (40..64).any(|x| at(x, y)[0] != at(x, y)[2])), "the rest has its colours");
    }

    // Nobody else has it.
    let theirs = checked(&stack, &ada, "picker", first).await;
    assert_eq!((&theirs["state"], &theirs["version"]), (&json!("ready"), &json!(3)), "{theirs}");
    let list = eve.expect(Method::GET, "/plugins", None, 200).await;
    assert!(list["items"].as_array().unwrap().iter().all(|plugin| plugin["built_in"] == true), "{list}");
    eve.expect(Method::GET, "/plugins/picker", None, 404).await;
    eve.expect(Method::DELETE, "/plugins/picker", None, 404).await;
    let refused = eve.expect(Method::POST, "/videos", Some(body), 422).await;
    assert_eq!(refused["errors"][0]["pointer"], "/options/plugins/0/name", "{refused}");
    eve.expect(Method::GET, &format!("/videos/{id}"), None, 403).await;

    // With the account go its plugins.
    assert!(cloud::keys(&stack.info()).await.iter().any(|key| key.starts_with("plugins/")));
    ada.expect(Method::DELETE, "/auth/me", Some(json!({"password": PASSWORD})), 202).await;
    ada.expect(Method::GET, "/plugins", None, 401).await;
    until("the end of the components", || async {
        match cloud::keys(&stack.info()).await {
            keys if keys.is_empty() => Ok(()),
            keys => Err(format!("{keys:?}")),
        }
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn plugins_and_configurations_that_will_not_do_are_refused_with_the_reason() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    // What does not begin as a component does is not even kept.
    let mut noise = vec![0; 16 << 20];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    for (body, reason) in [
        (wat::parse_str("(module)").unwrap(), "is a core WebAssembly module"),
        (noise.clone(), "is no WebAssembly component"),
    ] {
        let (status, problem) = put(&stack, &ada, "odd", body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("validation-failed")), "{problem}");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().starts_with(reason), "{problem}");
    }
    ada.expect(Method::GET, "/plugins/odd", None, 404).await;
    // The rest a worker looks at.
    noise[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
    let sockets = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func)))))"#;
    let empty = wat::parse_str("(component)").unwrap();
    for (body, reason) in [
        (noise, "does not compile: "),
        (wat::parse_str(sockets).unwrap(), "imports wasi:sockets/tcp@0.2.0, and may import only "),
        (empty, "does not fit the world framelift:plugin/frame-plugin@1.0.0: "),
    ] {
        let rejected = checked(&stack, &ada, "odd", body).await;
        assert_eq!((&rejected["state"], &rejected["ready_version"]), (&json!("rejected"), &Value::Null));
        assert!(rejected["reason"].as_str().unwrap().starts_with(reason), "{rejected}");
    }
    let create =
        |plugin: Value| json!({"file_name": "a.mp4", "size_bytes": 9, "options": {"plugins": [plugin]}});
    let refused = ada.expect(Method::POST, "/videos", Some(create(json!({"name": "odd"}))), 422).await;
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("does not fit the world"), "{refused}");

    // What a configuration may hold is known of the service's own plugins, so that the call is refused…
    let wrong = json!({"window": 0});
    let plugin = json!({"name": "sharpest", "config": wrong});
    let refused = ada.expect(Method::POST, "/videos", Some(create(plugin)), 422).await;
    assert_eq!(refused["errors"][0]["pointer"], "/options/plugins/0/config/window", "{refused}");
    // …and of others only by the plugin, so that the video fails.
    checked(&stack, &ada, "mine", component("sharpest")).await;
    let video = clip::sample("nasa-13s.mp4");
    let options = json!({"select": {"count": 1}, "plugins": [{"name": "mine", "config": wrong}]});
    let id = ada.upload("nasa.mp4", &video, options).await;
    let record = ada.finished(&id).await;
    let words = "the plugin mine: window must be from 1 to 64";
    assert_eq!(record["status"], "failed", "{record}");
    assert_eq!(
        (&record["failure"]["code"], &record["failure"]["message"]),
        (&json!("plugin-failed"), &json!(words))
    );
    stack.finish().await;
}
