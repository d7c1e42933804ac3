//! `framelift plugin push|list|rm`: an author's plugins in the service.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use framelift_contract::plugin::{DeletedPluginResponse, PluginList, PluginResponse, PluginState};
use serde_json::{Value, json};

use crate::interrupts;
use crate::outcome::{Done, Failed, printable};
use crate::remote::video::path_segment;
use crate::service::{Call, Service, ServiceArgs};

/// The interval of polls for the result of a check.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// The component
    file: PathBuf,
    /// Call it NAME [default: the file's name without its ending]
    #[arg(long)]
    name: Option<String>,
    /// Wait until the service has checked it
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// The plugin's name
    name: String,
}

pub(super) fn push(args: &PushArgs) -> Result<Done, Failed> {
    let component = std::fs::read(&args.file).with_context(|| args.file.display().to_string())?;
    let stem = || args.file.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    let name = args.name.clone().unwrap_or_else(stem);
    let path = format!("/plugins/{}", path_segment(&name)?);
    let service = Service::open(&args.service)?;
    let put = Call::put(path.as_str()).bytes("application/wasm", &component);
    let mut plugin: PluginResponse = service.send(&put)?.json()?;
    interrupts::set_hint("the service goes on; `framelift plugin list` shows how the check ends");
    while args.wait && plugin.state == PluginState::Checking {
        std::thread::sleep(POLL_INTERVAL);
        plugin = service.send(&Call::get(path.as_str()))?.json()?;
    }
    if let Some(reason) = &plugin.reason {
        return Err(Failed::Other(anyhow::anyhow!("the plugin {name} was rejected: {}", printable(reason))));
    }
    let text = format!("{name} version {} is {}", plugin.version, state(plugin.state));
    Ok(Done { text, json: json_of(&plugin)?, warnings: Vec::new() })
}

pub(super) fn list(args: &ListArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let list: PluginList = service.send(&Call::get("/plugins"))?.json()?;
    let line = |plugin: &PluginResponse| {
        let origin = if plugin.built_in { "comes with the service" } else { state(plugin.state) };
        let reason = plugin.reason.as_deref().map(|reason| format!(": {}", printable(reason)));
        format!("{:<24} {:>4}  {origin}{}", plugin.name, plugin.version, reason.unwrap_or_default())
    };
    let text = list.items.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Done { text, json: json_of(&list)?, warnings: Vec::new() })
}

pub(super) fn rm(args: &RmArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let path = format!("/plugins/{}", path_segment(&args.name)?);
    let deleted: DeletedPluginResponse = service.send(&Call::delete(path))?.json()?;
    let kept = deleted.in_use.iter().map(|used| {
        format!("version {} stays until its unfinished videos have ended: {}", used.version, used.videos)
    });
    let text =
        [format!("{} is deleted", deleted.name)].into_iter().chain(kept).collect::<Vec<_>>().join("\n");
    Ok(Done { text, json: json!(deleted), warnings: Vec::new() })
}

const fn state(state: PluginState) -> &'static str {
    match state {
        PluginState::Checking => "being checked",
        PluginState::Ready => "ready",
        PluginState::Rejected => "rejected",
    }
}

fn json_of(answer: &impl serde::Serialize) -> Result<Value, Failed> {
    Ok(serde_json::to_value(answer).context("cannot serialize the answer")?)
}
