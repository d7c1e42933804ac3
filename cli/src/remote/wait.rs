//! Waits until videos have ended, with a progress bar, and `framelift watch`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::video::{Video, path_segment};
use super::videos::IdsArgs;
use crate::interrupts;
use crate::outcome::{Done, Failed, Printer, Summary, print_line, printable};
use crate::service::events::Piece;
use crate::service::{Service, ServiceError};

/// Delays between polls without a stream of events, shorter at first.
const POLL_DELAYS_MS: [u64; 5] = [200, 300, 500, 1000, 1500];
/// Maximum of broken streams in a row before polls replace streams.
const MAX_BROKEN_STREAMS: u32 = 3;
/// Maximum of failed polls in a row. Each of them retries for some seconds.
const MAX_FAILED_POLLS: u32 = 30;

/// A bar on a terminal, or none.
pub(crate) fn bar(quiet: bool, template: &str, length: u64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length);
    if quiet || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

/// The template of a bar for a transfer of bytes.
pub(crate) const BYTES: &str = "{prefix}{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
/// The template of a bar for the progress of a video.
const WORK: &str = "{msg} {bar:30} {percent:>3} %";

/// Waits until the video has ended, by a stream of events, or by polling if there is none. Calls `changed` with each
/// new state.
pub(crate) fn until_ended(
    service: &Service,
    id: &str,
    quiet: bool,
    changed: impl FnMut(&Video),
) -> Result<Video, ServiceError> {
    let bar = bar(quiet, WORK, 100)?;
    let mut watch_one = Watch { service, id, bar: &bar, changed, last: None, last_event_id: None };
    let ended = watch_one.until_ended();
    bar.finish_and_clear();
    ended
}

/// The state of waiting for a video.
struct Watch<'a, F> {
    service: &'a Service,
    id: &'a str,
    bar: &'a ProgressBar,
    changed: F,
    /// The video's last known state.
    last: Option<Video>,
    last_event_id: Option<String>,
}

impl<F: FnMut(&Video)> Watch<'_, F> {
    fn until_ended(&mut self) -> Result<Video, ServiceError> {
        let (mut poll_delays, mut failed_polls, mut broken_streams) = (POLL_DELAYS_MS.into_iter(), 0, 0);
        loop {
            if broken_streams < MAX_BROKEN_STREAMS {
                match self.follow() {
                    Ok(StreamEnd::VideoEnded(video)) => return Ok(*video),
                    // A stream also ends after some minutes.
                    Ok(StreamEnd::AfterEvents) => {
                        (broken_streams, poll_delays) = (0, POLL_DELAYS_MS.into_iter())
                    }
                    Ok(StreamEnd::WithoutEvents) => broken_streams += 1,
                    Err(error) => {
                        tracing::debug!(?error, "a stream of events broke off");
                        broken_streams += 1;
                    }
                }
            }
            match Video::fetch(self.service, self.id) {
                Ok(video) => {
                    failed_polls = 0;
                    if self.show(video.clone()) {
                        return Ok(video);
                    }
                }
                Err(error)
                    if error.is_temporary() && self.last.is_some() && failed_polls < MAX_FAILED_POLLS =>
                {
                    failed_polls += 1;
                    self.bar.set_message(format!("{}: the service does not answer; still waiting", self.id));
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(poll_delays.next().unwrap_or(2000)));
        }
    }

    /// Reads one stream of events.
    fn follow(&mut self) -> Result<StreamEnd, ServiceError> {
        let path = format!("/videos/{}/events", path_segment(self.id)?);
        let mut end = StreamEnd::WithoutEvents;
        for piece in self.service.events(&path, self.last_event_id.as_deref())? {
            let piece = piece.map_err(|error| ServiceError::Unreachable {
                server: self.service.server().to_owned(),
                reason: error.to_string(),
            });
            end = StreamEnd::AfterEvents;
            let Piece::Event(event) = piece? else { continue };
            let data: Value = serde_json::from_str(&event.data).context("an event is no JSON")?;
            let raw = match (&*event.name, &self.last) {
                ("status", _) => data,
                ("progress", Some(last)) => {
                    let mut raw = last.raw.clone();
                    raw["progress"].clone_from(&data["progress"]);
                    raw
                }
                // The poll reports that the video is gone.
                ("deleted", _) => return Ok(end),
                _ => continue,
            };
            let video = Video::read(self.service, raw)?;
            self.last_event_id = event.id;
            if self.show(video.clone()) {
                return Ok(StreamEnd::VideoEnded(Box::new(video)));
            }
        }
        Ok(end)
    }

    /// Shows the video's state. Returns whether it has ended.
    fn show(&mut self, video: Video) -> bool {
        self.bar.set_message(format!("{}: {}", printable(&video.file_name), video.state()));
        self.bar.set_position(video.progress.percent.into());
        if self.last.as_ref().is_none_or(|last| last.raw != video.raw) {
            (self.changed)(&video);
        }
        self.last.insert(video).is_finished()
    }
}

/// How a stream of events ended.
enum StreamEnd {
    /// The video has ended.
    VideoEnded(Box<Video>),
    /// The stream has ended after at least one event.
    AfterEvents,
    /// The stream has ended without an event.
    WithoutEvents,
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

/// The output for a completed video.
pub(crate) fn done(video: Video) -> Done {
    let warnings = video.result.as_ref().map(|result| result.warnings.clone()).unwrap_or_default();
    Done { text: format!("{} {}", video.id, video.state()), json: video.raw, warnings }
}

/// `framelift watch ID…`: on a terminal a bar, elsewhere a line for each change; with `--json` the record of
/// each change in one line.
pub(crate) fn watch(args: &IdsArgs) -> ExitCode {
    let printer = Printer { json: args.service.json, quiet: args.service.quiet, ..Printer::default() };
    interrupts::set_hint("the service goes on; `framelift watch` shows it again");
    let service = match Service::open(&args.service) {
        Ok(service) => service,
        Err(error) => return printer.report(Err(error.into())),
    };
    let terminal = std::io::stderr().is_terminal();
    // What was printed last of each video.
    let mut shown = BTreeMap::new();
    let mut one = |id: &String| -> Result<Done, Failed> {
        let ended = until_ended(&service, id, args.service.quiet || args.service.json, |video| {
            if args.service.json {
                print_line(&video.raw);
            } else if !terminal
                && !video.is_finished()
                && shown.insert(id.clone(), video.status.clone()).as_ref() != Some(&video.status)
            {
                printer.print_info(format_args!("{} {}", video.id, video.state()));
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
