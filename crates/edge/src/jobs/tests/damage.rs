//! Damaged values and failed reads: what the sweep skips, reports and tries again.

use std::cell::Cell;
use std::collections::BTreeSet;

use framelift_domain::PluginId;

use super::*;
use crate::jobs::{Result, Swept};
use crate::ports::{Change, Kv, Swap, Unavailable};
use crate::store::plugins::VersionState;
use crate::store::{Expiring, Store, keys};

const DAMAGE: &[u8] = br#"{"v":1,"rev":1,"value":"damaged"}"#;
/// Enough sweeps to read the lists of removals of two days.
const SWEEPS: usize = 15;

/// One user's videos with work of each kind for the sweep.
struct Work {
    completed: VideoId,
    deleted: VideoId,
    awaiting: VideoId,
    pending: VideoId,
    plugin: PluginId,
}

impl Work {
    /// Work that is due after [`wait_until_due`].
    fn of(fixture: &Fixture, user: UserId) -> Self {
        let jobs = fixture.jobs();
        let create = || block_on(jobs.create(user, new_video(Options::default()), None)).unwrap().id;
        let uploaded = || {
            let id = create();
            block_on(jobs.uploaded(user, id)).unwrap();
            id
        };
        let ended = || {
            let id = uploaded();
            block_on(jobs.claim(id, worker(), None)).unwrap();
            block_on(jobs.complete(id, 1, worker(), extraction())).unwrap();
            id
        };
        let completed = ended();
        block_on(jobs.notified(ended(), 1, true)).unwrap();
        let deleted = ended();
        block_on(jobs.delete(user, deleted)).unwrap();
        let c = "c".parse().unwrap();
        let plugin = block_on(jobs.begin_plugin(user, "mine", 10, &c)).unwrap();
        block_on(jobs.plugin_stored(user, plugin, [0xab; 32].into(), 10)).unwrap();
        let (awaiting, pending) = (create(), uploaded());
        Self { completed, deleted, awaiting, pending, plugin }
    }

    /// What the sweep has not done of it.
    fn left(&self, fixture: &Fixture, user: UserId) -> Vec<&'static str> {
        let store = Store::new(&fixture.kv, &fixture.clock);
        let video = |id| block_on(store.video(id)).unwrap().map(|row| row.video);
        let sent: Vec<_> = fixture.queue.take().into_iter().map(|(message, _)| message).collect();
        let was_sent = |id, is_notice| {
            sent.iter().any(|message| message.video_id == id && message.notice.is_some() == is_notice)
        };
        let plugins = block_on(store.plugins(user)).unwrap();
        let version = plugins.version(self.plugin);
        let is_checking = version.is_some_and(|it| matches!(it.state, VersionState::Checking { .. }));
        let checks = [
            ("its message", was_sent(self.pending, false)),
            ("its notice", was_sent(self.completed, true)),
            ("the expiry", video(self.awaiting).unwrap().state.name() == StateName::Expired),
            ("the purge", video(self.completed).unwrap().state.end().unwrap().purged),
            ("the removal", video(self.deleted).is_none()),
            ("the plugin", !is_checking),
        ];
        checks.into_iter().filter(|(_, done)| !done).map(|(what, _)| what).collect()
    }
}

fn retention_of_an_hour() -> Fixture {
    Fixture { limits: Limits { retention_s: 3600, ..Limits::default() }, ..Fixture::new() }
}

fn wait_until_due(fixture: &Fixture) {
    fixture.queue.take();
    fixture.queue.take_plugins();
    fixture.advance_s(27 * 3600);
}

fn sweep(fixture: &Fixture) -> Vec<JobError> {
    let mut errors = Vec::new();
    for _ in 0..SWEEPS {
        let Swept { user_errors, page_errors, .. } = block_on(fixture.jobs().sweep()).unwrap();
        errors.extend(user_errors.into_iter().map(|(_, error)| error).chain(page_errors));
    }
    errors
}

#[test]
fn the_sweep_goes_on_whatever_kind_of_value_is_damaged() {
    let prepared = retention_of_an_hour();
    let (user, other) = (prepared.user, UserId::new(2, [2; 10]));
    assert!([8, 64].iter().all(|shards| keys::shard(user, *shards) != keys::shard(other, *shards)));
    // Older videos, so that there is a sealed page.
    let store = Store::new(&prepared.kv, &prepared.clock);
    for n in 0..101 {
        block_on(store.append(user, VideoId::new(1000 + n, [n as u8; 10]))).unwrap();
    }
    Work::of(&prepared, user);
    let work = Work::of(&prepared, other);
    let of_other = [other.to_string(), work.deleted.to_string()];
    for list in ["work", "kept", "checks", "notices", "expire"] {
        prepared.kv.load(&keys::sweep_cursor(list), DAMAGE.to_vec());
    }
    wait_until_due(&prepared);
    let values = prepared.kv.dump("");
    let (mut kinds, mut reported) = (BTreeSet::new(), BTreeSet::new());
    for (damaged, value) in &values {
        let text = String::from_utf8_lossy(value);
        if of_other.iter().any(|id| damaged.contains(id) || text.contains(id)) {
            continue;
        }
        let fixture = retention_of_an_hour();
        fixture.clock.advance_ms(prepared.clock.now().unix_ms() - fixture.clock.now().unix_ms());
        for (key, value) in values.iter().filter(|(key, _)| !key.starts_with("sweep/")) {
            fixture.kv.load(key, value.clone());
        }
        fixture.kv.load(damaged, DAMAGE.to_vec());
        let errors = sweep(&fixture);
        let left = work.left(&fixture, other);
        assert!(left.is_empty(), "{damaged} is damaged, and left are {left:?}: {errors:?}");
        let kind = match damaged.split('/').collect::<Vec<_>>()[..] {
            ["index", _, _] => "index page",
            [kind, ..] => kind,
            [] => "",
        };
        kinds.insert(kind.to_owned());
        if !errors.is_empty() {
            assert!(
                errors.iter().all(|error| matches!(error, JobError::Damaged(_))),
                "{damaged}: {errors:?}"
            );
            assert_eq!(fixture.kv.dump(damaged)[0].1, DAMAGE, "{damaged}");
            reported.insert(kind.to_owned());
        }
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    // The sweep makes new cursors.
    let silent = names(&["sweep"]);
    let loud = names(&[
        "checks",
        "delivery",
        "expire",
        "index",
        "index page",
        "kept",
        "notices",
        "outbox",
        "plugins",
        "slots",
        "video",
        "work",
    ]);
    assert_eq!((kinds, reported), (&silent | &loud, loud));
}

#[test]
fn a_damaged_value_that_is_due_is_tried_again() {
    let fixture = retention_of_an_hour();
    let id = Work::of(&fixture, fixture.user).deleted;
    fixture.advance_s(3601);
    assert!(sweep(&fixture).is_empty());
    let key = keys::video(id);
    let good = fixture.kv.dump(&key)[0].1.clone();
    fixture.kv.load(&key, DAMAGE.to_vec());
    for _ in 0..3 {
        fixture.advance_s(27 * 3600);
        let errors = sweep(&fixture);
        assert!(matches!(errors[..], [JobError::Damaged(_)]), "once a day: {errors:?}");
    }
    fixture.kv.load(&key, good);
    fixture.advance_s(27 * 3600);
    assert!(sweep(&fixture).is_empty());
    assert!(fixture.kv.dump(&key).is_empty());
}

#[test]
fn damaged_events_do_not_block_those_behind_them() {
    let fixture = Fixture::new();
    let jobs = fixture.jobs();
    let ids: Vec<VideoId> = (0..10)
        .map(|_| fixture.claimed())
        .inspect(|id| {
            block_on(jobs.complete(*id, 1, worker(), extraction())).unwrap();
        })
        .collect();
    for id in &ids[..9] {
        fixture.kv.load(&keys::video(*id), DAMAGE.to_vec());
    }
    fixture.queue.take();
    fixture.advance_s(3600);
    for _ in 0..2 {
        let swept = block_on(jobs.sweep()).unwrap();
        assert!(!swept.user_errors.is_empty() && swept.page_errors.is_empty(), "{swept:?}");
    }
    let sent: Vec<VideoId> = fixture.queue.take().into_iter().map(|(message, _)| message.video_id).collect();
    assert_eq!(sent, ids[9..]);
}

#[test]
fn a_damaged_list_of_removals_takes_no_entry_and_hides_none() {
    let fixture = Fixture::new();
    let store = Store::new(&fixture.kv, &fixture.clock);
    let id = VideoId::new(1, [1; 10]);
    block_on(store.remove_later(Expiring::Video(id))).unwrap();
    let page = fixture.kv.dump("expire/")[0].0.clone();
    fixture.kv.load(&page, DAMAGE.to_vec());
    block_on(store.remove_later(Expiring::Video(id))).unwrap();
    fixture.advance_s(27 * 3600);
    let errors = sweep(&fixture);
    assert!(matches!(errors[..], [JobError::Damaged(_), ..]), "{errors:?}");
    assert_eq!(fixture.kv.dump("expire/"), [(page, DAMAGE.to_vec())], "the next page is done");
}

/// A store in which one read of a user's values fails.
struct FailsOnce<'a> {
    kv: &'a MemoryKv,
    user: String,
    /// The number of reads until the one that fails.
    reads: Cell<Option<usize>>,
}

impl Kv for FailsOnce<'_> {
    async fn get(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, Unavailable> {
        if key.contains(&self.user) && !key.starts_with("watch/") {
            match self.reads.get() {
                Some(0) => {
                    self.reads.set(None);
                    return Err(Unavailable { what: "store", detail: "injected".into() });
                }
                reads => self.reads.set(reads.map(|reads| reads - 1)),
            }
        }
        self.kv.get(key).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> std::result::Result<(), Unavailable> {
        self.kv.set(key, value).await
    }

    async fn delete(&self, key: &str) -> std::result::Result<(), Unavailable> {
        self.kv.delete(key).await
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> std::result::Result<Swap, Unavailable> {
        self.kv.swap(key, change).await
    }

    async fn increment(&self, key: &str, delta: i64) -> std::result::Result<i64, Unavailable> {
        self.kv.increment(key, delta).await
    }
}

#[test]
fn an_account_is_removed_whichever_read_fails() {
    let mut prepared = Fixture::new();
    prepared.limits.max_open_per_user = 1000;
    // A sealed page, and another one.
    let ids: Vec<VideoId> = (0..103).map(|_| prepared.create()).collect();
    block_on(prepared.jobs().uploaded(prepared.user, ids[0])).unwrap();
    block_on(prepared.jobs().close_user(prepared.user)).unwrap();
    sweep(&prepared);
    prepared.advance_s(27 * 3600);
    let values = prepared.kv.dump("");
    for reads in 0.. {
        let kv = MemoryKv::default();
        for (key, value) in &values {
            kv.load(key, value.clone());
        }
        let kv = FailsOnce { kv: &kv, user: prepared.user.to_string(), reads: Cell::new(Some(reads)) };
        let jobs = Jobs::new(&kv, &prepared.queue, &prepared.objects, &prepared.clock, &prepared.limits);
        let mut swept = Swept::default();
        for _ in 0..60 {
            let _: Result<()> = block_on(jobs.remove_due(&mut swept));
        }
        let mut left = kv.kv.dump("");
        // The lists that all users share stay, without this one.
        left.retain(|(key, value)| {
            let text = format!("{key} {}", String::from_utf8_lossy(value));
            text.contains(&kv.user) || ids.iter().any(|id| text.contains(&id.to_string()))
        });
        assert!(left.is_empty(), "read {reads} failed: {left:?}");
        if kv.reads.get().is_some() {
            assert!(reads > 50, "{reads} reads");
            return;
        }
        assert_eq!(swept.user_errors.len(), 1, "{:?}", swept.user_errors);
    }
}
