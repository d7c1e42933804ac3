//! Plugins on the command line: read, compiled once, and cached for the user.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use framelift_domain::Checksum;
use framelift_plugin_host::{Compiled, Metering, PluginRun, Registry, built_in};
use framelift_sandbox::{CompileLimits, Engine};

use crate::outcome::{Failed, not_compiled};

/// Maximum of bytes of the cache.
const MAX_CACHE_BYTES: u64 = 1 << 30;
/// The version in the manifest of a plugin from a file.
const VERSION: &str = "local";

/// A plugin and its configuration, from an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// A file, or the name of a plugin that comes with the product.
    pub(crate) path: PathBuf,
    /// A JSON object.
    pub(crate) config: String,
}

impl Spec {
    /// The plugin's name: the file's name without its extension.
    pub(crate) fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Parses arguments, and reads the files of configurations.
pub(crate) fn parse(specs: &[String]) -> Result<Vec<Spec>, Vec<String>> {
    let (mut parsed, mut wrong) = (Vec::new(), Vec::new());
    for spec in specs {
        match parse_one(spec) {
            Ok(spec) => parsed.push(spec),
            Err(message) => wrong.push(format!("--plugin: {message}")),
        }
    }
    if wrong.is_empty() { Ok(parsed) } else { Err(wrong) }
}

pub(crate) fn parse_one(spec: &str) -> Result<Spec, String> {
    let (path, config) = match spec.split_once(".wasm:") {
        Some((path, config)) => (format!("{path}.wasm"), config),
        None => match spec.split_once(':') {
            Some((name, config)) if built_in(name).is_some() => (name.to_owned(), config),
            _ => (spec.to_owned(), "{}"),
        },
    };
    let text = if config.trim_start().starts_with('{') {
        config.to_owned()
    } else {
        std::fs::read_to_string(config).map_err(|error| format!("{config}: {error}"))?
    };
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::Object(object)) => {
            Ok(Spec { path: path.into(), config: serde_json::Value::Object(object).to_string() })
        }
        Ok(_) => Err(format!("{config}: is not a JSON object")),
        Err(error) => Err(format!("{config}: {error}")),
    }
}

/// Compiles plugins, or takes them from the cache.
pub(crate) fn prepare(
    engine: &Engine,
    specs: Vec<Spec>,
    metering: Metering,
) -> Result<Vec<PluginRun>, Failed> {
    let registry = if specs.is_empty() { None } else { registry() };
    let prepare = |spec: Spec| {
        let compiled = compiled(engine, &spec, metering, registry.as_ref())?;
        let (name, version) = (spec.name(), VERSION.to_owned());
        Ok(PluginRun { name, version, config: spec.config, compiled: Arc::new(compiled) })
    };
    specs.into_iter().map(prepare).collect()
}

/// Takes one plugin from the cache, or compiles it.
fn compiled(
    engine: &Engine,
    spec: &Spec,
    metering: Metering,
    registry: Option<&Registry>,
) -> Result<Compiled, Failed> {
    let component = component(spec)?;
    match registry.and_then(|registry| registry.get(Checksum::of(&component), metering)) {
        Some(known) => Ok(known),
        None => compile(engine, &spec.name(), &component, metering, registry),
    }
}

/// Compiles and checks one plugin without the cache.
pub(crate) fn compiled_anew(engine: &Engine, spec: &Spec) -> Result<Compiled, Failed> {
    compile(engine, &spec.name(), &component(spec)?, Metering::Time, registry().as_ref())
}

fn component(spec: &Spec) -> anyhow::Result<Vec<u8>> {
    match spec.path.to_str().and_then(built_in) {
        Some(component) => Ok(component.to_vec()),
        None => std::fs::read(&spec.path).with_context(|| spec.path.display().to_string()),
    }
}

fn compile(
    engine: &Engine,
    name: &str,
    component: &[u8],
    metering: Metering,
    registry: Option<&Registry>,
) -> Result<Compiled, Failed> {
    let compiled = engine.compile(name, component, &CompileLimits::default(), metering, &());
    let compiled = compiled.map_err(|error| not_compiled(name, error))?;
    // If it cannot be cached, the plugin is compiled again next time.
    let kept = registry.map(|registry| registry.put(&compiled));
    if let Some(Err(error)) = kept {
        tracing::debug!(%error, "the compiled plugin was not kept");
    }
    Ok(compiled)
}

/// The user's cache; none without a home folder.
pub(crate) fn registry() -> Option<Registry> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    Registry::open(cache.join("framelift/plugins"), MAX_CACHE_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_typed_or_read() {
        let spec = |path: &str, config: &str| Ok(Spec { path: path.into(), config: config.to_owned() });
        assert_eq!(parse_one("a/b.wasm"), spec("a/b.wasm", "{}"));
        assert_eq!(parse_one("b.wasm:{\"x\": [1, 2]}"), spec("b.wasm", "{\"x\":[1,2]}"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, "\n{\"x\": 1}\n").unwrap();
        assert_eq!(parse_one(&format!("b.wasm:{}", file.display())), spec("b.wasm", "{\"x\":1}"));
        assert!(parse_one("b.wasm:none.json").unwrap_err().starts_with("none.json: "));
        std::fs::write(&file, "[]").unwrap();
        assert!(
            parse_one(&format!("b.wasm:{}", file.display())).unwrap_err().ends_with("is not a JSON object")
        );
        assert_eq!(parse(&["b.wasm:{".to_owned(), "c.wasm:{1".to_owned()]).unwrap_err().len(), 2);
        assert_eq!(parse_one("a/b.wasm").unwrap().name(), "b");
        assert_eq!(parse_one("dedupe:{\"distance\": 2}"), spec("dedupe", "{\"distance\":2}"));
    }
}
