//! `spin:key-value`: the async store. The instance goes on with other requests while one waits.

use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};

use super::{Database, DatabaseError, OpenStore};
use crate::bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};
use crate::guest::{Granted, View};

impl Host for View<'_> {}

impl HostStore for View<'_> {}

async fn run<T: 'static, R: Send + 'static>(
    accessor: &Accessor<T, Granted>,
    store: &Resource<OpenStore>,
    operation: impl FnOnce(&mut Database, &str) -> Result<R, DatabaseError> + Send + 'static,
) -> wasmtime::Result<Result<R, Error>> {
    let store = accessor.with(|mut access| access.get().table.get(store).cloned())?;
    Ok(store.run(operation).await.map_err(Error::Other))
}

impl<T: Send + 'static> HostStoreWithStore<T> for Granted {
    fn drop(mut accessor: Access<T, Self>, store: Resource<OpenStore>) -> wasmtime::Result<()> {
        Ok(accessor.get().drop_store(store)?)
    }

    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, Error>> {
        accessor.with(|mut access| {
            let mut view = access.get();
            let Some(store) = view.grants.open_store(&label) else { return Ok(Err(Error::AccessDenied)) };
            Ok(view.add_store(store)?.ok_or(Error::StoreTableFull))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        run(accessor, &store, move |db, label| db.get(label, &key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        run(accessor, &store, move |db, label| db.set(label, &key, &value)).await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        run(accessor, &store, move |db, label| db.delete(label, &key)).await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        run(accessor, &store, move |db, label| db.exists(label, &key)).await
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<OpenStore>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        // The keys are read at once, so that no lock is held while the guest takes its time.
        let (keys, end) = match run(accessor, &store, |db, label| db.keys(label)).await? {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async move { wasmtime::error::Ok(end) })?;
            Ok((stream, end))
        })
    }
}
