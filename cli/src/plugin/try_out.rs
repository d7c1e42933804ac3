//! `framelift plugin run`: writes the frames of videos and images before and after a plugin, and prints its labels and
//! log.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use framelift_media::Files;
use framelift_plugin_host::{Metering, PluginRun};
use framelift_sandbox::Engine;
use serde_json::{Value, json};

use super::RunArgs;
use crate::outcome::{Done, Failed, frames, printable};

pub(super) fn run(args: &RunArgs) -> Result<Done, Failed> {
    let (engine, plugins) = args.work.prepare(Metering::Time)?;
    if let [input] = args.inputs.as_slice() {
        return try_out(args, input, &args.output, &engine, &plugins);
    }
    let mut all = Done { text: String::new(), json: Value::Null, warnings: Vec::new() };
    let mut reports = Vec::new();
    for input in &args.inputs {
        let folder = args.output.join(input.file_name().unwrap_or_default());
        let Done { text, json, warnings } = try_out(args, input, &folder, &engine, &plugins)?;
        all.text += if all.text.is_empty() { "" } else { "\n" };
        all.text += &text;
        reports.push(json);
        all.warnings.extend(warnings);
    }
    all.json = json!({ "inputs": reports });
    Ok(all)
}

/// Runs the plugin on one video or image.
fn try_out(
    args: &RunArgs,
    input: &Path,
    output: &Path,
    engine: &Engine,
    plugins: &[PluginRun],
) -> Result<Done, Failed> {
    let folder = |name: &str| {
        let folder = output.join(name);
        std::fs::create_dir_all(output).with_context(|| output.display().to_string())?;
        std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        Ok::<_, anyhow::Error>(folder)
    };
    let (before, after) = (folder("before")?, folder("after")?);
    let seen = args.work.extract(input, engine, &[], Box::new(Files::new(&before)))?;
    let extracted = args.work.extract(input, engine, plugins, Box::new(Files::new(&after)))?;
    let manifest = std::fs::read(after.join("manifest.json")).context("the manifest")?;
    let manifest: Value = serde_json::from_slice(&manifest).context("the manifest")?;
    let labels = labels(&manifest);
    let summary = manifest["plugins"][0]["summary"].clone();
    let log = extracted.plugins.first().map(|record| record.log.clone()).unwrap_or_default();

    let (count, kept) = (seen.outcome.frames, extracted.outcome.frames);
    let mut text = format!("{} before and {kept} after, in {}", frames(count), output.display());
    for (file, plugin_labels) in &labels {
        let _ = write!(text, "\n{file}: {}", printable(plugin_labels));
    }
    if let Some(summary) = summary.as_str() {
        let _ = write!(text, "\nsummary: {}", printable(summary));
    }
    for line in &log.lines {
        let _ = write!(text, "\nlog: {}", printable(line));
    }
    let labels: serde_json::Map<_, _> =
        labels.into_iter().map(|(file, plugin_labels)| (file, plugin_labels.into())).collect();
    let json = json!({
        "before": count, "after": kept, "output": output, "labels": labels, "summary": summary, "log": log.lines,
    });
    Ok(Done { text, json, warnings: extracted.outcome.warnings })
}

/// The plugin's labels by the image's name.
fn labels(manifest: &Value) -> Vec<(String, String)> {
    let frames = manifest["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    let labelled = frames.iter().filter_map(|frame| {
        let by_plugin = frame["labels"].as_object()?.values();
        let plugin_labels = by_plugin.filter_map(Value::as_object).flatten();
        let pairs =
            plugin_labels.map(|(name, value)| format!("{name} = {}", value.as_str().unwrap_or_default()));
        Some((frame["file"].as_str()?.to_owned(), pairs.collect::<Vec<_>>().join(", ")))
    });
    labelled.collect()
}
