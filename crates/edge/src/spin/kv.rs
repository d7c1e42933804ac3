//! The key-value port over Spin. Reads use `spin:key-value`, which does not block other requests of the instance. Swaps,
//! increments and reads of many keys use `wasi:keyvalue`, which does.

use std::collections::BTreeMap;

use spin_sdk::key_value::Store;

use self::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::ports::{Change, Kv, Swap, Unavailable};

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "wit",
        world: "atomic",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

/// The most keys that DynamoDB reads in one call.
const BATCH: usize = 100;

/// One store of the component, open for one request.
pub struct SpinKv {
    store: Store,
    bucket: store::Bucket,
}

fn unavailable(operation: &str, error: impl std::fmt::Debug) -> Unavailable {
    Unavailable { what: "store", detail: format!("{operation}: {error:?}") }
}

impl SpinKv {
    /// Opens the store of that label, which the manifest must grant.
    pub async fn open(label: &str) -> Result<Self, Unavailable> {
        let store = Store::open(label).await.map_err(|error| unavailable("open", error))?;
        let bucket = store::open(label).map_err(|error| unavailable("open", error))?;
        Ok(Self { store, bucket })
    }
}

impl Kv for SpinKv {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        self.store.get(key).await.map_err(|error| unavailable("get", error))
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        let mut unique = keys.to_vec();
        unique.sort_unstable();
        unique.dedup();
        let mut values = BTreeMap::new();
        for keys in unique.chunks(BATCH) {
            let read = batch::get_many(&self.bucket, keys).map_err(|error| unavailable("get many", error))?;
            // Some back ends leave missing keys out, and none keeps the order.
            values.extend(read.into_iter().filter_map(|(key, value)| Some((key, value?))));
        }
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Unavailable> {
        self.store.set(key, value).await.map_err(|error| unavailable("set", error))
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.store.delete(key).await.map_err(|error| unavailable("delete", error))
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> Result<Swap, Unavailable> {
        let cas = atomics::Cas::new(&self.bucket, key).map_err(|error| unavailable("compare", error))?;
        // The back ends need this read to know which version the swap compares with.
        let current = cas.current().map_err(|error| unavailable("compare", error))?;
        let Some(new) = change(current.as_deref()) else { return Ok(Swap::Unchanged) };
        match atomics::swap(cas, &new) {
            Ok(()) => Ok(Swap::Written),
            // The next round opens a new handle.
            Err(atomics::CasError::CasFailed(_)) => Ok(Swap::Conflict),
            Err(atomics::CasError::StoreError(error)) => Err(unavailable("swap", error)),
        }
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Unavailable> {
        atomics::increment(&self.bucket, key, delta).map_err(|error| unavailable("increment", error))
    }
}
