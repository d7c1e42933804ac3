//! The Wasm engine: its settings, what components may import, and compiling them.

use std::path::Path;

use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
use wasmtime_wasi_http::handler::ProxyPre;

use crate::bindings::spin::key_value::key_value;
use crate::bindings::spin::variables::variables;
use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::guest::{Granted, Guest};

/// The engine and everything that a component may import.
#[derive(Clone)]
pub(crate) struct Compiler {
    engine: Engine,
    linker: Linker<Guest>,
}

impl Compiler {
    /// Sets up an engine for this many instances at the same time. With a folder, compiled components are
    /// cached in it.
    pub(crate) fn new(cache: Option<&Path>, instances: u32) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        if let Some(folder) = cache {
            let mut settings = CacheConfig::new();
            settings.with_directory(std::path::absolute(folder)?);
            config.cache(Some(Cache::new(settings)?));
        }
        // A pool makes new instances cheap but reserves much address space, which not every system allows.
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        let engine = match Engine::new(&pooled) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!("instances are not pooled: {error:#}");
                Engine::new(&config)?
            }
        };
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        key_value::add_to_linker::<_, Granted>(&mut linker, Guest::view)?;
        variables::add_to_linker::<_, Granted>(&mut linker, Guest::view)?;
        store::add_to_linker::<_, Granted>(&mut linker, Guest::view)?;
        atomics::add_to_linker::<_, Granted>(&mut linker, Guest::view)?;
        batch::add_to_linker::<_, Granted>(&mut linker, Guest::view)?;
        Ok(Self { engine, linker })
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a component and checks that it has the imports and the export of a WASI 0.3 HTTP
    /// service.
    ///
    /// # Errors
    ///
    /// Says why it cannot be served; an import that this host does not have is named.
    pub(crate) fn compile(&self, file: &Path) -> Result<ProxyPre<Guest>, String> {
        let failed = |what: &str, error: wasmtime::Error| format!("{} {what}: {error:#}", file.display());
        let component = Component::from_file(&self.engine, file)
            .map_err(|error| failed("is no component that can be run", error))?;
        let pre = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| failed("imports what this host does not have", error))?;
        wasmtime_wasi_http::p3::bindings::ServicePre::new(pre)
            .map(ProxyPre::P3)
            .map_err(|error| failed("does not export wasi:http/handler@0.3", error))
    }
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // One component holds several core modules, adapters among them, and a table or two.
    pool.total_component_instances(instances)
        .total_memories(instances)
        .total_stacks(instances.saturating_mul(4))
        .total_tables(instances.saturating_mul(4))
        .total_core_instances(instances.saturating_mul(8))
        .max_core_instances_per_component(200)
        .max_tables_per_component(64)
        .max_memories_per_component(8)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(512 << 10);
    pool
}
