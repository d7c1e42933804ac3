//! Two hundred jobs while processes are killed and stopped, messages get lost, double and overtaken, and
//! S3, SQS and SMTP fail, reset, stall and cut, and the customers' webhook fails. Afterwards nothing is stuck, lost,
//! published twice or left over, few videos were given up, and each end has its event.
//!
//! The seed is printed; `FRAMELIFT_CHAOS_SEED` makes the same choices again (what the processes make of
//! them depends on the machine). `FRAMELIFT_CHAOS_JOBS` sets the number of jobs.

mod clips;
mod customer;
mod proxy;
mod receiver;
mod storm;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use framelift_domain::Checksum;
use framelift_e2e::faulty_cloud::FaultyCloud;
use framelift_e2e::process::signal;
use framelift_e2e::{Setup, Stack, User, cloud, until};
use serde_json::{Value, json};

use clips::Clip;
use customer::{Customer, Upload};
use receiver::Receiver;
use storm::Storm;

/// Users that upload at the same time.
const USERS: u64 = 8;
/// Seed and jobs, unless the environment says otherwise: each change is tried by the same choices.
const SEED: u64 = 1;
const JOBS: u64 = 200;

/// Of so many videos, at most one may be given up because five attempts at it died.
const GIVEN_UP_ONE_OF: usize = 20;

/// How long the storm may last, in milliseconds for each job.
const STORM_MS_A_JOB: u64 = 400;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Times short enough for a lost lease, message or worker to heal within seconds.
fn impatient() -> Vec<(&'static str, String)> {
    let pairs = [
        ("SPIN_VARIABLE_LEASE_S", "6"),
        ("SPIN_VARIABLE_RESEND_AFTER_S", "12"),
        ("SPIN_VARIABLE_TAKE_BACK_AFTER_S", "3"),
        ("SPIN_VARIABLE_SINGLE_PUT_BYTES", "5242880"),
        ("FRAMELIFT_QUEUE_VISIBILITY", "10s"),
        ("FRAMELIFT_QUEUE_HEARTBEAT", "2s"),
        ("FRAMELIFT_QUEUE_WAIT", "1s"),
        ("FRAMELIFT_QUEUE_RETRY_DELAY", "500ms"),
        ("FRAMELIFT_WORKER_PROGRESS", "1s"),
        ("FRAMELIFT_WORKER_SWEEP", "2s"),
        ("FRAMELIFT_WORKER_MAX_OWN_FAILURES", "3"),
        ("FRAMELIFT_WORKER_OUT_OF_SERVICE", "1s"),
        ("FRAMELIFT_CONTROL_TIMEOUT", "3s"),
        ("FRAMELIFT_SMTP_TIMEOUT", "3s"),
        ("FRAMELIFT_STORE_PART_SIZE", "5MiB"),
        ("FRAMELIFT_LIMITS_THREADS", "1"),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_stuck_or_published_twice() {
    let seed = number("FRAMELIFT_CHAOS_SEED").unwrap_or(SEED);
    let jobs = number("FRAMELIFT_CHAOS_JOBS").unwrap_or(JOBS);
    say(&format!("FRAMELIFT_CHAOS_SEED={seed} FRAMELIFT_CHAOS_JOBS={jobs}"));
    let cloud = FaultyCloud::start(seed).await;
    let temporary = tempfile::tempdir().unwrap();
    let mut env = impatient();
    env.push(("TMPDIR", temporary.path().to_string_lossy().into_owned()));
    let stack = Stack::start(Setup { workers: 3, concurrency: 2, env, ..cloud.setup() }).await;
    cloud.forward_mail_to(&stack);
    let clips = Clip::all(&stack.scratch());
    let expected = expected_archives(&stack, &clips).await;

    let began = Instant::now();
    let receiver = Receiver::start();
    let mut customers = Vec::new();
    for n in 0..USERS {
        let user = stack.user(&format!("user{n}")).await;
        let settings = json!({"notifications": {"webhook_url": receiver.url()}});
        user.expect(reqwest::Method::PATCH, "/auth/me", Some(settings), 200).await;
        customers.push(Customer::new(user, seed ^ n));
    }
    // It ends even if the work makes no progress in it: the rest is done in the calm.
    let storm = Storm::begin(&stack, cloud, seed, Duration::from_millis(STORM_MS_A_JOB * jobs));
    let mut tasks = tokio::task::JoinSet::new();
    for (n, customer) in (0..).zip(customers) {
        let (clips, share) = (clips.clone(), jobs / USERS + u64::from(n < jobs % USERS));
        tasks.spawn(async move { customer.use_the_service(&clips, share).await });
    }
    let customers = tasks.join_all().await;
    say(&format!("all uploads are accepted after {} s", began.elapsed().as_secs()));
    // The storm goes on over the work that is left, until half of it is done.
    let all: usize = customers.iter().map(|customer| customer.uploads.len()).sum();
    until("half of the videos to end", || async {
        let mut ended = 0;
        for customer in &customers {
            ended += customer.ended().await;
        }
        if 2 * ended >= all { Ok(()) } else { Err(format!("{ended} of {all}")) }
    })
    .await;
    let (cloud, counts) = storm.end().await;
    say(&format!("{counts}; the storm ends after {} s", began.elapsed().as_secs()));

    let (mut given_up, mut events) = (0, 0);
    for customer in &customers {
        let ends = check_customer(&stack, customer, &expected).await;
        given_up += ends.values().filter(|end| matches!(end, End::GivenUp)).count();
        events += check_events(&receiver, &ends).await;
    }
    let (came, more_than_once) = receiver.counts();
    say(&format!(
        "all videos have ended after {} s, {given_up} were given up; {came} events came, {more_than_once} more than once",
        began.elapsed().as_secs()
    ));
    assert!(given_up * GIVEN_UP_ONE_OF <= all, "{given_up} of {all} videos were given up");
    assert!(events > 0 && more_than_once > 0, "{events} events, {more_than_once} again");
    check_slots(&stack, &customers[0].user, &clips).await;
    check_leftovers(&stack, &customers).await;
    stack.finish().await;
    cloud.finish().await;
    let left: Vec<_> =
        std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "temporary files: {left:?}");
    say(&format!("{all} uploads, done after {} s", began.elapsed().as_secs()));
}

#[expect(clippy::print_stderr, reason = "a run says its seed and what it met with")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The SHA-256 of each good clip's archive, made in a calm.
async fn expected_archives(stack: &Stack, clips: &[Clip]) -> BTreeMap<&'static str, Value> {
    let calm = stack.user("calm").await;
    let mut ids = Vec::new();
    for clip in clips.iter().filter(|clip| clip.is_good) {
        ids.push((clip.name, calm.upload(clip.name, &clip.bytes, clip.options.clone()).await));
    }
    let mut expected = BTreeMap::new();
    for (name, id) in ids {
        let video = calm.wait_for(&id, "completed").await;
        expected.insert(name, video["result"]["sha256"].clone());
        calm.send(reqwest::Method::DELETE, &format!("/videos/{id}"), None).await;
    }
    expected
}

/// How a video ended.
enum End {
    Completed,
    Failed,
    /// Failed because too many attempts at it died.
    GivenUp,
    Canceled,
    /// Its owner deleted it.
    Deleted,
}

/// Every video that was accepted has ended, as it must, and once.
async fn check_customer<'a>(
    stack: &Stack,
    customer: &'a Customer,
    expected: &BTreeMap<&'static str, Value>,
) -> BTreeMap<&'a str, End> {
    let mut ends = BTreeMap::new();
    for Upload { id, clip, canceled, deleted } in &customer.uploads {
        if *deleted {
            ends.insert(id.as_str(), End::Deleted);
            continue;
        }
        let video = customer.user.finished(id).await;
        let end = match video["status"].as_str().unwrap() {
            "completed" => {
                assert_eq!(Some(&video["result"]["sha256"]), expected.get(clip), "{clip}: {video}");
                let archive = customer.user.download(id).await;
                assert_eq!(Checksum::of(&archive).to_string(), video["result"]["sha256"], "{clip}: {video}");
                End::Completed
            }
            "failed" => {
                let code = video["failure"]["code"].as_str().unwrap();
                // Five workers that died of one video are enough, whatever they died of.
                let given_up = code == "internal"
                    && video["failure"]["message"].as_str().unwrap().starts_with("gave up after ");
                assert!(given_up || !expected.contains_key(clip) && code != "internal", "{clip}: {video}");
                if given_up { End::GivenUp } else { End::Failed }
            }
            "canceled" => {
                assert!(canceled, "{clip}: {video}");
                End::Canceled
            }
            other => panic!("{clip} is {other}: {video}"),
        };
        ends.insert(id, end);
        if let Some(seen) = customer.seen.get(id) {
            assert_eq!(*seen, video["result"], "a result was published twice");
        }
    }
    // Each failure has one mail. The same mail may come twice, where the answer to the first was lost.
    until("a mail for each failure", || async {
        let mails = stack.mails(&customer.user.email).await;
        let mut ids: BTreeSet<String> = mails.iter().map(video_of).collect();
        // They may have failed before they were deleted.
        ids.retain(|id| !matches!(ends.get(id.as_str()), Some(End::Deleted)));
        let failed = ends.iter().filter(|(_, end)| matches!(end, End::Failed | End::GivenUp));
        let failed: BTreeSet<String> = failed.map(|(id, _)| (*id).to_owned()).collect();
        let differ: Vec<_> = failed.symmetric_difference(&ids).collect();
        if differ.is_empty() { Ok(()) } else { Err(format!("{differ:?}")) }
    })
    .await;
    for mail in stack.mails(&customer.user.email).await {
        let subject = mail["subject"].as_str().unwrap();
        assert!(subject.starts_with("Your video could not be processed"), "{mail}");
    }
    ends
}

/// Each end has one event, which comes under the same id as often as it takes; a canceled video has none. Returns how
/// many events there were to come.
async fn check_events(receiver: &Receiver, ends: &BTreeMap<&str, End>) -> usize {
    let due = |end: &End| match end {
        End::Completed => Some("video.completed"),
        End::Failed | End::GivenUp => Some("video.failed"),
        End::Canceled | End::Deleted => None,
    };
    let expected = ends.iter().filter_map(|(id, end)| Some(((*id).to_owned(), due(end)?.to_owned())));
    let expected: BTreeSet<(String, String)> = expected.collect();
    until("an event for each end", || async {
        let mut came = receiver.events();
        came.retain(|(id, _), _| ends.get(id.as_str()).is_some_and(|end| !matches!(end, End::Deleted)));
        assert!(came.values().all(|ids| ids.len() == 1), "an event came under two ids: {came:?}");
        let came: BTreeSet<(String, String)> = came.into_keys().collect();
        let differ: Vec<_> = expected.symmetric_difference(&came).collect();
        if differ.is_empty() { Ok(()) } else { Err(format!("{differ:?}")) }
    })
    .await;
    expected.len()
}

/// The video that a mail is about, by its message id.
fn video_of(mail: &Value) -> String {
    let mut headers = mail["headers"].as_array().unwrap().iter();
    let id = headers.find(|header| header["name"].as_str().unwrap().eq_ignore_ascii_case("message-id"));
    let id = id.unwrap()["value"].as_str().unwrap().trim_matches('<');
    let (video, kind) = id.split_once('.').unwrap();
    assert!(kind.starts_with("failed@"), "{id}");
    video.to_owned()
}

/// With the videos goes all that lies in the bucket for them: also the archives and multipart uploads of workers
/// that died after others had taken over, which nobody else looks for.
async fn check_leftovers(stack: &Stack, customers: &[Customer]) {
    for customer in customers {
        for video in customer.videos().await {
            customer.delete(video["id"].as_str().unwrap()).await;
        }
    }
    until("an empty bucket", || async {
        let (keys, uploads) =
            (cloud::keys(&stack.info()).await, cloud::open_multipart_uploads(&stack.info()).await);
        if keys.is_empty() && uploads.is_empty() { Ok(()) } else { Err(format!("{keys:?} {uploads:?}")) }
    })
    .await;
}

/// No slot is leaked: five more videos are in flight at once, and the sixth waits.
async fn check_slots(stack: &Stack, user: &User, clips: &[Clip]) {
    let clip = &clips[0];
    let workers: Vec<u32> = stack.info().pids.workers.into_iter().flatten().collect();
    workers.iter().for_each(|pid| signal(*pid, "STOP"));
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(user.upload(clip.name, &clip.bytes, clip.options.clone()).await);
    }
    let mut states = Vec::new();
    for id in &ids {
        states.push(user.video(id).await["status"].clone());
    }
    workers.iter().for_each(|pid| signal(*pid, "CONT"));
    // A worker that was stopped in a claim has taken one up before.
    let in_flight = states.iter().filter(|state| *state != "queued").count();
    assert_eq!((in_flight, &states[5]), (5, &json!("queued")), "{states:?}");
    for id in &ids {
        user.wait_for(id, "completed").await;
    }
}
