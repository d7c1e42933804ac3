//! `framelift extract`.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use anyhow::Context as _;
use framelift_domain::Options;
use framelift_media::{Archive, EngineLimits, FileSource, Files, Names, Outcome, Request, Tar, Zip};
use framelift_plugin_host::{Metering, PluginRun};
use framelift_sandbox::{Engine, RunError};
use serde_json::json;

use crate::args::ExtractArgs;
use crate::options::options;
use crate::outcome::{Done, Failed, Printer, Summary, frames};
use crate::output::{Destination, Kind, Output};
use crate::plugins;
use crate::progress::Terminal;
use crate::staging;
use crate::videos::{self, Video};

/// The settings that are the same for every video.
struct Job<'a> {
    args: &'a ExtractArgs,
    options: Options,
    terminal: Terminal,
    engine: Engine,
    plugins: Vec<PluginRun>,
}

pub(crate) fn run(args: &ExtractArgs) -> ExitCode {
    let printer = Printer { json: args.json, quiet: args.quiet, stdout_taken: false };
    match prepare(args) {
        Ok((printer, job, work)) => job.run(printer, &work),
        Err(failed) => printer.report(Err(failed)),
    }
}

type Work = Vec<(Video, Destination)>;

/// Checks everything that can be refused before a video is opened.
fn prepare(args: &ExtractArgs) -> Result<(Printer, Job<'_>, Work), Failed> {
    let value = |message: String| Failed::Values(vec![message]);
    let output = Output::parse(args.output.as_deref(), args.archive).map_err(value)?;
    let stdout_taken = matches!(output, Output::Stdout(_));
    if args.json && stdout_taken {
        return Err(value("--json: the standard output is taken by the archive (--output -)".to_owned()));
    }
    let format = output.format().map_err(value)?;
    let options = options(&args.select, &args.images, format).map_err(Failed::Values)?;
    let videos = videos::find(&args.videos, &args.list, args.recursive)?;
    let destinations = output.plan(&videos, args.force)?;
    let printer = Printer { json: args.json, quiet: args.quiet, stdout_taken };
    let terminal = Terminal::new(printer).context("signals cannot be handled")?;
    let specs = plugins::parse(&args.plugin).map_err(Failed::Values)?;
    let engine = args.engine.start(args.hardware)?;
    let plugins = plugins::prepare(&engine, specs, Metering::Time)?;
    let work = videos.into_iter().zip(destinations).collect();
    Ok((printer, Job { args, options, terminal, engine, plugins }, work))
}

impl Job<'_> {
    fn run(mut self, printer: Printer, work: &[(Video, Destination)]) -> ExitCode {
        if let [(video, destination)] = work {
            self.terminal.begin(video.file_name());
            return printer.report(self.one(video, destination));
        }
        let mut summary = Summary::default();
        for (index, (video, destination)) in work.iter().enumerate() {
            if self.terminal.signal().is_some() {
                break;
            }
            self.terminal.begin(format!("{}/{} {}", index + 1, work.len(), video.file_name()));
            printer.one_of_several(&video.shown(), self.one(video, destination), &mut summary);
        }
        printer.all(summary, work.len(), self.terminal.signal())
    }

    fn one(&self, video: &Video, destination: &Destination) -> Result<Done, Failed> {
        let result = self.write(video, destination);
        // Also if it returned before it began.
        self.terminal.finish();
        match (self.terminal.signal(), result) {
            (Some(signal), Err(_)) => Err(Failed::Interrupted(signal)),
            (_, result) => Ok(done(result?, video, destination)),
        }
    }

    fn write(&self, video: &Video, destination: &Destination) -> Result<Outcome, Failed> {
        let source = video.open(self.args.stdin_limit, || self.terminal.signal().is_none())?;
        let force = self.args.force;
        match destination {
            Destination::Stdout(kind) => {
                let stdout = std::io::stdout().as_fd().try_clone_to_owned();
                let stdout = File::from(stdout.context("the standard output")?);
                Ok(self.extract(video, source, archive(*kind, stdout), None)?)
            }
            Destination::InPlace(path, kind) => {
                Ok(self.extract(video, source, archive(*kind, staging::device(path)?), None)?)
            }
            Destination::Archive(path, kind) => {
                let mut file = staging::file(path)?;
                let outcome = self.extract(video, source, archive(*kind, file.as_file_mut()), None)?;
                staging::publish_file(file, path, force)?;
                Ok(outcome)
            }
            Destination::Files { folder, names } => {
                let made = staging::folder(folder)?;
                let outcome = self.extract(video, source, Box::new(Files::new(made.path())), Some(names))?;
                staging::publish_folder(made.path(), folder, &names.other("manifest.json"), force)?;
                Ok(outcome)
            }
        }
    }

    fn extract(
        &self,
        video: &Video,
        source: FileSource,
        archive: Box<dyn Archive + '_>,
        names: Option<&dyn Names>,
    ) -> Result<Outcome, RunError> {
        let (threads, hardware) = (self.args.threads, self.args.hardware);
        let request = Request {
            source: Box::new(source),
            file_name: video.file_name(),
            options: &self.options,
            limits: &EngineLimits { threads, hardware, ..EngineLimits::default() },
            output: framelift_media::Output { archive, names },
            control: &self.terminal,
        };
        let result = self.engine.extract(request, &self.plugins);
        self.terminal.finish();
        Ok(result?.outcome)
    }
}

fn archive<'a>(kind: Kind, sink: impl Write + 'a) -> Box<dyn Archive + 'a> {
    match kind {
        Kind::Zip => Box::new(Zip::new(sink)),
        Kind::Tar => Box::new(Tar::new(sink)),
    }
}

fn done(outcome: Outcome, video: &Video, destination: &Destination) -> Done {
    let output = destination.shown();
    let json = json!({
        "file": video.shown(),
        "output": output,
        "frames": outcome.frames,
        "archive_bytes": outcome.archive_bytes,
        "archive_sha256": outcome.archive_sha256,
        "bytes_read": outcome.bytes_read,
        "plan": outcome.plan,
        "source": outcome.source,
        "warnings": outcome.warnings,
    });
    let size = indicatif::HumanBytes(outcome.archive_bytes);
    let text = format!("{} in {output} ({size})", frames(outcome.frames));
    Done { text, json, warnings: outcome.warnings }
}
