//! The messages between parent and child: their kinds, the largest size of each, and their encodings.
//!
//! Small rare messages are JSON, the others fixed fields. See [`framing`](crate::framing) for how they
//! are sent.

use std::io;
use std::ops::Range;

use framelift_contract::options::OptionsBody;
use framelift_domain::{Checksum, Failure, Options, Rational, Select};
use framelift_media::{EngineLimits, HardwareInfo, Outcome, Progress, Stage, VideoInfo};
use framelift_plugin_host::{Checked, Metering, PluginRun, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The protocol's version. Both sides are the same program, unless its file was replaced meanwhile.
pub(crate) const VERSION: u32 = 3;

/// Bytes of one read, and of one piece of a member.
pub(crate) const MAX_PIECE: usize = 1 << 20;
/// Bytes of a JSON message: eight plugins' logs and configurations are most of it.
const MAX_JSON: usize = 8 << 20;
/// Bytes of the code of one plugin.
pub(crate) const MAX_CODE: u64 = 1 << 30;
/// The most announced ranges; further ones are read without an announcement.
const MAX_RANGES: usize = 1 << 16;
/// Bytes of a member's name.
pub(crate) const MAX_NAME: usize = 4096;

/// The kind of a message. The numbers are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Child: restricted, and ready for a job ([`Hello`]).
    Hello = 1,
    /// Parent: the job ([`Job`]).
    Job = 2,
    /// Child: its progress.
    Progress = 3,
    /// Child: asks for a member's name ([`MemberId`]).
    AskName = 4,
    /// Parent: the name.
    Name = 5,
    /// Child: a member begins ([`MemberStart`]).
    Member = 6,
    /// Child: a piece of the member.
    Piece = 7,
    /// Child: the video is done ([`Done`]).
    Done = 8,
    /// Child: the video has failed ([`Failure`]).
    Failed = 9,
    /// Child: a read has failed; the parent knows why.
    SourceFailed = 10,
    /// Child: reads (offset, length).
    Read = 11,
    /// Child: announces reads (pairs of start and end).
    Prefetch = 12,
    /// Parent: the bytes that were read.
    Data = 13,
    /// Parent: the read has failed.
    ReadFailed = 14,
    /// Parent: a piece of a plugin's component or code; child: of the code that it has made.
    Code = 15,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Hello,
        Self::Job,
        Self::Progress,
        Self::AskName,
        Self::Name,
        Self::Member,
        Self::Piece,
        Self::Done,
        Self::Failed,
        Self::SourceFailed,
        Self::Read,
        Self::Prefetch,
        Self::Data,
        Self::ReadFailed,
        Self::Code,
    ];

    /// The kind of that number.
    pub(crate) fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The most bytes of a message of this kind.
    pub(crate) const fn max_length(self) -> usize {
        match self {
            Self::Hello | Self::Job | Self::Done | Self::Failed => MAX_JSON,
            Self::Progress => PROGRESS,
            Self::AskName => MAX_ID,
            Self::Member => START + MAX_ID,
            Self::Name => MAX_NAME,
            Self::Piece | Self::Data | Self::Code => MAX_PIECE,
            Self::Read => 12,
            Self::Prefetch => MAX_RANGES * 16,
            Self::SourceFailed | Self::ReadFailed => 0,
        }
    }
}

/// A message that breaks the rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for io::Error {
    fn from(error: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, error.0)
    }
}

pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|_| Malformed("a message whose JSON is not as it should be"))
}

/// A child's first message, once it is restricted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    /// Mechanisms that the kernel lacks, each with the error.
    pub(crate) missing: Vec<String>,
    /// What a GPU decodes, if the child may use one.
    pub(crate) hardware: Option<HardwareInfo>,
}

/// A child's job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Job {
    /// Extract frames.
    Extract(Box<ExtractJob>),
    /// Describe the video of this many bytes.
    Probe(u64),
    /// Compile and check a plugin.
    Check(CheckJob),
}

/// A plugin that was never run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckJob {
    pub(crate) name: String,
    /// Bytes of its component, which follow.
    pub(crate) bytes: u64,
    /// Whether instructions are counted when it is run.
    pub(crate) fuel: bool,
}

/// A plugin of a job; its code follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginJob {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) config: String,
    pub(crate) sha256: Checksum,
    /// Bytes of its code.
    pub(crate) bytes: u64,
    /// Whether the code counts instructions.
    pub(crate) fuel: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtractJob {
    pub(crate) file_name: String,
    pub(crate) size: u64,
    options: OptionsBody,
    /// A rate that is not a decimal, which the options' JSON cannot express.
    rate: Option<(i64, i64)>,
    pub(crate) limits: EngineLimits,
    /// Whether to ask the parent for each name; else members have the service's names.
    pub(crate) asks_names: bool,
    /// The plugins that the frames pass, in order.
    pub(crate) plugins: Vec<PluginJob>,
}

impl PluginJob {
    pub(crate) fn of(plugin: &PluginRun) -> Self {
        let PluginRun { name, version, config, compiled } = plugin;
        Self {
            name: name.clone(),
            version: version.clone(),
            config: config.clone(),
            sha256: compiled.sha256,
            bytes: compiled.code.len() as u64,
            fuel: compiled.metering == Metering::TimeAndFuel,
        }
    }
}

impl ExtractJob {
    /// Returns `None` if the options cannot be expressed in JSON.
    pub(crate) fn new(
        file_name: String,
        size: u64,
        options: &Options,
        limits: EngineLimits,
        asks_names: bool,
    ) -> Option<Self> {
        let rate = match options.select {
            Select::Fps(rate) => Some((rate.num(), rate.den())),
            _ => None,
        };
        let plain = match rate {
            Some(_) => &Options { select: Select::Fps(Rational::whole(1)), ..options.clone() },
            None => options,
        };
        let options_body = OptionsBody::spelled_out(plain);
        let plugins = Vec::new();
        let job = Self { file_name, size, options: options_body, rate, limits, asks_names, plugins };
        (job.options().as_ref() == Ok(options)).then_some(job)
    }

    pub(crate) fn options(&self) -> Result<Options, Malformed> {
        let mut options = self.options.check("").map_err(|_| Malformed("options that are not valid"))?;
        if let Some((num, den)) = self.rate {
            let rate = Rational::new(num.into(), den.into()).filter(|rate| rate.is_positive());
            options.select = Select::Fps(rate.ok_or(Malformed("a rate that is none"))?);
        }
        Ok(options)
    }
}

/// The result of a successful job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Done {
    Extract(Box<Extracted>),
    Probe(Box<VideoInfo>),
    /// The code has been sent.
    Check(Box<Checked>),
    /// What is wrong with the plugin.
    Rejected(String),
}

/// A finished extraction, and the plugins' part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The engine's outcome.
    pub outcome: Outcome,
    /// The records of the plugins, in order.
    pub plugins: Vec<Record>,
}

pub(crate) fn failure(body: &[u8]) -> Result<Failure, Malformed> {
    let Failure { code, message, .. } = json(body)?;
    Ok(Failure::new(code, message))
}

/// Which member of the archive is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberId {
    Image { number: u64, time: Rational, extension: String },
    Other(String),
}

/// Bytes of the texts in a [`MemberId`].
const MAX_TEXT: usize = 32;
const MAX_ID: usize = 1 + 24 + MAX_TEXT;

impl MemberId {
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Image { number, time, extension } => {
                to.push(0);
                to.extend_from_slice(&number.to_le_bytes());
                to.extend_from_slice(&time.num().to_le_bytes());
                to.extend_from_slice(&time.den().to_le_bytes());
                to.extend_from_slice(extension.as_bytes());
            }
            Self::Other(name) => {
                to.push(1);
                to.extend_from_slice(name.as_bytes());
            }
        }
    }

    pub(crate) fn decode(mut body: &[u8]) -> Result<Self, Malformed> {
        let [kind] = take(&mut body)?;
        match kind {
            0 => {
                let number = u64::from_le_bytes(take(&mut body)?);
                let (num, den) = (i64::from_le_bytes(take(&mut body)?), i64::from_le_bytes(take(&mut body)?));
                let time = Rational::new(num.into(), den.into()).ok_or(Malformed("a time that is none"))?;
                Ok(Self::Image { number, time, extension: word(body)? })
            }
            1 => Ok(Self::Other(word(body)?)),
            _ => Err(Malformed("a member of an unknown kind")),
        }
    }
}

fn word(body: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed("a name that is no text"))?;
    if text.len() > MAX_TEXT { Err(Malformed("a name that is too long")) } else { Ok(text.to_owned()) }
}

fn take<const N: usize>(body: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = body.split_first_chunk().ok_or(Malformed("a message that is cut short"))?;
    *body = rest;
    Ok(*first)
}

/// Bytes of a progress message.
const PROGRESS: usize = 37;

fn ended(body: &[u8]) -> Result<(), Malformed> {
    if body.is_empty() { Ok(()) } else { Err(Malformed("a message with more than belongs into it")) }
}

/// The beginning of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberStart {
    pub(crate) size: u64,
    pub(crate) crc: u32,
    /// Pixels across and down, of an image.
    pub(crate) pixels: (u32, u32),
    pub(crate) keyframe: bool,
    pub(crate) id: MemberId,
}

/// Bytes of a [`MemberStart`] before its id.
const START: usize = 21;

impl MemberStart {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(START + MAX_ID);
        body.extend_from_slice(&self.size.to_le_bytes());
        body.extend_from_slice(&self.crc.to_le_bytes());
        body.extend_from_slice(&self.pixels.0.to_le_bytes());
        body.extend_from_slice(&self.pixels.1.to_le_bytes());
        body.push(u8::from(self.keyframe));
        self.id.encode(&mut body);
        body
    }

    pub(crate) fn decode(mut body: &[u8]) -> Result<Self, Malformed> {
        let size = u64::from_le_bytes(take(&mut body)?);
        let crc = u32::from_le_bytes(take(&mut body)?);
        let pixels = (u32::from_le_bytes(take(&mut body)?), u32::from_le_bytes(take(&mut body)?));
        let [keyframe] = take(&mut body)?;
        Ok(Self { size, crc, pixels, keyframe: keyframe != 0, id: MemberId::decode(body)? })
    }
}

const STAGES: [Stage; 4] = [Stage::Opening, Stage::Indexing, Stage::Extracting, Stage::Finishing];

pub(crate) fn encode_progress(progress: &Progress) -> Vec<u8> {
    let stage = STAGES.iter().position(|stage| *stage == progress.stage).unwrap_or(0);
    let mut body = Vec::with_capacity(PROGRESS);
    body.push(stage as u8);
    body.extend_from_slice(&progress.percent.to_le_bytes());
    let frames_expected = progress.frames_expected.unwrap_or(u64::MAX);
    for count in [progress.frames_done, frames_expected, progress.bytes_read, progress.decoded_ms] {
        body.extend_from_slice(&count.to_le_bytes());
    }
    body
}

pub(crate) fn decode_progress(mut body: &[u8]) -> Result<Progress, Malformed> {
    let [stage] = take(&mut body)?;
    let stage = STAGES.get(usize::from(stage)).ok_or(Malformed("an unknown stage"))?;
    let percent = f32::from_le_bytes(take(&mut body)?);
    let [frames_done, frames_expected, bytes_read, decoded_ms] =
        [take(&mut body)?, take(&mut body)?, take(&mut body)?, take(&mut body)?].map(u64::from_le_bytes);
    ended(body)?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(Malformed("a percentage that is none"));
    }
    let frames_expected = Some(frames_expected).filter(|count| *count != u64::MAX);
    Ok(Progress { stage: *stage, percent, frames_done, frames_expected, bytes_read, decoded_ms })
}

pub(crate) fn encode_read(offset: u64, length: u32) -> [u8; 12] {
    let mut body = [0; 12];
    body[..8].copy_from_slice(&offset.to_le_bytes());
    body[8..].copy_from_slice(&length.to_le_bytes());
    body
}

pub(crate) fn decode_read(mut body: &[u8]) -> Result<(u64, usize), Malformed> {
    let (offset, length) = (u64::from_le_bytes(take(&mut body)?), u32::from_le_bytes(take(&mut body)?));
    ended(body)?;
    let length = length as usize;
    if length > MAX_PIECE { Err(Malformed("a read that is too long")) } else { Ok((offset, length)) }
}

/// Encodes the ranges, or as many of them as a message can hold.
pub(crate) fn encode_ranges(ranges: &[Range<u64>]) -> Vec<u8> {
    let ranges = &ranges[..ranges.len().min(MAX_RANGES)];
    ranges.iter().flat_map(|range| [range.start.to_le_bytes(), range.end.to_le_bytes()]).flatten().collect()
}

pub(crate) fn decode_ranges(mut body: &[u8]) -> Result<Vec<Range<u64>>, Malformed> {
    let mut ranges = Vec::new();
    while !body.is_empty() {
        let range = u64::from_le_bytes(take(&mut body)?)..u64::from_le_bytes(take(&mut body)?);
        if range.is_empty() {
            return Err(Malformed("an announced range without bytes"));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_arrive_as_they_were_sent() {
        let rate = Rational::new(30000, 1001).unwrap();
        for select in [Select::Fps(rate), Select::Keyframes, Select::Count(7)] {
            let options = Options { select, ..Options::default() };
            let job = ExtractJob::new("a".into(), 1, &options, EngineLimits::default(), false).unwrap();
            let json = serde_json::to_vec(&Job::Extract(Box::new(job))).unwrap();
            let Job::Extract(job) = super::json(&json).unwrap() else { panic!("another job") };
            assert_eq!(job.options(), Ok(options));
            assert_eq!(job.limits, EngineLimits::default());
        }
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = crate::framing::Frames::new(bytes.as_slice());
            while frames.next().is_ok() {}
            let _ = (MemberStart::decode(&bytes), decode_progress(&bytes), decode_read(&bytes));
            let _ = (decode_ranges(&bytes), failure(&bytes), json::<Done>(&bytes), json::<Hello>(&bytes));
        }

        #[test]
        fn members_and_progress_come_back(
            size: u64, crc: u32, number: u64, num: i64, den in 1..i64::MAX, percent in 0.0_f32..100.0,
            expected in proptest::option::of(0..u64::MAX),
        ) {
            let time = Rational::new(num.into(), den.into()).unwrap_or(Rational::ZERO);
            let id = MemberId::Image { number, time, extension: "jpg".into() };
            let start = MemberStart { size, crc, pixels: (crc, 7), keyframe: crc % 2 == 0, id };
            prop_assert_eq!(MemberStart::decode(&start.encode()), Ok(start));
            let progress = Progress {
                stage: Stage::Finishing, percent, frames_done: number, frames_expected: expected, bytes_read: size,
                decoded_ms: size,
            };
            prop_assert_eq!(decode_progress(&encode_progress(&progress)), Ok(progress));
        }
    }
}
