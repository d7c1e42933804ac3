//! `framelift extract`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use framelift_domain::Options;
use framelift_media::{EngineLimits, FileSource, Outcome, Source as _, SourceInfo};
use serde_json::json;

use crate::args::ExtractArgs;
use crate::outcome::{Done, Failed};
use crate::progress::Terminal;

pub(crate) fn run(args: &ExtractArgs) -> Result<Done, Failed> {
    let options = options(args)?;
    let source = FileSource::open(&args.file).with_context(|| args.file.display().to_string())?;
    let file_name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.file));
    let to_stdout = output.as_os_str() == "-";
    let in_place = !to_stdout && is_device(&output)?;
    if !to_stdout && same_file(&args.file, &output) {
        return Err(anyhow!("{} is the video itself", output.display()).into());
    }
    if !to_stdout && !in_place && !args.force && output.exists() {
        return Err(anyhow!("{} exists; --force replaces it", output.display()).into());
    }

    // The archive may hold the standard output for as long as it likes.
    let terminal = Terminal::new(args.quiet, args.json && !to_stdout).context("Ctrl-C cannot be watched")?;
    let limits = EngineLimits { threads: args.threads, hardware: args.hardware, ..EngineLimits::default() };
    let extract = |sink: &mut (dyn Write + Send)| {
        let info = SourceInfo { file_name, size: source.size() };
        let result = framelift_media::extract(Box::new(source), info, &options, &limits, sink, &terminal);
        terminal.finish();
        result
    };
    let outcome = if to_stdout {
        extract(&mut std::io::stdout())?
    } else if in_place {
        let device = std::fs::OpenOptions::new().write(true).open(&output);
        extract(&mut device.with_context(|| output.display().to_string())?)?
    } else {
        // In the same folder, so that the archive appears whole or not at all.
        let mut file = temporary(&output)?;
        terminal.removes(file.path().to_owned());
        let outcome = extract(file.as_file_mut())?;
        let kept = if args.force { file.persist(&output) } else { file.persist_noclobber(&output) };
        kept.with_context(|| output.display().to_string())?;
        outcome
    };
    Ok(done(outcome, &output, to_stdout))
}

fn options(args: &ExtractArgs) -> Result<Options, Failed> {
    let body = args.options().map_err(|message| Failed::Values(vec![message]))?;
    let describe = |errors: Vec<framelift_contract::problem::FieldError>| {
        Failed::Values(
            errors.into_iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect(),
        )
    };
    let options = body.check("").map_err(describe)?;
    match framelift_media::unsupported(&options).as_slice() {
        [] => Ok(options),
        pointers => Err(Failed::Values(
            pointers.iter().map(|pointer| format!("{pointer}: not available yet")).collect(),
        )),
    }
}

fn default_output(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push("-frames.zip");
    PathBuf::from(name)
}

/// Whether the output is there and is no file (`/dev/null`, a pipe): such a thing is written to, never
/// replaced. A folder is refused.
fn is_device(output: &Path) -> anyhow::Result<bool> {
    match std::fs::metadata(output) {
        Ok(metadata) if metadata.is_dir() => Err(anyhow!("{} is a folder", output.display())),
        Ok(metadata) => Ok(!metadata.is_file()),
        Err(_) => Ok(false),
    }
}

/// Whether both names lead to one file: `--force` must not cost anybody the video.
fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

fn temporary(output: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".framelift-").suffix(".part");
    // As any other new file: the user's mask decides.
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(folder).with_context(|| format!("no file can be made in {}", folder.display()))
}

fn done(outcome: Outcome, output: &Path, to_stdout: bool) -> Done {
    let json = json!({
        "output": output.to_string_lossy(),
        "frames": outcome.frames,
        "archive_bytes": outcome.archive_bytes,
        "archive_sha256": outcome.archive_sha256,
        "bytes_read": outcome.bytes_read,
        "plan": outcome.plan,
        "source": outcome.source,
        "warnings": outcome.warnings,
    });
    let size = indicatif::HumanBytes(outcome.archive_bytes);
    Done {
        text: format!("{} frames in {} ({size})", outcome.frames, output.display()),
        json,
        warnings: outcome.warnings,
        silent: to_stdout,
    }
}
