//! The host's data of one instance, and the resources that its component may use.

mod output;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

pub use self::output::GUEST_LOG;
use self::output::Output;
use crate::bindings::spin::variables::variables;
use crate::kv::{Handles, OpenStore, Stores};
use crate::outbound::Outbound;
use crate::template::check_name;

/// The resources that the manifest grants a component.
pub(crate) struct Grants {
    /// Its id.
    pub(crate) component: String,
    /// The labels of its stores.
    pub(crate) labels: BTreeSet<String>,
    /// Every store.
    pub(crate) stores: Stores,
    /// Its variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// Its environment.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Grants {
    /// A store, if the component may open it.
    pub(crate) fn open_store(&self, label: &str) -> Option<OpenStore> {
        let granted = self.labels.contains(label);
        granted.then(|| OpenStore::new(self.stores.clone(), label.to_owned()))
    }
}

/// The data of an instance's wasmtime store.
pub(crate) struct Guest {
    grants: Arc<Grants>,
    table: ResourceTable,
    handles: Handles,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl Guest {
    /// The data of a new instance: no files, no sockets, its own environment, and output that
    /// goes to the log.
    pub(crate) fn new(grants: Arc<Grants>, outbound: Outbound) -> Self {
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_tcp(false).allow_udp(false);
        for (name, value) in &grants.environment {
            wasi.env(name, value);
        }
        wasi.stdout(Output::new(&grants.component, "stdout"));
        wasi.stderr(Output::new(&grants.component, "stderr"));
        Self {
            grants,
            table: ResourceTable::new(),
            handles: Handles::default(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound,
        }
    }

    /// The view of it for Spin's interfaces.
    pub(crate) fn view(&mut self) -> View<'_> {
        View { table: &mut self.table, handles: &mut self.handles, grants: &self.grants }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

/// Identifies [`View`] where wasmtime needs a type.
pub(crate) struct Granted;

impl HasData for Granted {
    type Data<'a> = View<'a>;
}

/// A guest's data for the key-value and variables interfaces.
pub(crate) struct View<'a> {
    /// Its handles.
    pub(crate) table: &'a mut ResourceTable,
    /// Its counts of key-value handles.
    pub(crate) handles: &'a mut Handles,
    /// The resources that it may use.
    pub(crate) grants: &'a Grants,
}

impl variables::Host for View<'_> {}

impl<T: Send + 'static> variables::HostWithStore<T> for Granted {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        if let Err(reason) = check_name(&name) {
            let error = variables::Error::InvalidName(format!("`{name}` {reason}"));
            return Ok(Err(error));
        }
        let value = accessor.with(|mut access| access.get().grants.variables.get(&name).cloned());
        Ok(value.ok_or_else(|| variables::Error::Undefined(format!("no variable `{name}`"))))
    }
}
