//! The extraction engine, in this process or in a child: one signature for both.

use framelift_domain::Failure;
use framelift_media::{Control, ExtractError, Request, Source, VideoInfo, extract, probe};
use framelift_plugin_host::{Compiled, Host, Metering, PluginLimits, PluginRun, Running, failure};

use crate::messages::Extracted;
use crate::plugins::{CompileError, CompileLimits};
use crate::{RunError, Sandbox};

/// Where videos are decoded.
#[derive(Debug)]
pub enum Engine {
    /// In this process, without restrictions.
    InProcess,
    /// Each video in a sandboxed child.
    Sandboxed(Box<Sandbox>),
}

impl Engine {
    /// Runs [`framelift_media::extract`]; pictures pass through plugins in order.
    pub fn extract(&self, request: Request<'_>, plugins: &[PluginRun]) -> Result<Extracted, RunError> {
        match self {
            Self::InProcess => {
                let mut running = start(plugins).map_err(ExtractError::Failed)?;
                let filters = std::mem::take(&mut running.filters);
                let outcome = extract(request, filters)?;
                Ok(Extracted { outcome, plugins: running.records() })
            }
            Self::Sandboxed(sandbox) => sandbox.extract(request, plugins),
        }
    }

    /// Compiles and checks a plugin. `control` can stop a child.
    pub fn compile(
        &self,
        name: &str,
        component: &[u8],
        limits: &CompileLimits,
        metering: Metering,
        control: &dyn Control,
    ) -> Result<Compiled, CompileError> {
        match self {
            Self::InProcess => Ok(Host::new(PluginLimits::default(), metering)?.accept(name, component)?),
            Self::Sandboxed(sandbox) => sandbox.compile(name, component, limits, metering, control),
        }
    }

    /// Runs [`framelift_media::probe`].
    pub fn probe(&self, source: Box<dyn Source>) -> Result<VideoInfo, RunError> {
        match self {
            Self::InProcess => Ok(probe(source)?),
            Self::Sandboxed(sandbox) => sandbox.probe(source),
        }
    }
}

fn start(plugins: &[PluginRun]) -> Result<Running, Failure> {
    let Some(first) = plugins.first() else { return Ok(Running::default()) };
    let refused = |error| failure(&first.name, error);
    let host = Host::new(PluginLimits::default(), first.compiled.metering).map_err(refused)?;
    let load = |plugin: &PluginRun| {
        let Compiled { sha256, code, .. } = &*plugin.compiled;
        host.load(code, *sha256).map_err(|error| failure(&plugin.name, error))
    };
    let codes = plugins.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let named = |(code, plugin)| {
        let PluginRun { name, version, config, .. }: &PluginRun = plugin;
        (code, name.as_str(), version.as_str(), config.as_str())
    };
    Running::start(codes.iter().zip(plugins).map(named))
}
