//! Plugins of jobs, and the checks of those that were uploaded.

use std::io::{Cursor, Read as _};

use framelift_contract::manifest::Manifest;
use framelift_contract::plugin::{JobPlugin, JobPluginCode, PluginCheck, builtin};
use framelift_contract::report::Job;
use framelift_domain::{Checksum, PluginId, Time, UserId};
use serde_json::{Value, json};

use crate::component::{DROP, ERROR, GIVE_BACK, GUEST, Guest};
use crate::rig::{DEAD, JOBS, Rig, eventually, small_video};

const KEY: &str = "plugins/u/p";

/// A plugin that drops every second frame.
fn half() -> Vec<u8> {
    let process = format!(
        "(if (i32.wrap_i64 (i64.and (call $index (local.get 0)) (i64.const 1)))
           (then {GIVE_BACK} (return {DROP})))
         {GIVE_BACK} (i32.const 0)"
    );
    Guest { process: &process, ..GUEST }.build()
}

/// Runs a job of three frames with a plugin.
async fn run(rig: &Rig, number: u8, plugin: JobPlugin) -> Job {
    let options = json!({"select": {"every": "1s"}, "plugins": [{"name": plugin.name}]});
    let job = rig.add(number, small_video(), options, 1).await;
    rig.control.set_plugins(&job, vec![plugin]);
    rig.send(&job).await;
    rig.no_messages().await;
    job
}

fn plugin(name: &str, component: &[u8]) -> JobPlugin {
    JobPlugin {
        name: name.to_owned(),
        version: 7,
        config: serde_json::Map::new(),
        code: JobPluginCode::Uploaded {
            plugin_id: PluginId::new(3, [1; 10]),
            object_key: KEY.to_owned(),
            sha256: Checksum::of(component),
            size_bytes: component.len() as u64,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_pass_the_plugins_of_their_job() {
    let mut rig = Rig::start().await;
    let component = half();
    rig.put(KEY, component.clone()).await;
    let job = run(&rig, 1, plugin("half", &component)).await;
    let manifest = manifest(&rig, &job).await;
    assert_eq!(manifest.frames.len(), 2);
    let record = &manifest.plugins[0];
    assert_eq!((record.name.as_str(), record.version.as_deref(), record.dropped), ("half", Some("7"), 1));
    assert_eq!(record.sha256, Some(Checksum::of(&component)));

    // The next job takes the code that was compiled, also where the component has gone.
    rig.put(KEY, b"something else".to_vec()).await;
    run(&rig, 2, plugin("half", &component)).await;
    assert_eq!(rig.control.calls("complete").len(), 2);
    assert!(rig.control.calls("fail").is_empty());
    rig.finish().await;
}

/// The manifest of a job's archive.
async fn manifest(rig: &Rig, job: &Job) -> Manifest {
    let archive = rig.object(&job.result_key).await.expect("the archive is stored");
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut manifest = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    serde_json::from_str(&manifest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_the_built_in_component_that_it_was_pinned_to() {
    let mut rig = Rig::start().await;
    let components: Value =
        serde_json::from_str(include_str!("../../../crates/contract/src/plugin/builtin/components.json"))
            .unwrap();
    let of_name = components.as_array().unwrap().iter().filter(|it| it["name"] == "grayscale");
    let mut known = of_name.map(|it| serde_json::from_value::<Checksum>(it["sha256"].clone()).unwrap());
    let newest = builtin::find("grayscale").unwrap().sha256;
    let earlier = known.rfind(|sha256| *sha256 != newest).unwrap_or(newest);
    // Jobs of before components were pinned name none.
    for (number, pinned, ran) in [(1, Some(newest), newest), (2, Some(earlier), earlier), (3, None, newest)] {
        let code = JobPluginCode::BuiltIn { sha256: pinned };
        let job = run(&rig, number, JobPlugin { code, ..plugin("grayscale", &[]) }).await;
        assert_eq!(manifest(&rig, &job).await.plugins[0].sha256, Some(ran));
    }
    // Another worker may have what this one has not.
    let code = JobPluginCode::BuiltIn { sha256: Some([9; 32].into()) };
    run(&rig, 4, JobPlugin { code, ..plugin("grayscale", &[]) }).await;
    let released = &rig.control.calls("fail")[0].body;
    assert_eq!(released["release"], true, "{released}");
    assert_eq!(released["message"], "this worker does not have version 7 of the plugin grayscale");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_keeps_nothing_from_one_tenants_job_to_anothers() {
    let mut rig = Rig::start().await;
    // It fails if it was ever configured or has seen a frame before.
    let fails_if_seen = "(if (i32.load (i32.const 90000)) (then unreachable))";
    let configure = format!("{fails_if_seen} (i32.const 0)");
    let process = format!("(i32.store (i32.const 90000) (i32.const 1)) {GIVE_BACK} (i32.const 0)");
    let component = Guest { configure: &configure, process: &process, ..GUEST }.build();
    rig.put(KEY, component.clone()).await;
    // Each job is of another user.
    for number in [1, 2, 3] {
        run(&rig, number, plugin("keeps", &component)).await;
    }
    assert_eq!((rig.control.calls("complete").len(), rig.control.calls("fail").len()), (3, 0));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_is_named_with_its_words() {
    let rig = Rig::start().await;
    let refuses = Guest { configure: ERROR, ..GUEST }.build();
    rig.put(KEY, refuses.clone()).await;
    run(&rig, 1, plugin("refuses", &refuses)).await;
    let other = GUEST.build();
    run(&rig, 2, plugin("changed", &other)).await;
    let fails = rig.control.calls("fail");
    let told: Vec<_> = fails.iter().map(|call| (&call.body["code"], &call.body["message"])).collect();
    let failed = json!("plugin-failed");
    assert_eq!(
        told,
        [
            (&failed, &json!("the plugin refuses: as configured")),
            (&failed, &json!("the plugin changed: its component is not the one that was uploaded")),
        ]
    );
    rig.assert_no_leftovers().await;
}

/// Asks, by a message in that queue, for the check of an uploaded component; what is reported.
async fn check(rig: &Rig, queue: &str, component: &[u8]) -> Value {
    rig.put(KEY, component.to_vec()).await;
    let (plugin_id, user_id) = (PluginId::new(3, [9; 10]), UserId::new(1, [9; 10]));
    rig.control.set_check(PluginCheck {
        plugin_id,
        user_id,
        correlation_id: "c-9".parse().unwrap(),
        name: "new".to_owned(),
        version: 2,
        object_key: KEY.to_owned(),
        sha256: Checksum::of(component),
        size_bytes: component.len() as u64,
        attempt: 4,
        lease_expires_at: Time::from_unix_ms(0),
        lease_s: 600,
    });
    let message = json!({"version": 1, "plugin_id": plugin_id, "user_id": user_id, "correlation_id": "c-9"});
    rig.send_text(queue, &message.to_string()).await;
    eventually("the message to go", async || rig.messages(queue).await.is_empty()).await;
    rig.control.calls("report").last().unwrap().body.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_plugin_is_checked() {
    let rig = Rig::start().await;
    let report = check(&rig, JOBS, &half()).await;
    assert_eq!((&report["outcome"], &report["attempt"]), (&json!("ready"), &json!(4)));
    let report = check(&rig, JOBS, b"no component").await;
    assert_eq!(report["outcome"], "rejected");
    assert_eq!(report["reason"], "is not a WebAssembly component in binary form");
    let report = check(&rig, JOBS, &Guest { process: "unreachable", ..GUEST }.build()).await;
    assert_eq!(report["outcome"], "rejected");
    assert!(report["reason"].as_str().unwrap().starts_with("failed on a test frame: trapped"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_became_a_dead_letter_is_released() {
    let rig = Rig::start().await;
    let report = check(&rig, DEAD, &half()).await;
    assert_eq!((&report["outcome"], &report["attempt"]), (&json!("released"), &json!(4)));
    assert_eq!(report["reason"], "workers received the message about it too often");
    assert!(rig.messages(JOBS).await.is_empty(), "control sends the next message");
    // Another one was deleted meanwhile: its dead letter goes, too.
    let gone = json!({
        "version": 1, "plugin_id": PluginId::new(3, [8; 10]), "user_id": UserId::new(1, [9; 10]),
        "correlation_id": "c-8",
    });
    rig.send_text(DEAD, &gone.to_string()).await;
    eventually("the dead letter to go", async || rig.messages(DEAD).await.is_empty()).await;
    assert_eq!(rig.control.calls("report").len(), 1);
}
