//! `wasi:keyvalue` draft 2: store, atomics and batch. Its functions are synchronous, so the whole
//! instance waits for each, as it does under Spin.

use wasmtime::component::Resource;

use super::{CasHandle, OpenStore, Swap};
use crate::bindings::wasi::keyvalue::atomics::{self, CasError};
use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Error, KeyResponse};
use crate::guest::View;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Spin's error for an instance that has used up its swaps.
fn too_many_swaps() -> Error {
    Error::Other("too many compare_and_swaps opened".to_owned())
}

impl View<'_> {
    fn bucket(&self, bucket: &Resource<OpenStore>) -> wasmtime::Result<OpenStore> {
        Ok(self.table.get(bucket)?.clone())
    }
}

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<OpenStore>> {
        let Some(store) = self.grants.open_store(&identifier) else { return Ok(Err(Error::AccessDenied)) };
        Ok(self.add_store(store)?.ok_or_else(|| Error::Other("store table full".to_owned())))
    }
}

impl store::HostBucket for View<'_> {
    async fn get(&mut self, bucket: Resource<OpenStore>, key: String) -> Answer<Option<Vec<u8>>> {
        let store = self.bucket(&bucket)?;
        Ok(store.run(move |db, label| db.get(label, &key)).await.map_err(Error::Other))
    }

    async fn set(&mut self, bucket: Resource<OpenStore>, key: String, value: Vec<u8>) -> Answer<()> {
        let store = self.bucket(&bucket)?;
        let result = store.run(move |db, label| db.set(label, &key, &value)).await;
        Ok(result.map_err(Error::Other))
    }

    async fn delete(&mut self, bucket: Resource<OpenStore>, key: String) -> Answer<()> {
        let store = self.bucket(&bucket)?;
        Ok(store.run(move |db, label| db.delete(label, &key)).await.map_err(Error::Other))
    }

    async fn exists(&mut self, bucket: Resource<OpenStore>, key: String) -> Answer<bool> {
        let store = self.bucket(&bucket)?;
        Ok(store.run(move |db, label| db.exists(label, &key)).await.map_err(Error::Other))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<OpenStore>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        if cursor.is_some() {
            // All keys come in one page, so no cursor was ever given out.
            return Ok(Err(Error::Other("list-keys: unknown cursor".to_owned())));
        }
        let store = self.bucket(&bucket)?;
        let keys = store.run(|db, label| db.keys(label)).await;
        let response = keys.map(|keys| KeyResponse { keys, cursor: None });
        Ok(response.map_err(Error::Other))
    }

    async fn drop(&mut self, bucket: Resource<OpenStore>) -> wasmtime::Result<()> {
        Ok(self.drop_store(bucket)?)
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, bucket: Resource<OpenStore>, key: String, delta: i64) -> Answer<i64> {
        let store = self.bucket(&bucket)?;
        let sum = store.run(move |db, label| db.increment(label, &key, delta)).await;
        Ok(sum.map_err(Error::Other))
    }

    async fn swap(
        &mut self,
        cas: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        // A handle is good for one swap.
        let CasHandle { store, key, read } = self.use_swap(cas)?;
        let wanted = key.clone();
        let outcome = store
            .run(move |db, label| {
                let swap = db.swap(label, &wanted, read.version, &value)?;
                Ok((swap, db.snapshot(label, &wanted)?))
            })
            .await;
        Ok(match outcome {
            Ok((Swap::Written, _)) => Ok(()),
            Ok((Swap::Conflict, read)) => {
                let fresh = self.add_swap(CasHandle { store, key, read })?;
                Err(fresh.map_or_else(|| CasError::StoreError(too_many_swaps()), CasError::CasFailed))
            }
            Err(error) => Err(CasError::StoreError(Error::Other(error))),
        })
    }
}

impl atomics::HostCas for View<'_> {
    async fn new(&mut self, bucket: Resource<OpenStore>, key: String) -> Answer<Resource<CasHandle>> {
        let store = self.bucket(&bucket)?;
        let wanted = key.clone();
        match store.run(move |db, label| db.snapshot(label, &wanted)).await {
            Ok(read) => {
                let cas = self.add_swap(CasHandle { store, key, read })?;
                Ok(cas.ok_or_else(too_many_swaps))
            }
            Err(error) => Ok(Err(Error::Other(error))),
        }
    }

    async fn current(&mut self, cas: Resource<CasHandle>) -> Answer<Option<Vec<u8>>> {
        let CasHandle { store, key, .. } = self.table.get(&cas)?.clone();
        match store.run(move |db, label| db.snapshot(label, &key)).await {
            Ok(read) => {
                let value = read.value.clone();
                self.table.get_mut(&cas)?.read = read;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(Error::Other(error))),
        }
    }

    async fn drop(&mut self, cas: Resource<CasHandle>) -> wasmtime::Result<()> {
        Ok(self.drop_swap(cas)?)
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let store = self.bucket(&bucket)?;
        Ok(store.run(move |db, label| db.get_many(label, keys)).await.map_err(Error::Other))
    }

    async fn set_many(&mut self, bucket: Resource<OpenStore>, entries: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let store = self.bucket(&bucket)?;
        let result = store.run(move |db, label| db.set_many(label, &entries)).await;
        Ok(result.map_err(Error::Other))
    }

    async fn delete_many(&mut self, bucket: Resource<OpenStore>, keys: Vec<String>) -> Answer<()> {
        let store = self.bucket(&bucket)?;
        let result = store.run(move |db, label| db.delete_many(label, &keys)).await;
        Ok(result.map_err(Error::Other))
    }
}
