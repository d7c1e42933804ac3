//! The disk of the whole stack is full for a while: database, objects, messages, mails and logs.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use framelift_domain::Checksum;
use framelift_e2e::{Setup, Stack, clip, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Names the folder of the small disk, in the process that has one.
const SMALL_DISK: &str = "FRAMELIFT_TEST_SMALL_DISK";
/// Mounts the small disk, whose folder is the first argument, and runs the rest.
const MOUNT: &str = "mount -t tmpfs -o size=96m tmpfs \"$1\" && shift && exec \"$@\"";
/// Videos that are sent while the disk is full.
const ATTEMPTS: usize = 4;

#[tokio::test]
async fn whatever_was_accepted_is_done_after_the_disk_was_full() {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return fill(Path::new(&disk)).await;
    }
    // A small disk needs a mount, and a mount another namespace.
    let unshared = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]).args(arguments);
        command
    };
    let disk = tempfile::tempdir().unwrap();
    let folder = disk.path().to_str().unwrap();
    let may_mount = unshared(&[folder, "true"]).output().is_ok_and(|output| output.status.success());
    if !may_mount {
        skip("a full disk: this user may not mount one");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut inner = unshared(&[folder, this.to_str().unwrap(), "--exact", &name, "--nocapture"]);
    inner.env(SMALL_DISK, folder).env("TMPDIR", folder);
    let output = tokio::task::spawn_blocking(move || inner.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[expect(clippy::print_stdout, reason = "how a test says that it was skipped")]
fn skip(what: &str) {
    println!("SKIPPED: {what}");
}

async fn fill(disk: &Path) {
    let env = [
        ("SPIN_VARIABLE_LEASE_S", "6"),
        ("SPIN_VARIABLE_RESEND_AFTER_S", "12"),
        ("FRAMELIFT_QUEUE_VISIBILITY", "10s"),
        ("FRAMELIFT_QUEUE_HEARTBEAT", "2s"),
        ("FRAMELIFT_WORKER_SWEEP", "2s"),
    ];
    let env = env.map(|(name, value)| (name, value.to_owned())).into();
    let stack = Stack::start(Setup { env, ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let cars = clip::sample("cars-30s.mp4");
    let few = || json!({"select": {"count": 3}});
    let before = ada.upload("before.mp4", &cars, few()).await;
    ada.wait_for(&before, "completed").await;
    let long = clip::sample("nasa-13s.mp4");
    let under_way =
        ada.upload("under_way.mp4", &long, json!({"select": {"all": true}, "format": "png"})).await;

    let ballast = disk.join("ballast");
    fill_with(&ballast);
    // Each call is answered, if only by an error.
    let mut accepted = vec![(before, Value::Null), (under_way, Value::Null)];
    let mut refused = 0;
    for _ in 0..ATTEMPTS {
        let body = json!({"file_name": "full.mp4", "size_bytes": cars.len(), "options": few()});
        let created = ada.send(Method::POST, "/videos", Some(&body)).await;
        if created.status() != 201 {
            assert!(created.status().is_server_error(), "{}", created.text().await.unwrap());
            refused += 1;
            continue;
        }
        let created: Value = created.json().await.unwrap();
        let put = stack.client().put(created["upload"]["url"].as_str().unwrap()).body(cars.clone());
        let headers = created["upload"]["headers"].as_object().unwrap().iter();
        let put = headers.fold(put, |put, (name, value)| match name.to_lowercase().as_str() {
            "content-length" => put,
            _ => put.header(name, value.as_str().unwrap()),
        });
        let stored = put.send().await.is_ok_and(|answer| answer.status().is_success());
        refused += usize::from(!stored);
        accepted.push((created["id"].as_str().unwrap().to_owned(), created["upload"].clone()));
    }
    assert!(refused > 0, "the disk is not full: {ATTEMPTS} videos found room on it");
    std::fs::remove_file(&ballast).unwrap();

    let after = until("a new video to be taken", || async {
        let body = json!({"file_name": "after.mp4", "size_bytes": cars.len(), "options": few()});
        let created = ada.send(Method::POST, "/videos", Some(&body)).await;
        if created.status() == 201 {
            Ok(created.json::<Value>().await.unwrap())
        } else {
            Err(created.text().await.unwrap())
        }
    })
    .await;
    ada.put(&after["upload"], &cars).await;
    let after = after["id"].as_str().unwrap();
    ada.expect(Method::POST, &format!("/videos/{after}/complete"), None, 202).await;
    ada.wait_for(after, "completed").await;
    let list = ada.expect(Method::GET, "/videos", None, 200).await;
    let listed: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    for (id, upload) in accepted {
        assert!(listed.contains(&&*id), "{id} is lost: {list}");
        if ada.video(&id).await["status"] == "awaiting_upload" {
            // Its bytes found no room: they are sent again.
            ada.put(&upload, &cars).await;
            ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
        }
        let video = ada.finished(&id).await;
        assert_eq!(video["status"], "completed", "{video}");
        let archive = ada.download(&id).await;
        assert_eq!(Checksum::of(&archive).to_string(), video["result"]["sha256"]);
    }
    stack.finish().await;
}

/// Writes until nothing more fits.
fn fill_with(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
