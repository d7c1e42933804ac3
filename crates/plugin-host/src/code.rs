//! Components: compiled once, linked once in each process, and started for each video.

use std::sync::{Arc, Weak};
use std::time::Duration;

use framelift_domain::Checksum;
use framelift_media::filter::FilterError;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::{FramePlugin, FramePluginPre};
use crate::limits::{Metering, PluginLimits};
use crate::plugin::{Plugin, State, shortened};

/// How often the processor time of running calls is checked.
const TICK: Duration = Duration::from_millis(5);
/// The first bytes of a component in binary form: magic number, version and layer.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The same of a core module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// The prefix of all interfaces that a plugin may import.
const PACKAGE: &str = "framelift:plugin/";
/// Bytes of stack.
const STACK: usize = 512 << 10;
/// The most characters of a reason, and the most imports that one names, with how much of each name.
const MAX_REASON_CHARS: usize = 1000;
const MAX_NAMED_IMPORTS: usize = 3;
const MAX_IMPORT_CHARS: usize = 100;

/// Compiles and loads plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    linker: Arc<Linker<State>>,
    limits: Arc<PluginLimits>,
    metering: Metering,
    ticker: Arc<EpochTicker>,
}

/// A component that may be run.
#[derive(Clone)]
pub struct Code {
    pub(crate) pre: Arc<FramePluginPre<State>>,
    pub(crate) limits: Arc<PluginLimits>,
    pub(crate) sha256: Checksum,
    pub(crate) ticker: Arc<EpochTicker>,
}

/// Why a component is not accepted, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub String);

impl Rejected {
    /// A reason of bounded length: it may name what a hostile component has chosen.
    pub fn new(words: impl AsRef<str>) -> Self {
        Self(shortened(words.as_ref(), MAX_REASON_CHARS))
    }
}

/// Keeps the thread that counts time running.
#[derive(Debug)]
pub(crate) struct EpochTicker;

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// The settings determine the compiled code, so they must be the same wherever it is compiled and run.
///
/// Memories are reserved for as much as a plugin may have, not for 4 GiB with a guard behind them: the
/// process that runs plugins has little address space. Nothing maps files, because that is forbidden there,
/// too.
pub(crate) fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        // Whichever features other crates of a program turn on, a plugin has no asynchronous functions.
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::TimeAndFuel)
        .max_wasm_stack(STACK)
        .memory_reservation(64 << 20)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10)
        .guard_before_linear_memory(false)
        .memory_init_cow(false)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    config
}

impl Host {
    /// Returns a host whose plugins have these limits.
    ///
    /// # Errors
    /// Where WebAssembly cannot be run on this machine.
    pub fn new(limits: PluginLimits, metering: Metering) -> Result<Self, Rejected> {
        let failed = |error: wasmtime::Error| Rejected::new(format!("plugins cannot be run here: {error:#}"));
        let engine = Engine::new(&config(metering)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        FramePlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).map_err(failed)?;
        let ticker = Arc::new(EpochTicker);
        tick(engine.clone(), Arc::downgrade(&ticker));
        Ok(Self { engine, linker: Arc::new(linker), limits: Arc::new(limits), metering, ticker })
    }

    /// Whether its plugins' instructions are counted.
    pub fn metering(&self) -> Metering {
        self.metering
    }

    /// Compiles a component. The result can be [loaded](Self::load) by this version of this program on
    /// this kind of processor, and must come from nowhere else.
    ///
    /// It costs time and memory without bounds: call it where both are limited.
    ///
    /// # Errors
    /// What is wrong with the component.
    pub fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejected> {
        let most = self.limits.component_bytes;
        if bytes.len() > most {
            return Err(Rejected::new(format!("has {} bytes, more than {most}", bytes.len())));
        }
        if Engine::detect_precompiled(bytes).is_some() {
            return Err(Rejected::new("is compiled already: only WebAssembly is accepted"));
        }
        if bytes.starts_with(MODULE) {
            let world = "framelift:plugin/frame-plugin";
            return Err(Rejected::new(format!(
                "is a core module, not a component: build it for the world {world}"
            )));
        }
        if !bytes.starts_with(COMPONENT) {
            return Err(Rejected::new("is not a WebAssembly component in binary form"));
        }
        let compiled = self.engine.precompile_component(bytes);
        compiled.map_err(|error| Rejected::new(format!("does not compile: {error:#}")))
    }

    /// Loads what [`compile`](Self::compile) has made of the component with this SHA-256, and checks what
    /// the component imports and exports. It maps the code into memory, where it may be run.
    ///
    /// # Errors
    /// What is wrong with the component.
    pub fn load(&self, compiled: &[u8], sha256: Checksum) -> Result<Code, Rejected> {
        // SAFETY: the bytes come from `compile`. Should the compiler have been brought to make something else
        // of a hostile component, then it is this process that runs it: the sandbox's child, which may do
        // nothing but decode.
        #[expect(unsafe_code, reason = "the caller promises where the bytes come from")]
        let component = unsafe { Component::deserialize(&self.engine, compiled) };
        let component = component.map_err(|error| Rejected::new(format!("cannot be loaded: {error:#}")))?;
        let kind = component.component_type();
        let others: Vec<_> = kind
            .imports(&self.engine)
            .map(|(name, _)| name.to_owned())
            // Names without a package are types, or functions that no host has.
            .filter(|name| name.contains(':') && !name.starts_with(PACKAGE))
            .collect();
        if !others.is_empty() {
            let named = others.iter().take(MAX_NAMED_IMPORTS).map(|name| shortened(name, MAX_IMPORT_CHARS));
            let named = named.collect::<Vec<_>>().join(", ");
            let more = match others.len().saturating_sub(MAX_NAMED_IMPORTS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Err(Rejected::new(format!(
                "imports {named}{more}, and may import only the interfaces of {PACKAGE}"
            )));
        }
        let wrong = |error: wasmtime::Error| {
            Rejected::new(format!("does not fit the world framelift:plugin/frame-plugin@1.0.0: {error:#}"))
        };
        let pre = self.linker.instantiate_pre(&component).and_then(FramePluginPre::new).map_err(wrong)?;
        Ok(Code {
            pre: Arc::new(pre),
            limits: Arc::clone(&self.limits),
            sha256,
            ticker: Arc::clone(&self.ticker),
        })
    }
}

impl Code {
    /// The component's SHA-256.
    pub fn sha256(&self) -> Checksum {
        self.sha256
    }

    /// Starts it for one video, with a configuration in JSON.
    ///
    /// # Errors
    /// What the plugin says against the configuration, or how it failed.
    pub fn start(&self, name: &str, version: &str, configuration: &str) -> Result<Plugin, FilterError> {
        let mut plugin = Plugin::new(self, name, version)?;
        plugin.configure(configuration)?.map_err(FilterError)?;
        Ok(plugin)
    }
}

/// The processor time of this thread: a busy machine does not shorten a plugin's time.
pub(crate) fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is there to be written to. The call cannot fail for this clock.
    #[expect(unsafe_code, reason = "a plain call of the C library")]
    unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
    }
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}

/// Advances the engine's epoch until the ticker is dropped.
fn tick(engine: Engine, ticker: Weak<EpochTicker>) {
    std::thread::spawn(move || {
        while ticker.strong_count() > 0 {
            std::thread::sleep(TICK);
            engine.increment_epoch();
        }
    });
}
