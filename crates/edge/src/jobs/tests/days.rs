//! Weeks of use, after which the store is no larger than before.

use super::*;
use crate::ports::Ambient as _;

/// One day of a user: videos with idempotency keys, some of which are canceled or expire.
fn use_it(fixture: &Fixture, user: UserId, keys: &str) -> Vec<VideoId> {
    let jobs = fixture.jobs();
    let ids = (0..5).map(|n| {
        let request = Idempotency { key: format!("{keys}{n}"), request_hash: "h".repeat(32) };
        let video = block_on(jobs.create(user, new_video(Options::default()), Some(&request))).unwrap();
        if n < 4 {
            block_on(jobs.uploaded(user, video.id)).unwrap();
        }
        if n < 3 {
            block_on(jobs.claim(video.id, worker(), None)).unwrap();
            block_on(jobs.complete(video.id, 1, worker(), extraction())).unwrap();
            block_on(jobs.notified(video.id, 0, false)).unwrap();
        }
        video.id
    });
    let mut ids: Vec<VideoId> = ids.collect();
    ids.push(
        block_on(jobs.run(user, ids[0], Options::default(), "c".parse().unwrap(), None, None)).unwrap().id,
    );
    ids
}

#[test]
fn the_store_does_not_grow_with_the_days() {
    let fixture =
        Fixture { limits: Limits { retention_s: 2 * 24 * 3600, ..Limits::default() }, ..Fixture::new() };
    let mut sizes = Vec::new();
    for day in 0..24 {
        // One account stays and deletes its videos; each day another one comes and leaves with all it has.
        for id in use_it(&fixture, fixture.user, "k") {
            block_on(fixture.jobs().delete(fixture.user, id)).unwrap();
        }
        let leaver = UserId::new(fixture.clock.now().unix_ms().unsigned_abs(), [day; 10]);
        use_it(&fixture, leaver, &format!("{day}-"));
        block_on(fixture.jobs().close_user(leaver)).unwrap();
        for _ in 0..48 {
            fixture.advance_s(1800);
            fixture.sweep();
        }
        // The lists of users have a fixed number of shards.
        let is_list = |key: &str| ["work/", "kept/", "notices/"].iter().any(|list| key.contains(list));
        sizes.push(fixture.kv.keys().iter().filter(|key| !is_list(key)).count());
    }
    // Hours of removal do not fall evenly on the days.
    let (early, late) = (sizes[2..8].iter().max().unwrap(), sizes[18..].iter().max().unwrap());
    assert!(late < &(early + 8), "{sizes:?}: {:?}", fixture.kv.keys());
}
