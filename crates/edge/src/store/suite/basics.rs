//! The guarantees of the port.

use futures::future::join_all;

use super::{check, fresh_key, retry};
use crate::ports::{Ambient, Kv, Swap, Unavailable};

pub(super) async fn values_are_set_read_and_deleted<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let key = &fresh_key(ambient, "value");
    let get = || retry(ambient, || kv.get(key));
    check!(get().await?.is_none(), "a key that was never written has a value");
    for value in [b"one".to_vec(), Vec::new(), vec![0xff; 20_000]] {
        retry(ambient, || kv.set(key, value.clone())).await?;
        check!(get().await? == Some(value), "what was set is not what is read");
    }
    retry(ambient, || kv.delete(key)).await?;
    check!(get().await?.is_none(), "a deleted key has a value");
    retry(ambient, || kv.delete(key)).await
}

pub(super) async fn many_values_are_read_at_once<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    // More than a back end reads in one call. Of three, one is missing.
    let keys: Vec<String> = (0..120).map(|_| fresh_key(ambient, "many")).collect();
    for (n, key) in keys.iter().enumerate().filter(|(n, _)| n % 3 > 0) {
        retry(ambient, || kv.set(key, n.to_string().into_bytes())).await?;
    }
    // In another order, and one of them twice.
    let asked: Vec<String> = keys.iter().rev().chain(keys.get(1)).cloned().collect();
    let values = retry(ambient, || kv.get_many(&asked)).await?;
    let expected = (0..120_usize).rev().chain([1]).map(|n| (n % 3 > 0).then(|| n.to_string().into_bytes()));
    check!(values.into_iter().eq(expected), "the values are not those of their keys, in their order");
    Ok(())
}

pub(super) async fn removed_keys_are_as_new<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    let (swapped, counted) = (&fresh_key(ambient, "swapped"), &fresh_key(ambient, "counted"));
    for _ in 0..2 {
        let swap = || async {
            let outcome =
                kv.swap(swapped, &mut |current| current.is_none().then(|| b"value".to_vec())).await?;
            if outcome == Swap::Conflict {
                return Err(Unavailable { what: "store", detail: "conflict".into() });
            }
            Ok(())
        };
        retry(ambient, swap).await?;
        check!(retry(ambient, || kv.get(swapped)).await?.is_some(), "a swap on a removed key made nothing");
        let sum = retry(ambient, || kv.increment(counted, 1)).await?;
        // An increment whose answer was lost may have been counted.
        check!((1..10).contains(&sum), "a removed counter goes on with {sum}");
        retry(ambient, || kv.increment(counted, 100)).await?;
        retry(ambient, || kv.delete(swapped)).await?;
        retry(ambient, || kv.delete(counted)).await?;
        check!(retry(ambient, || kv.get(swapped)).await?.is_none(), "a removed value is there");
    }
    Ok(())
}

pub(super) async fn swaps_see_the_current_value<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let key = &fresh_key(ambient, "swap");
    // Each write has a distinct value, so that a write with a wrong answer is recognized.
    for (before, after) in [(None, "a"), (Some("a"), "b"), (Some("b"), "c")] {
        let write = || async {
            let mut wrong = false;
            let outcome = kv
                .swap(key, &mut |current| {
                    if current == Some(after.as_bytes()) {
                        return None;
                    }
                    wrong |= current != before.map(str::as_bytes);
                    Some(after.as_bytes().to_vec())
                })
                .await?;
            if outcome == Swap::Conflict {
                return Err(Unavailable { what: "store", detail: "conflict".into() });
            }
            Ok(wrong)
        };
        check!(!retry(ambient, write).await?, "a swap to {after} did not see {before:?}");
        let value = retry(ambient, || kv.get(key)).await?;
        check!(value.as_deref() == Some(after.as_bytes()), "a swap to {after} is not read");
    }
    let unchanged = retry(ambient, || async { kv.swap(key, &mut |_| None).await }).await?;
    check!(unchanged == Swap::Unchanged, "a swap that wants nothing written says {unchanged:?}");
    Ok(())
}

pub(super) async fn swaps_on_an_existing_key_are_exact<K: Kv, A: Ambient>(
    kv: &K,
    ambient: &A,
) -> Result<(), String> {
    let key = &fresh_key(ambient, "exact");
    // Each writer adds its letter once, so a lost update is missing at the end.
    let add = |letter: u8| {
        retry(ambient, move || async move {
            let outcome = kv
                .swap(key, &mut |current| {
                    let mut text = current.unwrap_or_default().to_vec();
                    if text.contains(&letter) {
                        return None;
                    }
                    text.push(letter);
                    Some(text)
                })
                .await?;
            match outcome {
                Swap::Conflict => Err(Unavailable { what: "store", detail: "conflict".into() }),
                Swap::Written | Swap::Unchanged => Ok(()),
            }
        })
    };
    add(b'.').await?;
    for outcome in join_all((b'a'..=b'p').map(add)).await {
        outcome?;
    }
    let mut text = retry(ambient, || kv.get(key)).await?.unwrap_or_default();
    text.sort_unstable();
    check!(text == b".abcdefghijklmnop", "parallel swaps left {:?}", String::from_utf8_lossy(&text));
    Ok(())
}

pub(super) async fn counters_count<K: Kv, A: Ambient>(kv: &K, ambient: &A) -> Result<(), String> {
    // A lost answer makes the count unknown, so the whole check is repeated with a new key.
    let outcomes = retry(ambient, || async {
        let key = &fresh_key(ambient, "counter");
        let zero = kv.increment(key, 0).await?;
        let sums = join_all((0..8).map(|_| kv.increment(key, 1))).await;
        let mut sums = sums.into_iter().collect::<Result<Vec<_>, _>>()?;
        sums.sort_unstable();
        let back = kv.increment(key, -3).await?;
        Ok::<_, Unavailable>((zero, sums, back))
    })
    .await?;
    check!(outcomes == (0, (1..=8).collect(), 5), "counting gave {outcomes:?}");
    Ok(())
}
