//! Videos that cannot be processed fail with a reason and a mail, and leave nothing behind.

use framelift_e2e::{Setup, Stack, clip, cloud, until};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_broken_file_ends_in_failed_with_a_reason_and_a_mail() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let cut = {
        // Without its index at the end, an MP4 of this kind holds nothing that can be found.
        let whole = clip::make(
            &stack.scratch(),
            "whole.mp4",
            &["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=2", "-c:v", "libx264"],
        );
        let bytes = std::fs::read(whole).unwrap();
        bytes[..bytes.len() / 2].to_vec()
    };
    let cases: [(&str, Vec<u8>, &[&str]); 4] = [
        (
            "noise.mp4",
            (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
            &["not-a-video"],
        ),
        ("text.mkv", b"this is not a video\n".repeat(500), &["not-a-video"]),
        ("sound.mp4", clip::sound_only(&stack.scratch()), &["no-video-stream"]),
        ("cut.mp4", cut, &["not-a-video", "corrupt-input"]),
    ];
    for (name, bytes, codes) in &cases {
        let id = ada.upload(name, bytes, json!({})).await;
        let video = ada.finished(&id).await;
        assert_eq!(video["status"], "failed", "{name}: {video}");
        let code = video["failure"]["code"].as_str().unwrap();
        assert!(codes.contains(&code), "{name}: {video}");
        assert!(video["failure"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert_eq!(video["failure"]["retryable"], false);
        assert_eq!(video["result"], Value::Null);
        let early = ada.expect(Method::GET, &format!("/videos/{id}/download"), None, 400).await;
        assert_eq!(early["code"], "processing-not-finished");
        let mail = until("the mail", || async {
            let mails = stack.mails(&ada.email).await;
            let found = mails.into_iter().find(|mail| mail.to_string().contains(&id));
            found.ok_or_else(|| "no mail".to_owned())
        })
        .await;
        let said = mail.to_string();
        assert!(said.contains(name) && said.contains(code), "{said}");
        let again = ada.expect(Method::POST, &format!("/videos/{id}/runs"), Some(json!({})), 410).await;
        assert_eq!(again["code"], "source-expired");
    }
    assert_eq!(stack.mails(&ada.email).await.len(), cases.len(), "one mail each");
    until("nothing left in the store", || async {
        let keys = cloud::keys(&stack.info()).await;
        if keys.is_empty() { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn whoever_wants_no_mail_gets_none_and_a_cut_off_video_gives_what_it_has() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let settings =
        |email: bool, done: bool| json!({"notifications": {"email": email, "email_on_completion": done}});
    ada.expect(Method::PATCH, "/auth/me", Some(settings(false, false)), 200).await;
    let id = ada.upload("noise.avi", &[7; 5000], json!({})).await;
    assert_eq!(ada.finished(&id).await["status"], "failed");
    let whole = clip::make(
        &stack.scratch(),
        "whole.mkv",
        &["-f", "lavfi", "-i", "testsrc2=size=320x240:duration=6", "-c:v", "libx264", "-g", "25"],
    );
    let bytes = std::fs::read(whole).unwrap();
    let id = ada.upload("cut.mkv", &bytes[..bytes.len() / 2], json!({"select": {"all": true}})).await;
    let video = ada.finished(&id).await;
    assert_eq!(video["status"], "completed", "{video}");
    assert!(video["result"]["frames"].as_u64() > Some(10), "{video}");
    assert!(video["result"]["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()), "{video}");
    // With that setting, an e-mail also says that a video is done. It is another user's: ada's setting is read when a
    // mail is due, which may be after her video is done.
    let bob = stack.user("bob").await;
    bob.expect(Method::PATCH, "/auth/me", Some(settings(false, true)), 200).await;
    let id = bob.upload("again.mkv", &bytes, json!({"select": {"count": 1}})).await;
    bob.wait_for(&id, "completed").await;
    until("the mail", || async {
        let mails = stack.mails(&bob.email).await;
        if mails.len() == 1 && mails[0].to_string().contains(&id) {
            Ok(())
        } else {
            Err(format!("{mails:?}"))
        }
    })
    .await;
    assert_eq!(stack.mails(&ada.email).await.len(), 0);
    stack.finish().await;
}

#[tokio::test]
async fn messages_that_are_not_jobs_end_in_the_dead_letter_queue() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let info = stack.info();
    let unknown = "018bcfe5-6800-7707-8707-070707070707";
    let strange = [
        "not json".to_owned(),
        "{}".to_owned(),
        json!({"version": 99, "video_id": unknown}).to_string(),
        json!({"version": 1, "video_id": "../../etc", "user_id": unknown, "correlation_id": "c"}).to_string(),
        json!({"s3_path": "s3://elsewhere/strange.mp4", "filename": "strange.mp4"}).to_string(),
    ];
    for body in &strange {
        cloud::send(&info, body).await;
    }
    // The service goes on meanwhile.
    let id = ada.upload("cars.mp4", &clip::sample("cars-30s.mp4"), json!({"select": {"count": 1}})).await;
    assert_eq!(ada.finished(&id).await["status"], "completed");
    until("the strange messages in the dead-letter queue", || async {
        let (jobs, dead) = (
            cloud::messages(&info, &info.queue_url).await,
            cloud::messages(&info, &info.dead_letter_url).await,
        );
        if (jobs, dead) == (0, strange.len() as u64) {
            Ok(())
        } else {
            Err(format!("{jobs} jobs, {dead} dead"))
        }
    })
    .await;
    cloud::sqs(&info).purge_queue().queue_url(&info.dead_letter_url).send().await.unwrap();
    stack.finish().await;
}
