//! The archive stage: writes images in order, keeps the manifest's records, and closes the archive.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use framelift_contract::manifest::{Labels, Plan, Source as SourceRecord};
use framelift_domain::{FailureCode, Options, Rational};

use super::Outcome;
use super::chain::{Chain, Item};
use super::encode_stage::{Content, Encoded, FrameEncoder, Job, NotEncoded, Work};
use super::ordered::{Ordered, OutputPosition};
use crate::archive::{self, Archive, Image, Measure, Member, Names, add_member};
use crate::encode;
use crate::ffi::StreamInfo;
use crate::manifest::{self, Header, Record};
use crate::storyboard::{self, Storyboard};
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Filter, Stage};

/// The member that describes the others.
pub const MANIFEST: &str = "manifest.json";

/// The members other than images.
pub const OTHER_MEMBERS: [&str; 3] = [MANIFEST, storyboard::SHEET, storyboard::CUES];

/// An archive that is being filled, through the filters where there are any.
pub(super) struct Writer<'a> {
    archive: Box<dyn Archive + 'a>,
    names: &'a dyn Names,
    /// The file extension of the images.
    extension: &'static str,
    max_bytes: u64,
    chain: Chain<'a>,
    records: Vec<Record>,
    storyboard: Storyboard,
    /// The end of the last written frame on the timeline.
    end: Rational,
    /// The reason why the last lost frame was not written.
    lost: Option<NotEncoded>,
    /// The number of selected frames written or lost so far.
    pub(super) frames: u64,
}

/// The most images of one frame: the last one also stands for any further requests. Otherwise a few bytes of
/// video could become any number of images.
const MAX_COPIES: usize = 100;

/// A picture that has passed the filters.
struct BeingEncoded {
    place: OutputPosition,
    labels: Labels,
    image: Receiver<Result<Content, NotEncoded>>,
}

/// The most pictures behind the filters that are encoded at the same time.
const MAX_ENCODING: usize = 8;

/// The JPEG quality of a storyboard.
const SHEET_QUALITY: u8 = 80;

/// How far [`Writer::images`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// Up to a frame that its decoder did not return.
    UpToUndecoded,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        archive: Box<dyn Archive + 'a>,
        names: &'a dyn Names,
        filters: Vec<Box<dyn Filter + 'a>>,
        options: &Options,
        max_bytes: u64,
    ) -> Self {
        Self {
            archive,
            names,
            extension: options.format.extension(),
            max_bytes,
            chain: Chain::new(filters, options.format),
            records: Vec::new(),
            storyboard: Storyboard::new(),
            end: Rational::ZERO,
            lost: None,
            frames: 0,
        }
    }

    /// Adds a member, if the archive may become that large.
    fn add(&mut self, member: Member<'_>, content: archive::Content<'_>) -> Result<(), ExtractError> {
        add_member(&mut *self.archive, member, content, self.max_bytes)
    }

    /// Adds a member other than an image.
    fn other(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExtractError> {
        let member = Member { name, size: bytes.len() as u64, crc: crc32fast::hash(bytes), image: None };
        self.add(member, &|out| out.write_all(bytes))
    }

    /// Adds the sheet and its cues, if a frame was written.
    fn add_storyboard(&mut self, end: Rational) -> Result<(), ExtractError> {
        let name = self.names.other(storyboard::SHEET);
        let Some((sheet, cues)) = self.storyboard.finish(end, &name) else { return Ok(()) };
        let image = encode::sheet(&sheet.planes(), SHEET_QUALITY)
            .map_err(|error| ExtractError::internal(format!("the storyboard: {error}")))?;
        self.other(&name, &image)?;
        self.other(&self.names.other(storyboard::CUES), cues.as_bytes())
    }

    /// Whether there are filters between the decoders and the encoders.
    pub(super) fn filters(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Writes the images in the order in which they were chosen. With filters, pictures come instead: those
    /// that pass are given to the `encoders` and written once they are encoded.
    pub(super) fn images(
        &mut self,
        ordered: Receiver<Ordered>,
        encoders: SyncSender<Job>,
        watch: &Watch<'_>,
    ) -> Result<Written, ExtractError> {
        let mut encoding = VecDeque::new();
        let mut written = Written::All;
        for Ordered { place, content, permit: _permit } in ordered {
            match content.recv() {
                Ok(Ok(Content::Image(image))) => self.image(place, Labels::new(), image, watch)?,
                Ok(Ok(Content::Picture(viewed))) => {
                    for Item { place, picture, labels } in self.chain.push(place, viewed)? {
                        if encoding.len() >= MAX_ENCODING {
                            self.next_encoded(&mut encoding, watch)?;
                        }
                        let (reply, image) = sync_channel(1);
                        let job = Job { work: Work::Filtered(picture.viewed), reply };
                        let gone = |_| ExtractError::internal("the encoders have stopped");
                        encoders.send(job).map_err(gone)?;
                        encoding.push_back(BeingEncoded { place, labels, image });
                    }
                }
                Ok(Err(NotEncoded::Undecoded)) => {
                    written = Written::UpToUndecoded;
                    break;
                }
                Ok(Err(reason)) => self.lose(place.placed.time, reason, watch),
                // Its encoder has ended; the decoding stage returns the reason.
                Err(_) => break,
            }
            self.frames += 1;
            if !watch.should_continue() && watch.stopped_from_outside() {
                return Err(watch.stop_error());
            }
        }
        while !encoding.is_empty() {
            self.next_encoded(&mut encoding, watch)?;
        }
        Ok(written)
    }

    /// Waits for the oldest of the images that are being encoded, and writes it.
    fn next_encoded(
        &mut self,
        encoding: &mut VecDeque<BeingEncoded>,
        watch: &Watch<'_>,
    ) -> Result<(), ExtractError> {
        let Some(BeingEncoded { place, labels, image }) = encoding.pop_front() else { return Ok(()) };
        match image.recv() {
            Ok(Ok(Content::Image(image))) => self.image(place, labels, image, watch),
            Ok(Err(reason)) => {
                self.lose(place.placed.time, reason, watch);
                Ok(())
            }
            Ok(Ok(Content::Picture(_))) | Err(_) => Err(ExtractError::internal("the encoders have stopped")),
        }
    }

    /// Records that a frame is not written.
    fn lose(&mut self, time: Rational, reason: NotEncoded, watch: &Watch<'_>) {
        watch.warn(format!("the frame at {time} s was left out: {}", describe(&reason)));
        self.lost = Some(reason);
    }

    /// Writes one image.
    fn image(
        &mut self,
        OutputPosition { requests, placed, keyframe }: OutputPosition,
        labels: Labels,
        image: Encoded,
        watch: &Watch<'_>,
    ) -> Result<(), ExtractError> {
        let labels = manifest::packed(&labels);
        let repeats = requests.get(MAX_COPIES..).filter(|rest| !rest.is_empty());
        for requested in requests.iter().copied().take(MAX_COPIES) {
            let name = self.names.image(self.records.len() as u64 + 1, placed.time, self.extension);
            let bytes = u32::try_from(image.bytes.len()).unwrap_or(u32::MAX);
            let shown = Image { time: placed.time, size: image.size, keyframe };
            let size = image.bytes.len() as u64;
            let member = Member { name: &name, size, crc: image.crc, image: Some(shown) };
            self.add(member, &|out| out.write_all(&image.bytes))?;
            self.records.push(Record {
                requested,
                time: placed.time,
                pts: placed.pts,
                keyframe,
                size: image.size,
                bytes,
                sha256: image.sha256,
                labels: labels.clone(),
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
        Ok(())
    }

    /// Ends the filters, and writes the pictures that they still held.
    fn end_filters(&mut self, mut encoder: FrameEncoder<'_>, watch: &Watch<'_>) -> Result<(), ExtractError> {
        for Item { place, picture, labels } in self.chain.finish()? {
            match encoder.encode(&picture.viewed) {
                Ok(image) => self.image(place, labels, image, watch)?,
                Err(reason) => self.lose(place.placed.time, reason, watch),
            }
        }
        Ok(())
    }

    /// Fails if no frame could be written.
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
    (file_name, size_bytes): (String, u64),
    stream: &StreamInfo,
    (options, limits): (&Options, &EngineLimits),
    plan: Plan,
    watch: &Watch<'_>,
) -> Result<Outcome, ExtractError> {
    watch.enter(Stage::Finishing);
    writer.end_filters(FrameEncoder::new(stream, options, limits, true), watch)?;
    writer.check()?;
    let last = writer.end;
    let duration = duration.or(stream.claimed_duration);
    if options.storyboard {
        writer.add_storyboard(duration.unwrap_or(last).max(last))?;
    }
    let source = SourceRecord {
        file_name,
        size_bytes,
        sha256: None,
        codec: stream.codec.clone(),
        width: stream.width,
        height: stream.height,
        duration: duration.map_or_else(|| "0".to_owned(), |d| d.to_string()),
        time_base: format!("{}/{}", stream.time_base.num(), stream.time_base.den()),
    };
    let warnings = watch.take_warnings();
    let names = writer.names;
    let plugins = writer.chain.records();
    let header =
        Header { source: &source, options, plan: &plan, plugins: &plugins, warnings: &warnings, names };
    let records = std::mem::take(&mut writer.records);
    // Written twice, to measure it and to store it, so that it need not be held in memory.
    let manifest: archive::Content<'_> = &|out| manifest::write(out, &header, &records);
    let (size, crc) = Measure::of(manifest).map_err(ExtractError::Sink)?;
    writer.add(Member { name: &names.other(MANIFEST), size, crc, image: None }, manifest)?;
    let finished = writer.archive.finish().map_err(ExtractError::Sink)?;
    watch.reach(1000);
    if !watch.should_continue() {
        return Err(watch.stop_error());
    }
    Ok(Outcome {
        frames: records.len() as u64,
        archive_bytes: finished.bytes,
        archive_sha256: finished.sha256,
        warnings,
        bytes_read: watch.bytes_read(),
        plan,
        source,
    })
}
