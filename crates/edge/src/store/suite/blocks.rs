//! The building blocks over the port.

use std::convert::Infallible;

use framelift_domain::{UserId, VideoId};
use futures::future::join_all;

use super::{check, fresh_key, retry};
use crate::ports::{Ambient, Kv};
use crate::store::index::{Head, PAGE};
use crate::store::listing::WORK;
use crate::store::slots::Slots;
use crate::store::update::UpdateError;
use crate::store::{Store, StoreError, Stored, keys};

impl Stored for u32 {}
impl Stored for Vec<u32> {}

fn fresh_user<A: Ambient>(ambient: &A) -> UserId {
    let mut random = [0; 10];
    ambient.fill_random(&mut random);
    UserId::new(ambient.now().unix_ms().unsigned_abs(), random)
}

pub(super) async fn updates_add_up<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let store = Store::new(kv, ambient);
    let key = &fresh_key(ambient, "sum");
    let none = Vec::<u32>::new();
    retry(ambient, || store.create(key, &none)).await?;
    let add = |n: u32| {
        let store = &store;
        retry(ambient, move || {
            store.update(key, move |mut all: Vec<u32>| {
                let known = all.contains(&n);
                all.push(n);
                Ok::<_, Infallible>((all, !known, n * 2))
            })
        })
    };
    for (n, outcome) in join_all((0..24).map(add)).await.into_iter().enumerate() {
        check!(outcome?.output as usize == n * 2, "an update gave another one's output");
    }
    let mut all: Vec<u32> = retry(ambient, || store.get(key)).await?.unwrap_or_default();
    all.sort_unstable();
    check!(all == (0..24).collect::<Vec<_>>(), "24 parallel updates left {all:?}");
    Ok(())
}

pub(super) async fn one_of_many_creates<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let store = Store::new(kv, ambient);
    for _ in 0..8 {
        let key = &fresh_key(ambient, "created");
        let create = |n: u32| {
            let store = &store;
            async move { retry(ambient, || store.create(key, &n)).await.map(|mine| (n, mine)) }
        };
        let outcomes = join_all((0..8).map(create)).await;
        let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let value = retry(ambient, || store.get::<u32>(key)).await?;
        let owners: Vec<u32> = outcomes.iter().filter(|(_, mine)| *mine).map(|(n, _)| *n).collect();
        check!(owners.len() <= 1, "{} created the same key", owners.len());
        check!(value.is_some_and(|value| value < 8), "nobody created the key");
        // A creator whose answer was lost is told by its retry that the key exists.
        check!(owners.iter().all(|owner| value == Some(*owner)), "{value:?} is not what {owners:?} created");
    }
    Ok(())
}

pub(super) async fn an_update_of_a_missing_key_is_refused<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let store = Store::new(kv, ambient);
    let key = &fresh_key(ambient, "missing");
    let mut missing = false;
    retry(ambient, || async {
        match store.update(key, |n: u32| Ok::<_, Infallible>((n, true, ()))).await {
            Err(UpdateError::Missing) => Ok(true),
            Ok(_) => Ok(false),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        }
    })
    .await
    .map(|outcome| missing = outcome)?;
    check!(missing, "an update of a missing key did not say so");
    let value = retry(ambient, || store.get::<u32>(key)).await?;
    check!(value.is_none(), "an update of a missing key wrote it");
    Ok(())
}

pub(super) async fn members_come_and_go<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let store = &Store::new(kv, ambient);
    let user = fresh_user(ambient);
    let key = &keys::slots(user);
    let ids: Vec<VideoId> = (0..12).map(|n| VideoId::new(n, [n as u8; 10])).collect();
    // Videos are added and removed concurrently. While one is in the slots, the user must be in the list.
    let visit = |id: VideoId| async move {
        for _ in 0..3 {
            retry(ambient, || {
                store.update_member(WORK, user, key, move |mut slots: Slots| {
                    let known = slots.waiting.contains(&id);
                    if !known {
                        slots.waiting.push(id);
                    }
                    Ok::<_, Infallible>((slots, !known, ()))
                })
            })
            .await?;
            check!(listed(store, ambient, user).await?, "a user with work is not in the list");
            retry(ambient, || {
                store.drain_slots(user, move |slots| {
                    let before = slots.waiting.len();
                    slots.waiting.retain(|waiting| *waiting != id);
                    slots.waiting.len() != before
                })
            })
            .await?;
        }
        Ok(())
    };
    for outcome in join_all(ids.into_iter().map(visit)).await {
        outcome?;
    }
    // Removes what a crash may have left behind, as the sweep does.
    retry(ambient, || store.leave_if_idle::<Slots>(WORK, user, key, 1_000)).await?;
    check!(!listed(store, ambient, user).await?, "a user without work is in the list");
    Ok(())
}

async fn listed<K: Kv, A: Ambient>(
    store: &Store<'_, K, A>,
    ambient: &A,
    user: UserId,
) -> Result<bool, String> {
    let shard = keys::shard(user, WORK.shards);
    let mut page = 0;
    while let Some(found) = retry(ambient, || store.list_page(WORK, shard, page)).await? {
        if found.users.contains_key(&user) {
            return Ok(true);
        }
        page += 1;
    }
    Ok(false)
}

pub(super) async fn index_pages_are_sealed<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let store = &Store::new(kv, ambient);
    let user = fresh_user(ambient);
    let ids: Vec<VideoId> = (0..250_u64).map(|n| VideoId::new(n, [n as u8; 10])).collect();
    let mut places = Vec::new();
    for chunk in ids.chunks(10) {
        let append = |id: VideoId| retry(ambient, move || store.append(user, id));
        for outcome in join_all(chunk.iter().map(|id| append(*id))).await {
            places.push(outcome?);
        }
    }
    let head: Head = retry(ambient, || store.head(user)).await?;
    check!(head.len() == 250 && head.base == 200, "250 videos end at {} after {}", head.len(), head.base);
    for (id, place) in ids.iter().zip(&places) {
        let page = retry(ambient, || store.index_page(user, &head, place / PAGE)).await?;
        let at = usize::try_from(place % PAGE).map_err(|error| error.to_string())?;
        check!(page.get(at) == Some(id), "position {place} has another video");
    }
    places.sort_unstable();
    places.dedup();
    check!(places.len() == 250, "two videos have the same position");
    let missing: Result<Vec<VideoId>, StoreError> = store.index_page(user, &head, 7).await;
    check!(missing.is_err(), "a page that was never sealed is there");
    Ok(())
}
