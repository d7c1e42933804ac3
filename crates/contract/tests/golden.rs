//! Golden files of all wire types: each is read, and written again unchanged.
//!
//! A commit that changes a wire type changes its file. An older form that must still be read has a separate file.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use framelift_contract::account::{
    AccountMail, AccountMailRequest, AccountResponse, ChangePasswordRequest, Contact, DeleteAccountRequest,
    LoginRequest, Quotas, RefreshRequest, RegisterRequest, RegisterResponse, ResetPasswordMailRequest,
    ResetPasswordRequest, SessionList, TokenResponse, UpdateAccountRequest, ValidateRequest,
    ValidateResponse, VerifyEmailRequest,
};
use framelift_contract::frame::FramePage;
use framelift_contract::manifest::{self, Manifest};
use framelift_contract::message::{JobMessage, Message, NoticeKind, PluginMessage};
use framelift_contract::options::OptionsBody;
use framelift_contract::plugin::{
    ClaimPluginRequest, DeletedPluginResponse, PluginCheck, PluginList, PluginReport, PluginReportAnswer,
    PluginResponse,
};
use framelift_contract::problem::{FieldError, Problem, ProblemCode};
use framelift_contract::report::{
    ClaimRequest, CompleteReport, FailReport, Job, Notice, NotificationRequest, NotifiedReport,
    ProgressReport, ReportAnswer, SweepAnswer,
};
use framelift_contract::video::{
    AcceptedResponse, CreateVideoRequest, CreateVideoResponse, DownloadResponse, RunRequest, StorageResponse,
    UploadPartsResponse, VideoPage, VideoResponse,
};
use framelift_contract::webhook::{
    ClaimedDelivery, DeliveryPage, DeliveryReport, WebhookEvent, WebhookGone, WebhookSecret,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden(name: &str) -> String {
    let path = folder().join(name).with_extension("json");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a file as a `T` and writes it again.
fn round_trip<T: Serialize + DeserializeOwned>(name: &str) -> Value {
    let read: T = serde_json::from_str(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::to_value(&read).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads the golden file of a name as a type, and writes it again.
type RoundTrip = fn(&str) -> Value;

#[test]
fn every_file_is_understood_and_written_again() {
    let types: &[(&str, RoundTrip)] = &[
        ("accepted", round_trip::<AcceptedResponse>),
        ("account", round_trip::<AccountResponse>),
        ("account_mail", round_trip::<AccountMail>),
        ("account_mail_request", round_trip::<AccountMailRequest>),
        ("account_message", round_trip::<JobMessage>),
        ("change_password", round_trip::<ChangePasswordRequest>),
        ("claim", round_trip::<ClaimRequest>),
        ("claim_plugin", round_trip::<ClaimPluginRequest>),
        ("complete", round_trip::<CompleteReport>),
        ("complete_indexed", round_trip::<CompleteReport>),
        ("contact", round_trip::<Contact>),
        ("create_video", round_trip::<CreateVideoRequest>),
        ("created_multipart", round_trip::<CreateVideoResponse>),
        ("created_put", round_trip::<CreateVideoResponse>),
        ("delete_account", round_trip::<DeleteAccountRequest>),
        ("deleted_plugin", round_trip::<DeletedPluginResponse>),
        ("download", round_trip::<DownloadResponse>),
        ("fail", round_trip::<FailReport>),
        ("frames", round_trip::<FramePage>),
        ("job", round_trip::<Job>),
        ("login", round_trip::<LoginRequest>),
        ("manifest", round_trip::<Manifest>),
        ("message", round_trip::<JobMessage>),
        ("notice", round_trip::<Notice>),
        ("notice_message", round_trip::<JobMessage>),
        ("traced_message", round_trip::<JobMessage>),
        ("notification", round_trip::<NotificationRequest>),
        ("notified", round_trip::<NotifiedReport>),
        ("options_scenes", round_trip::<OptionsBody>),
        ("plugin", round_trip::<PluginResponse>),
        ("plugin_check", round_trip::<PluginCheck>),
        ("plugin_message", round_trip::<PluginMessage>),
        ("plugin_ready", round_trip::<PluginReport>),
        ("plugin_rejected", round_trip::<PluginReport>),
        ("plugin_report_answer", round_trip::<PluginReportAnswer>),
        ("plugins", round_trip::<PluginList>),
        ("problem", round_trip::<Problem>),
        ("progress", round_trip::<ProgressReport>),
        ("refresh", round_trip::<RefreshRequest>),
        ("register", round_trip::<RegisterRequest>),
        ("registered", round_trip::<RegisterResponse>),
        ("report_answer", round_trip::<ReportAnswer>),
        ("reset_password", round_trip::<ResetPasswordRequest>),
        ("reset_request", round_trip::<ResetPasswordMailRequest>),
        ("run", round_trip::<RunRequest>),
        ("sessions", round_trip::<SessionList>),
        ("storage", round_trip::<StorageResponse>),
        ("sweep", round_trip::<SweepAnswer>),
        ("tokens", round_trip::<TokenResponse>),
        ("update_account", round_trip::<UpdateAccountRequest>),
        ("upload_parts", round_trip::<UploadPartsResponse>),
        ("usage", round_trip::<Quotas>),
        ("claimed_delivery", round_trip::<ClaimedDelivery>),
        ("deliveries", round_trip::<DeliveryPage>),
        ("delivery_report", round_trip::<DeliveryReport>),
        ("event_completed", round_trip::<WebhookEvent>),
        ("event_failed", round_trip::<WebhookEvent>),
        ("event_plugin", round_trip::<WebhookEvent>),
        ("event_test", round_trip::<WebhookEvent>),
        ("notified_webhook", round_trip::<NotifiedReport>),
        ("validate", round_trip::<ValidateRequest>),
        ("validated", round_trip::<ValidateResponse>),
        ("verify_email", round_trip::<VerifyEmailRequest>),
        ("video_processing", round_trip::<VideoResponse>),
        ("videos", round_trip::<VideoPage>),
        ("webhook_gone", round_trip::<WebhookGone>),
        ("webhook_message", round_trip::<JobMessage>),
        ("webhook_secret", round_trip::<WebhookSecret>),
    ];
    for (name, round_trip) in types {
        let expected: Value = serde_json::from_str(&golden(name)).unwrap();
        assert_eq!(round_trip(name), expected, "{name}.json");
    }
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into()).collect();
    let named: BTreeSet<String> = types.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, named, "each file has its type");
}

/// What a program writes is the file, down to the order of the fields.
fn is_written_as<T: Serialize>(name: &str, value: &T) {
    assert_eq!(serde_json::to_string_pretty(value).unwrap() + "\n", golden(name), "{name}.json");
}

#[test]
fn what_is_made_is_written_as_the_files_say() {
    let (video_id, user_id) =
        ("018bcfe5-6800-7707-8707-070707070707", "018bcfe5-6800-7707-8707-070707070708");
    let message = JobMessage {
        version: 1,
        video_id: video_id.parse().unwrap(),
        user_id: user_id.parse().unwrap(),
        correlation_id: "c-1".parse().unwrap(),
        traceparent: None,
        notice: Some(NoticeKind::Completed),
    };
    is_written_as("notice_message", &message);
    assert_eq!(JobMessage::parse(&golden("notice_message")).unwrap(), message);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
    let traced = JobMessage { traceparent: Some(traceparent), notice: None, ..message };
    is_written_as("traced_message", &traced);
    assert_eq!(JobMessage::parse(&golden("traced_message")).unwrap(), traced);

    let check = PluginMessage {
        version: 1,
        plugin_id: "018bcfe5-6800-7707-8707-070707070709".parse().unwrap(),
        user_id: user_id.parse().unwrap(),
        correlation_id: "c-1".parse().unwrap(),
    };
    is_written_as("plugin_message", &Message::Plugin(check.clone()));
    assert_eq!(Message::parse(&golden("plugin_message")).unwrap(), Message::Plugin(check));

    let mut problem = Problem::new(ProblemCode::ValidationFailed, "two fields are wrong", "c-1");
    problem.errors.push(FieldError::new("/options/quality", "must be from 1 to 100"));
    is_written_as("problem", &problem);

    is_written_as("claim", &serde_json::from_str::<ClaimRequest>(&golden("claim")).unwrap());
    is_written_as("job", &serde_json::from_str::<Job>(&golden("job")).unwrap());
    is_written_as("manifest", &serde_json::from_str::<Manifest>(&golden("manifest")).unwrap());
    assert_eq!(serde_json::from_str::<Manifest>(&golden("manifest")).unwrap().version, manifest::VERSION);
}
