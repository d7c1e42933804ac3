//! The archive stage: images in order, records for the manifest, and the end of it all.

use std::sync::mpsc::Receiver;

use framelift_contract::manifest::{Plan, Source as SourceRecord};
use framelift_domain::{FailureCode, Options, Rational};

use super::encode_stage::NotEncoded;
use super::ordered::Ordered;
use super::{Outcome, SourceInfo};
use crate::archive::{Archive, ArchiveError, Content, Measure, Member, Names};
use crate::encode;
use crate::ffi::StreamInfo;
use crate::manifest::{self, Header, Record, hex};
use crate::storyboard::{self, Storyboard};
use crate::watch::Watch;
use crate::words::count;
use crate::{ExtractError, Stage};

/// The member that describes the others.
const MANIFEST: &str = "manifest.json";

/// An archive that is being filled.
pub(super) struct Writer<'a> {
    archive: Box<dyn Archive + 'a>,
    names: &'a dyn Names,
    /// Of the images' names.
    extension: &'static str,
    max_bytes: u64,
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
const MAX_COPIES: usize = 100;

/// A storyboard's quality: small pictures that are looked at in passing.
const SHEET_QUALITY: u8 = 80;

/// How far [`Writer::images`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    All,
    /// Up to a frame that did not come out of its decoder.
    UpToUndecoded,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        archive: Box<dyn Archive + 'a>,
        names: &'a dyn Names,
        options: &Options,
        max_bytes: u64,
    ) -> Self {
        Self {
            archive,
            names,
            extension: options.format.extension(),
            max_bytes,
            records: Vec::new(),
            storyboard: Storyboard::new(),
            end: Rational::ZERO,
            lost: None,
            frames: 0,
        }
    }

    /// Adds a member, if the archive may become that large.
    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ExtractError> {
        let added = match self.archive.written().checked_add(member.size) {
            Some(bytes) if bytes <= self.max_bytes => self.archive.add(member, content),
            _ => Err(ArchiveError::TooLarge),
        };
        added.map_err(|error| match error {
            ArchiveError::Sink(error) => ExtractError::Sink(error),
            ArchiveError::TooLarge => ExtractError::failed(
                FailureCode::LimitExceeded,
                format!("the archive would be larger than {}", count(self.max_bytes, "byte")),
            ),
        })
    }

    /// Adds a member that is no image.
    fn other(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExtractError> {
        let member = Member { name, size: bytes.len() as u64, crc: crc32fast::hash(bytes) };
        self.add(member, &|out| out.write_all(bytes))
    }

    /// Adds the sheet and its cues; none where not one frame was written.
    fn add_storyboard(&mut self, end: Rational) -> Result<(), ExtractError> {
        let name = self.names.other(storyboard::SHEET);
        let Some((sheet, cues)) = self.storyboard.finish(end, &name) else { return Ok(()) };
        let image = encode::sheet(&sheet.planes(), SHEET_QUALITY)
            .map_err(|error| ExtractError::internal(format!("the storyboard: {error}")))?;
        self.other(&name, &image)?;
        self.other(&self.names.other(storyboard::CUES), cues.as_bytes())
    }

    /// Writes the images in the order in which they were chosen.
    pub(super) fn images(
        &mut self,
        ordered: Receiver<Ordered>,
        watch: &Watch<'_>,
    ) -> Result<Taken, ExtractError> {
        for Ordered { requests, placed, keyframe, image, permit: _permit } in ordered {
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
            let repeats = requests.get(MAX_COPIES..).filter(|rest| !rest.is_empty());
            for requested in requests.iter().copied().take(MAX_COPIES) {
                let name = self.names.image(self.records.len() as u64 + 1, placed.time, self.extension);
                let bytes = u32::try_from(image.bytes.len()).unwrap_or(u32::MAX);
                let member = Member { name: &name, size: image.bytes.len() as u64, crc: image.crc };
                self.add(member, &|out| out.write_all(&image.bytes))?;
                self.records.push(Record {
                    requested,
                    time: placed.time,
                    pts: placed.pts,
                    keyframe,
                    size: image.size,
                    bytes,
                    sha256: image.sha256,
                    repeats: None,
                });
                watch.frame_done();
            }
            if let (Some(rest), Some(record)) = (repeats, self.records.last_mut()) {
                record.repeats = Some((rest.len() as u64, rest.last().copied().flatten()));
                rest.iter().for_each(|_| watch.frame_done());
                watch.warn(format!(
                    "the frame at {} s is on screen at {} wanted times: {MAX_COPIES} have an image each, \
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
            Some(NotEncoded::OutOfBounds(reason)) if self.records.is_empty() => {
                Err(ExtractError::failed(FailureCode::LimitExceeded, reason.clone()))
            }
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
        NotEncoded::OutOfBounds(reason) | NotEncoded::Failed(reason) => reason,
        NotEncoded::Undecoded => "it could not be decoded",
    }
}

/// Adds the storyboard and the manifest, and closes the archive.
pub(super) fn finish(
    mut writer: Writer<'_>,
    duration: Option<Rational>,
    info: SourceInfo,
    stream: &StreamInfo,
    options: &Options,
    plan: Plan,
    watch: &Watch<'_>,
) -> Result<Outcome, ExtractError> {
    watch.enter(Stage::Finishing);
    writer.check()?;
    let last = writer.end;
    let duration = duration.or(stream.claimed_duration);
    if options.storyboard {
        writer.add_storyboard(duration.unwrap_or(last).max(last))?;
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
    let names = writer.names;
    let header = Header { source: &source, options, plan: &plan, warnings: &warnings, names };
    let records = std::mem::take(&mut writer.records);
    // Twice: to measure it, and to write it, so that it is never in memory as a whole.
    let manifest: Content<'_> = &|out| manifest::write(out, &header, &records);
    let (size, crc) = Measure::of(manifest).map_err(ExtractError::Sink)?;
    writer.add(Member { name: &names.other(MANIFEST), size, crc }, manifest)?;
    let finished = writer.archive.finish().map_err(ExtractError::Sink)?;
    watch.reach(1000);
    if !watch.go_on() {
        return Err(watch.stop_error());
    }
    Ok(Outcome {
        frames: records.len() as u64,
        archive_bytes: finished.bytes,
        archive_sha256: finished.sha256.map(|sha256| hex(&sha256)),
        warnings,
        bytes_read: watch.bytes_read(),
        plan,
        source,
    })
}
