//! The values that the document's examples are made of.

use framelift_contract::account::{AccountResponse, NotificationSettings, Quota, Quotas, TokenResponse};
use framelift_contract::message::NoticeKind;
use framelift_contract::object_key;
use framelift_contract::options::{OptionsBody, SelectBody};
use framelift_contract::plugin::{PluginCheck, PluginResponse, PluginState, builtin};
use framelift_contract::report::{Job, Notice, ReportAnswer};
use framelift_contract::video::{AcceptedResponse, Progress, Status, UploadPart, VideoResponse, VideoResult};
use framelift_contract::webhook::{DeliveryAttempt, DeliveryStatus, EventType, WebhookDelivery};
use framelift_domain::video::Stage;
use framelift_domain::{
    Checksum, CorrelationId, Failure, FailureCode, Options, PluginId, Time, UserId, VideoId, WorkerId,
};
use url::Url;

use super::operation::{Payload, typed};

pub(crate) const ACCESS_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl";
pub(crate) const REFRESH_TOKEN: &str = "a.MDE4YmNmZTUuMDBmZi4w.dGFn";
pub(crate) const LINK_TOKEN: &str = "a.MDE4YmNmZTUuMDE4YmNmZTU.dGFn";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// 14 November 2023, as in the domain's own tests.
pub(crate) fn time() -> Time {
    Time::from_unix_ms(1_700_000_000_120)
}

pub(crate) fn user() -> UserId {
    UserId::new(1_700_000_000_000, [7; 10])
}

pub(crate) fn video() -> VideoId {
    VideoId::new(1_700_000_000_000, [9; 10])
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &'static str) -> T {
    match text.parse() {
        Ok(id) => id,
        Err(error) => unreachable!("the example {text} is well-formed: {error:?}"),
    }
}

pub(crate) fn checksum() -> Checksum {
    parsed("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
}

pub(crate) fn worker() -> WorkerId {
    parsed("worker-1")
}

pub(crate) fn correlation() -> CorrelationId {
    parsed("018bcfe5-6800-7707-8707-070707070707")
}

pub(crate) fn webhook_url() -> Option<Url> {
    Url::parse("https://hooks.example.com/framelift").ok()
}

pub(crate) fn tokens() -> Payload {
    typed(&TokenResponse {
        access_token: ACCESS_TOKEN.into(),
        token_type: "Bearer".into(),
        expires_in: 3600,
        refresh_token: REFRESH_TOKEN.into(),
    })
}

pub(crate) fn account(webhook_secret: Option<&str>) -> AccountResponse {
    AccountResponse {
        id: user(),
        name: "Ada".into(),
        email: "ada@example.com".into(),
        email_verified: true,
        created_at: time(),
        notifications: NotificationSettings {
            email: true,
            email_on_completion: false,
            webhook_url: webhook_url(),
        },
        webhook_secret: webhook_secret.map(str::to_owned),
        quotas: None,
    }
}

pub(crate) fn quotas() -> Quotas {
    let quota = |used, limit| Quota { used, limit };
    Quotas {
        videos_in_flight: quota(2, 5),
        open_videos: quota(3, 200),
        uploads_today: quota(7, 5_000),
        decoded_seconds_today: quota(5_460, 600_000),
        stored_bytes: quota(82_837_504, 107_374_182_400),
        plugins: quota(1, 20),
        plugin_bytes: quota(1_048_576, 536_870_912),
        requests_per_minute: 1_200,
    }
}

pub(crate) fn part(number: u32) -> UploadPart {
    let url = format!("https://objects.example.com/framelift/uploads/part-{number}?X-Amz-Signature=…");
    UploadPart { number, url, size: 16_777_216 }
}

pub(crate) fn accepted(status: Status) -> Payload {
    typed(&AcceptedResponse { id: video(), status })
}

pub(crate) fn every_two_seconds() -> OptionsBody {
    let select = SelectBody { every: Some("2s".into()), ..SelectBody::default() };
    OptionsBody { select: Some(select), ..OptionsBody::default() }
}

pub(crate) fn record() -> VideoResponse {
    VideoResponse {
        id: video(),
        file_name: "holiday.mp4".into(),
        size_bytes: 73_400_320,
        status: Status::Completed,
        options: OptionsBody::spelled_out(&Options::default()),
        progress: Progress {
            stage: Stage::Done,
            percent: 100,
            frames_done: 60,
            frames_expected: Some(60),
            bytes_read: 73_400_320,
        },
        attempt: 1,
        queue_position: None,
        result: Some(VideoResult {
            size_bytes: 9_437_184,
            frames: 60,
            sha256: checksum(),
            warnings: Vec::new(),
            indexed: true,
        }),
        failure: None,
        created_at: time(),
        started_at: Some(time().plus_s(5)),
        completed_at: Some(time().plus_s(9)),
    }
}

pub(crate) fn job() -> Job {
    let (user, video) = (user(), video());
    Job {
        video_id: video,
        user_id: user,
        correlation_id: correlation(),
        file_name: "holiday.mp4".into(),
        size_bytes: 73_400_320,
        options: OptionsBody::spelled_out(&Options::default()),
        plugins: Vec::new(),
        source_key: object_key::upload(user, video),
        result_key: object_key::result(user, video, 1),
        index_key: Some(object_key::frame_index(user, video, 1)),
        result_prefix: object_key::results_of(user, video),
        attempt: 1,
        lease_expires_at: time().plus_s(60),
        lease_s: 60,
        deadline: time().plus_s(12 * 3600),
    }
}

pub(crate) fn plugin() -> PluginResponse {
    PluginResponse {
        name: "my-plugin".into(),
        built_in: false,
        version: 3,
        ready_version: Some(2),
        sha256: Some(checksum()),
        size_bytes: Some(1_048_576),
        state: PluginState::Checking,
        reason: None,
        config_schema: None,
        created_at: Some(time()),
    }
}

pub(crate) fn built_in() -> PluginResponse {
    let schema = builtin::find("grayscale").map(|plugin| plugin.config_schema.clone());
    PluginResponse {
        name: "grayscale".into(),
        built_in: true,
        version: 1,
        ready_version: Some(1),
        size_bytes: Some(66_730),
        state: PluginState::Ready,
        config_schema: schema,
        created_at: None,
        ..plugin()
    }
}

pub(crate) fn plugin_check() -> PluginCheck {
    let (user, plugin) = (user(), PluginId::new(1_700_000_000_000, [8; 10]));
    PluginCheck {
        plugin_id: plugin,
        user_id: user,
        correlation_id: correlation(),
        name: "my-plugin".into(),
        version: 3,
        object_key: object_key::plugin(user, plugin),
        sha256: checksum(),
        size_bytes: 1_048_576,
        attempt: 1,
        lease_expires_at: time().plus_s(1200),
        lease_s: 1200,
    }
}

pub(crate) fn notice() -> Notice {
    Notice {
        kind: NoticeKind::Failed,
        video_id: video(),
        user_id: user(),
        correlation_id: correlation(),
        file_name: "holiday.mp4".into(),
        completed_at: time(),
        failure: Some(Failure::new(FailureCode::NotAVideo, "no known container could be read")),
    }
}

/// The body of a webhook.
pub(crate) fn event_body() -> String {
    let data = serde_json::json!({
        "video_id": video(), "file_name": "holiday.mp4", "status": "completed", "result": record().result,
        "failure": null, "created_at": time(), "completed_at": time().plus_s(9), "correlation_id": correlation(),
    });
    serde_json::json!({ "type": "video.completed", "timestamp": time().plus_s(9), "data": data }).to_string()
}

pub(crate) fn delivery() -> WebhookDelivery {
    WebhookDelivery {
        id: video().into(),
        event: EventType::VideoCompleted,
        video_id: Some(video()),
        created_at: time().plus_s(9),
        status: DeliveryStatus::Pending,
        attempts: vec![DeliveryAttempt {
            at: time().plus_s(10),
            status: Some(503),
            error: Some("the receiver answered 503".into()),
        }],
        next_attempt_at: Some(time().plus_s(15)),
    }
}

pub(crate) fn report(status: Status) -> Payload {
    let lease_expires_at = (status == Status::Processing).then(|| time().plus_s(60));
    typed(&ReportAnswer { status, lease_expires_at, notice: None })
}
