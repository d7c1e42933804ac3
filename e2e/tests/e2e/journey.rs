//! The main job from registration to the archive, against the embedded cloud, under the
//! key-value store's quirks, and against an S3 and SQS that we did not write.

use std::process::Command;

use framelift_e2e::peer::Moto;
use framelift_e2e::stack::CloudUrls;
use framelift_e2e::user::open_archive;
use framelift_e2e::{Setup, Stack, clip, cloud};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What every deployment must do.
async fn journey(stack: &Stack, presigned_are_checked: bool) {
    let ada = stack.user("ada").await;
    let video = clip::sample("cars-30s.mp4");
    let id = ada.upload("cars.mp4", &video, json!({"select": {"every": "1s"}})).await;
    let record = ada.finished(&id).await;
    assert_eq!(record["status"], "completed", "{record}");
    assert_eq!(record["result"]["frames"], 31);
    assert_eq!(record["failure"], Value::Null);
    assert_eq!(record["progress"]["percent"], 100);
    assert_eq!(record["attempt"], 1);

    let archive = ada.download(&id).await;
    assert_eq!(record["result"]["size_bytes"], archive.len());
    let (names, manifest) = open_archive(&archive);
    let expected: Vec<String> =
        (1..=31).map(|n| format!("frames/frame_{n:06}.jpg")).chain(["manifest.json".to_owned()]).collect();
    assert_eq!(names, expected);
    assert_eq!(manifest["source"]["file_name"], "cars.mp4");
    assert_eq!(manifest["frames"].as_array().map(Vec::len), Some(31));
    let path = stack.scratch().join("frames.zip");
    std::fs::write(&path, &archive).unwrap();
    let unzip = Command::new("unzip").arg("-tq").arg(&path).output().unwrap();
    assert!(unzip.status.success(), "{}", String::from_utf8_lossy(&unzip.stdout));

    // Multipart, through presigned parts.
    let large = clip::padded(70 << 20);
    let created = ada.create("large.mp4", large.len(), json!({"select": {"count": 3}})).await;
    assert_eq!(created["upload"]["method"], "MULTIPART");
    let id = created["id"].as_str().unwrap();
    let early = ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 409).await;
    assert_eq!(early["code"], "upload-incomplete");
    ada.put(&created["upload"], &large).await;
    let parts = ada.expect(Method::GET, &format!("/videos/{id}/upload-parts"), None, 200).await;
    assert_eq!(
        parts["uploaded"].as_array().map(Vec::len),
        created["upload"]["parts"].as_array().map(Vec::len)
    );
    for _ in 0..2 {
        ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
    }
    assert_eq!(ada.finished(id).await["result"]["frames"], 3);

    // The file itself, for clients that have only curl.
    let form = reqwest::multipart::Form::new()
        .text("options", json!({"select": {"keyframes": true}, "format": "png"}).to_string())
        .part("file", reqwest::multipart::Part::bytes(clip::sample("nasa-13s.mp4")).file_name("nasa.mp4"));
    let url = format!("{}/videos/upload", stack.info().api);
    let answer = stack.client().post(&url).bearer_auth(&ada.token).multipart(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let accepted: Value = answer.json().await.unwrap();
    let (names, _) = open_archive(&{
        let id = accepted["id"].as_str().unwrap();
        assert_eq!(ada.finished(id).await["status"], "completed");
        ada.download(id).await
    });
    assert!(names[0].ends_with(".png"));
    let raw = stack.client().post(format!("{url}?file_name=bunny.mp4")).bearer_auth(&ada.token);
    let answer = raw.body(clip::sample("big-buck-bunny-5s.mp4")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let accepted: Value = answer.json().await.unwrap();
    let bunny = accepted["id"].as_str().unwrap().to_owned();
    ada.wait_for(&bunny, "completed").await;

    // The same upload again, with other options.
    let options = json!({"options": {"select": {"at": ["50%"]}}});
    let run = ada.expect(Method::POST, &format!("/videos/{bunny}/runs"), Some(options), 202).await;
    let run = run["id"].as_str().unwrap();
    assert_ne!(run, bunny);
    assert_eq!(ada.finished(run).await["result"]["frames"], 1);

    // Deleting takes everything along, but not what another run still needs.
    ada.expect(Method::DELETE, &format!("/videos/{bunny}"), None, 204).await;
    ada.expect(Method::GET, &format!("/videos/{bunny}"), None, 404).await;
    assert_eq!(ada.video(run).await["status"], "completed");
    ada.expect(Method::DELETE, &format!("/videos/{run}"), None, 204).await;
    let keys = cloud::keys(&stack.info()).await;
    assert!(!keys.iter().any(|key| key.contains(&bunny) || key.contains(run)), "{keys:?}");

    let page = ada.expect(Method::GET, "/videos?limit=2", None, 200).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = ada.expect(Method::GET, &format!("/videos?limit=2&cursor={cursor}"), None, 200).await;
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["next_cursor"]), (Some(1), &Value::Null));

    if presigned_are_checked {
        let created = ada.create("short.mp4", 100, json!({})).await;
        let url = created["upload"]["url"].as_str().unwrap();
        let longer = stack.client().put(url).body(vec![0; 101]).send().await.unwrap();
        assert_eq!(longer.status(), StatusCode::FORBIDDEN, "the length is signed");
        let id = created["id"].as_str().unwrap();
        ada.expect(Method::POST, &format!("/videos/{id}/cancel"), None, 202).await;
    }
}

#[tokio::test]
async fn on_the_embedded_cloud() {
    let stack = Stack::start(Setup::default()).await;
    journey(&stack, true).await;
    stack.finish().await;
}

#[tokio::test]
async fn with_a_store_that_misbehaves_as_real_ones_do() {
    let stack = Stack::start(Setup { quirks: Some("all"), ..Setup::default() }).await;
    journey(&stack, true).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_an_s3_and_sqs_that_we_did_not_write() {
    let moto = Moto::start().expect("moto is not installed: run the tests with `cargo xtask test`");
    let stack = Stack::start(Setup { cloud: Some(CloudUrls::both(&moto.url)), ..Setup::default() }).await;
    journey(&stack, false).await;
    stack.finish().await;
}
