//! The archive stage: images in order, records for the manifest, and the end of it all.

use std::io::Write;
use std::sync::mpsc::Receiver;

use framelift_contract::manifest::{Plan, Source as SourceRecord};
use framelift_domain::{FailureCode, Options, Rational};

use super::decode::Ordered;
use super::encode_stage::NotEncoded;
use super::{Outcome, SourceInfo};
use crate::archive::{Archive, ArchiveError};
use crate::encode;
use crate::ffi::StreamInfo;
use crate::manifest::{self, Header, Record, hex};
use crate::storyboard::{self, Storyboard};
use crate::watch::Watch;
use crate::words::count;
use crate::{EngineLimits, ExtractError, Stage};

/// An archive that is being filled.
pub(super) struct Writer<W: Write> {
    archive: Archive<W>,
    records: Vec<Record>,
    storyboard: Storyboard,
    /// Where the last written frame ends.
    end: Rational,
    /// The last frame that could not be turned into an image.
    lost: Option<NotEncoded>,
    /// Frames that have been dealt with, in the order in which they were chosen.
    pub(super) frames: u64,
}

/// Images of one frame: for what is wanted of it beyond that, the last one stands. A few bytes of
/// video would else become any number of images.
const MOST_COPIES: usize = 100;

/// A storyboard's quality: small pictures that are looked at in passing.
const SHEET_QUALITY: u8 = 80;

/// How far [`Writer::images`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    All,
    /// Up to a frame that did not come out of its decoder.
    UpToUndecoded,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(sink: W, options: &Options, limits: &EngineLimits) -> Self {
        let archive = Archive::new(sink, options.format.extension(), limits.max_output_bytes);
        Self {
            archive,
            records: Vec::new(),
            storyboard: Storyboard::new(),
            end: Rational::ZERO,
            lost: None,
            frames: 0,
        }
    }

    /// Writes the images in the order in which they were chosen.
    pub(super) fn images(
        &mut self,
        ordered: Receiver<Ordered>,
        limits: &EngineLimits,
        watch: &Watch<'_>,
    ) -> Result<Taken, ExtractError> {
        for Ordered { requests, placed, keyframe, image, ticket: _ticket } in ordered {
            let image = match image.recv() {
                Ok(Ok(image)) => image,
                Ok(Err(NotEncoded::Undecoded)) => return Ok(Taken::UpToUndecoded),
                Ok(Err(reason)) => {
                    watch.warn(format!("the frame at {} s was left out: {}", placed.time, describe(&reason)));
                    self.lost = Some(reason);
                    self.frames += 1;
                    continue;
                }
                // Its encoder has gone: the decoding stage knows why.
                Err(_) => break,
            };
            let repeats = requests.get(MOST_COPIES..).filter(|rest| !rest.is_empty());
            for requested in requests.iter().copied().take(MOST_COPIES) {
                self.archive.image(&image.bytes, image.crc).map_err(|error| refused(error, limits))?;
                self.records.push(Record {
                    requested,
                    time: placed.time,
                    pts: placed.pts,
                    keyframe,
                    size: image.size,
                    sha256: image.sha256,
                    repeats: None,
                });
                watch.frame_done();
            }
            if let (Some(rest), Some(record)) = (repeats, self.records.last_mut()) {
                record.repeats = Some((rest.len() as u64, rest.last().copied().flatten()));
                rest.iter().for_each(|_| watch.frame_done());
                watch.warn(format!(
                    "the frame at {} s is on screen at {} wanted times: {MOST_COPIES} have an image each, \
                     and the manifest counts the others",
                    placed.time,
                    requests.len()
                ));
            }
            if let Some(thumb) = image.thumb {
                self.storyboard.push(placed.time, thumb);
            }
            self.end = placed.end;
            self.frames += 1;
            if !watch.go_on() && watch.stopped_from_outside() {
                return Err(watch.stop_error());
            }
        }
        Ok(Taken::All)
    }

    /// Whether there is anything to show for it.
    pub(super) fn check(&self) -> Result<(), ExtractError> {
        match &self.lost {
            Some(NotEncoded::TooLarge) if self.records.is_empty() => Err(ExtractError::failed(
                FailureCode::LimitExceeded,
                "the images would be larger than the limit",
            )),
            Some(NotEncoded::Failed(reason)) if self.records.is_empty() => Err(ExtractError::failed(
                FailureCode::UnsupportedCodec,
                format!("no frame could be written: {reason}"),
            )),
            _ => Ok(()),
        }
    }
}

fn describe(reason: &NotEncoded) -> &str {
    match reason {
        NotEncoded::TooLarge => "the image would be larger than the limit",
        NotEncoded::Failed(reason) => reason,
        NotEncoded::Undecoded => "it could not be decoded",
    }
}

fn refused(error: ArchiveError, limits: &EngineLimits) -> ExtractError {
    match error {
        ArchiveError::Sink(error) => ExtractError::Sink(error),
        ArchiveError::TooLarge => ExtractError::failed(
            FailureCode::LimitExceeded,
            format!("the archive would be larger than {}", count(limits.max_output_bytes, "byte")),
        ),
    }
}

/// Adds the sheet and its cues; none where not one frame was written.
fn add_storyboard<W: Write>(
    archive: &mut Archive<W>,
    storyboard: &Storyboard,
    end: Rational,
    limits: &EngineLimits,
) -> Result<(), ExtractError> {
    let Some((sheet, cues)) = storyboard.finish(end) else { return Ok(()) };
    let image = encode::sheet(&sheet.planes(), SHEET_QUALITY)
        .map_err(|error| ExtractError::internal(format!("the storyboard: {error}")))?;
    archive.other(storyboard::SHEET, &image).map_err(|error| refused(error, limits))?;
    archive.other(storyboard::CUES, cues.as_bytes()).map_err(|error| refused(error, limits))
}

/// Adds the storyboard and the manifest, and closes the archive.
#[expect(clippy::too_many_arguments, reason = "one call, with what the stages have found")]
pub(super) fn finish<W: Write>(
    writer: Writer<W>,
    duration: Option<Rational>,
    info: SourceInfo,
    stream: &StreamInfo,
    options: &Options,
    plan: Plan,
    limits: &EngineLimits,
    watch: &Watch<'_>,
) -> Result<Outcome, ExtractError> {
    watch.enter(Stage::Finishing);
    writer.check()?;
    let Writer { mut archive, records, storyboard, end: last, .. } = writer;
    let duration = duration.or(stream.claimed_duration);
    if options.storyboard {
        add_storyboard(&mut archive, &storyboard, duration.unwrap_or(last).max(last), limits)?;
    }
    let source = SourceRecord {
        file_name: info.file_name,
        size_bytes: info.size,
        sha256: None,
        codec: stream.codec.clone(),
        width: stream.width,
        height: stream.height,
        duration: duration.map_or_else(|| "0".to_owned(), |d| d.to_string()),
        time_base: format!("{}/{}", stream.time_base.num(), stream.time_base.den()),
    };
    let warnings = watch.take_warnings();
    let header = Header { source: &source, options, plan: &plan, warnings: &warnings };
    let (_, sha256, archive_bytes) = archive
        .finish(|out, entries| manifest::write(out, &header, &records, entries))
        .map_err(|error| match error {
            ArchiveError::Sink(error) => ExtractError::Sink(error),
            ArchiveError::TooLarge => {
                ExtractError::failed(FailureCode::LimitExceeded, "the archive's manifest would be too large")
            }
        })?;
    watch.reach(1000);
    if !watch.go_on() {
        return Err(watch.stop_error());
    }
    Ok(Outcome {
        frames: records.len() as u64,
        archive_bytes,
        archive_sha256: hex(&sha256),
        warnings,
        bytes_read: watch.bytes_read(),
        plan,
        source,
    })
}
