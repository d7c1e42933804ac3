//! `framelift plugin new|check|run|bench|push|list|rm`: the commands for authors of plugins.

mod bench;
mod new;
mod still;
mod try_out;
mod uploaded;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use framelift_media::{EngineLimits, FileSource, HardwareUse, MemorySource, Output, Request, Source};
use framelift_plugin_host::{Metering, PluginRun};
use framelift_sandbox::{Engine, Extracted, RunError};
use serde_json::json;

use crate::args::{EngineArgs, ImageArgs, SelectArgs};
use crate::outcome::{Done, Failed, printable};
use crate::{options, plugins};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a new plugin's source code into a folder
    New(new::NewArgs),
    /// Compile a plugin and try it on a test frame, as the service does when it is uploaded
    Check(CheckArgs),
    /// Run a plugin on videos and images, and write the frames before and after it
    Run(RunArgs),
    /// Measure a plugin's time, instructions and memory on a video
    Bench(BenchArgs),
    /// Upload a plugin to the service, or a new version of it
    Push(uploaded::PushArgs),
    /// List the plugins that the service knows of you, and those that come with it
    List(uploaded::ListArgs),
    /// Delete a plugin from the service
    Rm(uploaded::RmArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The component, or PLUGIN.wasm:CONFIG
    plugin: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    work: WorkArgs,
    /// Videos, and images in JPEG or PNG
    #[arg(value_name = "VIDEO|IMAGE", required = true)]
    inputs: Vec<PathBuf>,
    /// Write to DIR/before and DIR/after, which must not exist; where there are several videos or images, to folders of
    /// their names in DIR
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    work: WorkArgs,
    /// The video, or an image in JPEG or PNG
    #[arg(value_name = "VIDEO")]
    input: PathBuf,
}

/// A plugin, and the frames that it processes.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// The component, or PLUGIN.wasm:CONFIG
    plugin: String,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    images: ImageArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

impl PluginCommand {
    /// Whether the result is printed as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::New(_) => false,
            Self::Check(args) => args.json,
            Self::Run(args) => args.work.json,
            Self::Bench(args) => args.work.json,
            Self::Push(args) => args.service.json,
            Self::List(args) => args.service.json,
            Self::Rm(args) => args.service.json,
        }
    }
}

pub(crate) fn run(command: &PluginCommand) -> Result<Done, Failed> {
    match command {
        PluginCommand::New(args) => new::run(args),
        PluginCommand::Check(args) => check(args),
        PluginCommand::Run(args) => try_out::run(args),
        PluginCommand::Bench(args) => bench::run(args),
        PluginCommand::Push(args) => uploaded::push(args),
        PluginCommand::List(args) => uploaded::list(args),
        PluginCommand::Rm(args) => uploaded::rm(args),
    }
}

fn check(args: &CheckArgs) -> Result<Done, Failed> {
    let spec = plugins::parse_one(&args.plugin).map_err(|message| Failed::Values(vec![message]))?;
    let engine = args.engine.start(HardwareUse::Never)?;
    // The cache may have the result of another version's check.
    let compiled = plugins::compiled_anew(&engine, &spec)?;
    let (checked, code_bytes) = (&compiled.checked, compiled.code.len());
    let schema = match &checked.config_schema {
        Some(_) => "describes its configuration",
        None => "does not describe its configuration",
    };
    let tried = match &checked.refuses_empty {
        None => "it has processed a test frame".to_owned(),
        Some(words) => {
            format!("it refuses an empty configuration ({}), so no frame was tried", printable(words))
        }
    };
    let text = format!("{} is a frame plugin and {schema}; {tried}", spec.path.display());
    let json = json!({
        "name": spec.name(),
        "sha256": compiled.sha256,
        "code_bytes": code_bytes,
        "config_schema": checked.config_schema,
        "refuses_empty_config": checked.refuses_empty,
    });
    Ok(Done { text, json, warnings: Vec::new() })
}

impl WorkArgs {
    /// Starts the engine and compiles the plugin.
    fn prepare(&self, metering: Metering) -> Result<(Engine, Vec<PluginRun>), Failed> {
        let spec = plugins::parse_one(&self.plugin).map_err(|message| Failed::Values(vec![message]))?;
        let engine = self.engine.start(HardwareUse::Never)?;
        let plugins = plugins::prepare(&engine, vec![spec], metering)?;
        Ok((engine, plugins))
    }

    /// Extracts the frames of a video, or the one of an image.
    fn extract(
        &self,
        input: &Path,
        engine: &Engine,
        plugins: &[PluginRun],
        archive: Box<dyn framelift_media::Archive + '_>,
    ) -> Result<Extracted, Failed> {
        let options = &options::options(&self.select, &self.images, None).map_err(Failed::Values)?;
        let source = open(input).with_context(|| input.display().to_string())?;
        let file_name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let limits = &EngineLimits { hardware: HardwareUse::Never, ..EngineLimits::default() };
        let request = Request {
            source,
            file_name,
            options,
            limits,
            output: Output { archive, names: None },
            control: &(),
        };
        let extracted = engine.extract(request, plugins);
        extracted.map_err(|error: RunError| error.into())
    }
}

/// The most bytes of a file that are read to see whether it is an image.
const MAX_IMAGE_BYTES: u64 = 256 << 20;

fn open(input: &Path) -> anyhow::Result<Box<dyn Source>> {
    let source = FileSource::open(input)?;
    if source.size() <= MAX_IMAGE_BYTES
        && let Some(video) = still::video(&std::fs::read(input)?)
    {
        let video = video.map_err(anyhow::Error::msg)?;
        return Ok(Box::new(MemorySource(Arc::from(video))));
    }
    Ok(Box::new(source))
}
