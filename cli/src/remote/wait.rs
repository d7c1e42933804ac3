//! Waiting for videos to end, the bar that shows it, and `framelift watch`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::video::Video;
use super::videos::{IdsArgs, printable};
use crate::outcome::{Done, Failed, Printer, Summary, say};
use crate::service::{Service, ServiceError, interrupts};

/// Time between two looks, the first ones closer together.
const LOOKS_MS: [u64; 5] = [200, 300, 500, 1000, 1500];
/// The service may be away for so many looks, each of which tries for some seconds.
const PATIENCE: u32 = 30;

/// A bar on a terminal, or none.
pub(crate) fn bar(quiet: bool, template: &str, length: u64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length);
    if quiet || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

/// For bytes on their way.
pub(crate) const BYTES: &str = "{prefix}{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
/// For what the service does.
const WORK: &str = "{msg} {bar:30} {percent:>3} %";

/// Waits until the video has ended. `changed` sees each new state.
pub(crate) fn until_ended(
    service: &Service,
    id: &str,
    quiet: bool,
    mut changed: impl FnMut(&Video),
) -> Result<Video, ServiceError> {
    let bar = bar(quiet, WORK, 100)?;
    let (mut looks, mut away, mut last) = (LOOKS_MS.into_iter(), 0, None);
    loop {
        match Video::fetch(service, id) {
            Ok(video) => {
                away = 0;
                bar.set_message(format!("{}: {}", printable(&video.file_name), video.state()));
                bar.set_position(video.progress.percent.into());
                if last.as_ref() != Some(&video.raw) {
                    changed(&video);
                    last = Some(video.raw.clone());
                }
                if video.is_finished() {
                    bar.finish_and_clear();
                    return Ok(video);
                }
            }
            Err(error) if error.is_temporary() && last.is_some() && away < PATIENCE => {
                away += 1;
                bar.set_message(format!("{id}: the service does not answer; still waiting"));
            }
            Err(error) => {
                bar.finish_and_clear();
                return Err(error);
            }
        }
        std::thread::sleep(Duration::from_millis(looks.next().unwrap_or(2000)));
    }
}

/// The video if it was completed, otherwise why it was not.
pub(crate) fn completed(video: Video) -> Result<Video, Failed> {
    match (&*video.status, &video.failure) {
        ("completed", _) => Ok(video),
        (_, Some(failure)) => {
            Err(Failed::Video { code: failure.code.clone(), message: failure.message.clone() })
        }
        ("expired", _) => Err(Failed::Video {
            code: "expired".to_owned(),
            message: "the upload did not come in time".to_owned(),
        }),
        (status, _) => {
            Err(Failed::Video { code: status.to_owned(), message: format!("the video is {status}") })
        }
    }
}

/// How a completed video is told.
pub(crate) fn done(video: Video) -> Done {
    let warnings = video.result.as_ref().map(|result| result.warnings.clone()).unwrap_or_default();
    Done { text: format!("{} {}", video.id, video.state()), json: video.raw, warnings }
}

/// `framelift watch ID…`: on a terminal a bar, elsewhere a line for each change; with `--json` the record of
/// each change in one line.
pub(crate) fn watch(args: &IdsArgs) -> ExitCode {
    let printer = Printer { json: args.service.json, quiet: args.service.quiet, ..Printer::default() };
    let advice = "the service goes on; `framelift watch` shows it again";
    let opened =
        interrupts::end_with(advice).map_err(Failed::from).and_then(|()| Ok(Service::open(&args.service)?));
    let service = match opened {
        Ok(service) => service,
        Err(failed) => return printer.report(Err(failed)),
    };
    let terminal = std::io::stderr().is_terminal();
    // What was printed last of each video.
    let mut shown = BTreeMap::new();
    let mut one = |id: &String| -> Result<Done, Failed> {
        let ended = until_ended(&service, id, args.service.quiet || args.service.json, |video| {
            if args.service.json {
                say(&video.raw);
            } else if !terminal
                && !video.is_finished()
                && shown.insert(id.clone(), video.status.clone()).as_ref() != Some(&video.status)
            {
                printer.tell(format_args!("{} {}", video.id, video.state()));
            }
        })?;
        Ok(done(completed(ended)?))
    };
    // The records are printed already.
    let printer = Printer { json: false, quiet: args.service.quiet || args.service.json, ..printer };
    match &args.ids[..] {
        [id] => printer.report(one(id)),
        ids => {
            let mut summary = Summary::default();
            for id in ids {
                printer.one_of_several(id, one(id), &mut summary);
            }
            printer.all(summary, ids.len(), None)
        }
    }
}
