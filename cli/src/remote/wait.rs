//! Waiting for videos to end, the bar that shows it, and `framelift watch`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::video::{Video, path_segment};
use super::videos::{IdsArgs, printable};
use crate::outcome::{Done, Failed, Printer, Summary, say};
use crate::service::events::Piece;
use crate::service::{Service, ServiceError, interrupts};

/// Time between two looks where no stream of events tells, the first ones closer together.
const LOOKS_MS: [u64; 5] = [200, 300, 500, 1000, 1500];
/// After so many streams in a row that break off, looks do.
const MAX_BROKEN: u32 = 3;
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

/// Waits until the video has ended, as a stream of events tells it, or looks at the video where there is none.
/// `changed` sees each new state.
pub(crate) fn until_ended(
    service: &Service,
    id: &str,
    quiet: bool,
    changed: impl FnMut(&Video),
) -> Result<Video, ServiceError> {
    let bar = bar(quiet, WORK, 100)?;
    let mut watching = Watching { service, id, bar: &bar, changed, last: None, last_event_id: None };
    let ended = watching.until_ended();
    bar.finish_and_clear();
    ended
}

/// A video that is waited for.
struct Watching<'a, F> {
    service: &'a Service,
    id: &'a str,
    bar: &'a ProgressBar,
    changed: F,
    /// As it was told or looked at last.
    last: Option<Video>,
    last_event_id: Option<String>,
}

impl<F: FnMut(&Video)> Watching<'_, F> {
    fn until_ended(&mut self) -> Result<Video, ServiceError> {
        let (mut looks, mut away, mut broken) = (LOOKS_MS.into_iter(), 0, 0);
        loop {
            if broken < MAX_BROKEN {
                match self.follow() {
                    Ok(Followed::Ended(video)) => return Ok(*video),
                    // It ends after some minutes, too.
                    Ok(Followed::Alive) => (broken, looks) = (0, LOOKS_MS.into_iter()),
                    Ok(Followed::Silent) => broken += 1,
                    Err(error) => {
                        tracing::debug!(?error, "a stream of events broke off");
                        broken += 1;
                    }
                }
            }
            match Video::fetch(self.service, self.id) {
                Ok(video) => {
                    away = 0;
                    if self.see(video.clone()) {
                        return Ok(video);
                    }
                }
                Err(error) if error.is_temporary() && self.last.is_some() && away < PATIENCE => {
                    away += 1;
                    self.bar.set_message(format!("{}: the service does not answer; still waiting", self.id));
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(looks.next().unwrap_or(2000)));
        }
    }

    /// Reads one stream of events.
    fn follow(&mut self) -> Result<Followed, ServiceError> {
        let path = format!("/videos/{}/events", path_segment(self.id)?);
        let mut so_far = Followed::Silent;
        for piece in self.service.events(&path, self.last_event_id.as_deref())? {
            let piece = piece.map_err(|error| ServiceError::Unreachable {
                server: self.service.server().to_owned(),
                reason: error.to_string(),
            });
            so_far = Followed::Alive;
            let Piece::Event(event) = piece? else { continue };
            let data: Value = serde_json::from_str(&event.data).context("an event is no JSON")?;
            let raw = match (&*event.name, &self.last) {
                ("status", _) => data,
                ("progress", Some(last)) => {
                    let mut raw = last.raw.clone();
                    raw["progress"].clone_from(&data["progress"]);
                    raw
                }
                // Looking at the video says what has become of it.
                ("deleted", _) => return Ok(so_far),
                _ => continue,
            };
            let video = Video::read(self.service, raw)?;
            self.last_event_id = event.id;
            if self.see(video.clone()) {
                return Ok(Followed::Ended(Box::new(video)));
            }
        }
        Ok(so_far)
    }

    /// Shows the video as it is now; whether it has ended.
    fn see(&mut self, video: Video) -> bool {
        self.bar.set_message(format!("{}: {}", printable(&video.file_name), video.state()));
        self.bar.set_position(video.progress.percent.into());
        if self.last.as_ref().is_none_or(|last| last.raw != video.raw) {
            (self.changed)(&video);
        }
        self.last.insert(video).is_finished()
    }
}

/// How a stream went.
enum Followed {
    /// The video has ended.
    Ended(Box<Video>),
    /// The stream has ended after it had told something.
    Alive,
    /// It ended without a word.
    Silent,
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
