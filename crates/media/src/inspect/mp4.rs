//! The claims of MP4 and QuickTime files: samples, edits and fragments (ISO/IEC 14496-12).
//!
//! Boxes are found as FFmpeg finds them, by their names alone, wherever they are.

mod edits;

use std::io::Read as _;

use super::{Findings, Refused, sample_limit};
use crate::window::Window;
use crate::words::count;
use crate::{MemorySource, Source};

/// FFmpeg's own limit on nesting.
const MAX_DEPTH: u32 = 11;
/// Samples of constant size, which take no space in a table, that are allowed beyond what the file's size
/// accounts for.
const SPARE_SAMPLES: u64 = 300_000;
/// The most entries of an edit list, and the most samples that they may repeat in total.
const MAX_EDITS: u64 = 1000;
const MAX_REPEATED: u64 = 10_000_000;
/// The most fragments, and the most records that they need in total, one for each track.
const MAX_FRAGMENTS: u64 = 100_000;
const MAX_RECORDS: u64 = 2_000_000;
/// Bytes of a compressed header once it is inflated; a movie of an hour has less than one.
const MAX_INFLATED: u32 = 16 << 20;

/// Reads the claims of the file.
pub(super) fn inspect(source: &mut dyn Source) -> Result<Findings, Refused> {
    let size = source.size();
    let mut claims = Claims { size, ..Claims::default() };
    claims.walk(&mut Window::new(source), 0..size, 0)?;
    claims.end_track(None)?;
    Ok(claims.findings)
}

/// What was claimed so far.
#[derive(Default)]
struct Claims {
    /// The file's length in bytes.
    size: u64,
    findings: Findings,
    track: Track,
    tracks: u64,
    samples: u64,
    fragments: u64,
}

/// What the boxes of one track claim.
#[derive(Default)]
struct Track {
    is_sound: bool,
    is_video: bool,
    /// Samples, and the size of each if it is constant.
    samples: u64,
    constant: u64,
    chunks: u64,
    edits: u64,
    /// What FFmpeg does not reproduce exactly about its edit list.
    odd_edits: Option<&'static str>,
    /// Whether each sample lasts one tick; FFmpeg then indexes them by chunks.
    ticks: bool,
    /// Samples in each chunk from a first one on.
    runs: Vec<(u64, u64)>,
    /// The range of the composition offset table, and its number of runs.
    offsets: Option<(u64, u64)>,
    has_sync_groups: bool,
}

impl Claims {
    fn walk(
        &mut self,
        window: &mut Window<'_>,
        range: std::ops::Range<u64>,
        depth: u32,
    ) -> Result<(), Refused> {
        let mut at = range.start;
        while range.end.saturating_sub(at) >= 8 {
            let Some([a, b, c, d, kind @ ..]) = window.array::<8>(at)? else { break };
            let (header, length) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, range.end - at),
                1 => match window.array(at + 8)? {
                    Some(long) => (16, u64::from_be_bytes(long)),
                    None => break,
                },
                length => (8, u64::from(length)),
            };
            if length < header {
                break;
            }
            let end = at.saturating_add(length).min(range.end);
            self.found(window, &kind, at + header..end, depth)?;
            at = end;
        }
        Ok(())
    }

    fn found(
        &mut self,
        window: &mut Window<'_>,
        kind: &[u8; 4],
        body: std::ops::Range<u64>,
        depth: u32,
    ) -> Result<(), Refused> {
        let at = body.start;
        let is_header = match kind {
            // FFmpeg also looks for a header in free space.
            b"free" | b"hoov" => {
                window.array(at + 4)?.is_some_and(|inner| [*b"mvhd", *b"cmov"].contains(&inner))
            }
            _ => false,
        };
        match kind {
            _ if is_header => self.walk(window, body, depth + 1)?,
            b"moov" | b"edts" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"traf" | b"udta" | b"dinf"
            | b"tref" | b"sinf" | b"schi"
                if depth < MAX_DEPTH =>
            {
                self.walk(window, body, depth + 1)?;
            }
            b"trak" if depth < MAX_DEPTH => {
                self.end_track(Some(window))?;
                self.tracks += 1;
                self.walk(window, body, depth + 1)?;
                self.end_track(Some(window))?;
            }
            b"moof" if depth < MAX_DEPTH => {
                self.fragment(1)?;
                self.walk(window, body, depth + 1)?;
            }
            b"sidx" => {
                let version = window.array::<1>(at)?.map_or(0, |[version]| version);
                let references = window.array::<2>(at + if version == 0 { 22 } else { 30 })?;
                self.fragment(references.map_or(0, u16::from_be_bytes).into())?;
            }
            b"trun" => {
                let samples = window.u32(at + 4)?.unwrap_or(0);
                self.add_samples(samples.into())?;
            }
            b"cmov" => self.compressed(window, body, depth)?,
            b"hdlr" => match window.array(at + 8)?.as_ref() {
                Some(b"soun") => self.track.is_sound = true,
                Some(b"vide") => self.track.is_video = true,
                _ => {}
            },
            b"elst" => {
                let long = window.array::<1>(at)? == Some([1]);
                let room = (body.end - at).saturating_sub(8) / if long { 20 } else { 12 };
                self.track.edits = self.track.edits.max(room);
                let entries = u64::from(window.u32(at + 4)?.unwrap_or(0)).min(room);
                self.track.odd_edits = edits::odd(window, at + 8, entries, long)?;
            }
            _ => self.table(window, kind, body)?,
        }
        Ok(())
    }

    /// A table of a track's samples.
    fn table(
        &mut self,
        window: &mut Window<'_>,
        kind: &[u8; 4],
        body: std::ops::Range<u64>,
    ) -> Result<(), Refused> {
        let at = body.start;
        let room = body.end.saturating_sub(at);
        match kind {
            b"stsz" | b"stz2" => {
                self.track.samples = u64::from(window.u32(at + 8)?.unwrap_or(0));
                let constant = if kind == b"stsz" { window.u32(at + 4)? } else { None };
                self.track.constant = constant.unwrap_or(0).into();
            }
            b"stts" => {
                let (entries, ticks) = (window.u32(at + 4)?, window.u32(at + 12)?);
                self.track.ticks = entries == Some(1) && ticks == Some(1);
            }
            b"stco" | b"co64" => self.track.chunks = window.u32(at + 4)?.unwrap_or(0).into(),
            b"stsc" => {
                let entries = u64::from(window.u32(at + 4)?.unwrap_or(0)).min(room / 12);
                self.track.runs.clear();
                // Only FFmpeg's handling of uncompressed sound depends on them.
                for entry in 0..if self.track.is_sound { entries } else { 0 } {
                    let from = at + 8 + entry * 12;
                    let (Some(first), Some(samples)) = (window.u32(from)?, window.u32(from + 4)?) else {
                        break;
                    };
                    self.track.runs.push((first.into(), samples.into()));
                }
            }
            b"ctts" => {
                let runs = u64::from(window.u32(at + 4)?.unwrap_or(0)).min(room / 8);
                self.track.offsets = Some((at + 8, runs));
            }
            b"sbgp" if window.array::<4>(at + 4)? == Some(*b"sync") => {
                self.track.has_sync_groups = true;
                let version = window.array::<1>(at)?.map_or(0, |[version]| version);
                let table = at + if version == 1 { 12 } else { 8 };
                let entries = u64::from(window.u32(table)?.unwrap_or(0)).min(room / 8);
                self.runs(window, table + 4, entries)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds up runs of samples that FFmpeg writes out one by one.
    fn runs(&self, window: &mut Window<'_>, table: u64, entries: u64) -> Result<(), Refused> {
        let mut samples = 0_u64;
        for entry in 0..entries {
            samples += u64::from(window.u32(table + entry * 8)?.unwrap_or(0));
        }
        self.allow(samples)
    }

    /// A header within a header, deflated (QuickTime).
    fn compressed(
        &mut self,
        window: &mut Window<'_>,
        body: std::ops::Range<u64>,
        depth: u32,
    ) -> Result<(), Refused> {
        // `dcom` with the method, then `cmvd` with the length.
        let Some(inflated) = window.u32(body.start + 20)? else { return Ok(()) };
        let deflated = body.end.saturating_sub(body.start + 24);
        if inflated > MAX_INFLATED || deflated > MAX_INFLATED.into() || depth >= MAX_DEPTH {
            return Err(Refused::Claim(format!(
                "the MP4's compressed header claims {inflated} bytes, more than the {MAX_INFLATED} that are taken"
            )));
        }
        let mut bytes = Vec::new();
        for at in body.start + 24..body.end {
            let Some([byte]) = window.array(at)? else { break };
            bytes.push(byte);
        }
        let mut header = Vec::new();
        let inflating = flate2::read::ZlibDecoder::new(&bytes[..]).take(inflated.into());
        // FFmpeg refuses what cannot be inflated.
        if { inflating }.read_to_end(&mut header).is_ok() {
            let end = header.len() as u64;
            self.walk(&mut Window::new(&mut MemorySource(header.into())), 0..end, depth + 1)?;
            self.end_track(None)?;
        }
        Ok(())
    }

    /// Checks the track that was read. The window is for tables that are rarely needed.
    fn end_track(&mut self, window: Option<&mut Window<'_>>) -> Result<(), Refused> {
        let track = std::mem::take(&mut self.track);
        let samples = if track.is_sound && track.ticks {
            track.by_chunks()
        } else {
            let held = self.size.checked_div(track.constant).unwrap_or(u64::MAX);
            if track.samples > held.saturating_mul(2).saturating_add(SPARE_SAMPLES) {
                return Err(
                    self.too_many(track.samples, held.saturating_mul(2).saturating_add(SPARE_SAMPLES))
                );
            }
            track.samples
        };
        self.add_samples(samples)?;
        if let (true, Some((table, runs)), Some(window)) = (track.has_sync_groups, track.offsets, window) {
            self.runs(window, table, runs)?;
        }
        if let Some(odd) = track.odd_edits.filter(|_| track.is_video) {
            self.findings.without_edits = true;
            self.findings.warnings.push(format!(
                "the video's edit list {odd}; it was left out, and frames are given as they are stored"
            ));
        }
        let repeated = track.edits.saturating_mul(samples);
        if track.edits > MAX_EDITS || track.edits > 1 && repeated > MAX_REPEATED {
            self.findings.without_edits = true;
            self.findings.warnings.push(format!(
                "the edit list of {} for {} is too long; it was left out, and frames are given as they are stored",
                count(track.edits, "entry").replace("entrys", "entries"),
                count(samples, "sample"),
            ));
        }
        Ok(())
    }

    fn add_samples(&mut self, samples: u64) -> Result<(), Refused> {
        self.samples = self.samples.saturating_add(samples);
        self.allow(self.samples)
    }

    fn allow(&self, samples: u64) -> Result<(), Refused> {
        let most = sample_limit(self.size);
        if samples > most { Err(self.too_many(samples, most)) } else { Ok(()) }
    }

    fn too_many(&self, samples: u64, most: u64) -> Refused {
        Refused::Claim(format!(
            "the MP4's sample tables claim {samples} samples, more than the {most} that are taken from a file of {}",
            count(self.size, "byte")
        ))
    }

    fn fragment(&mut self, more: u64) -> Result<(), Refused> {
        self.fragments += more;
        let records = self.fragments.saturating_mul(self.tracks.max(1));
        if self.fragments > MAX_FRAGMENTS || records > MAX_RECORDS {
            return Err(Refused::Claim(format!(
                "the MP4 has {} of {}, more than are taken",
                count(self.fragments, "fragment"),
                count(self.tracks, "track")
            )));
        }
        Ok(())
    }
}

impl Track {
    /// Entries of the index of uncompressed sound, which has one for every 1024 samples of a chunk.
    fn by_chunks(&self) -> u64 {
        let ends = self.runs.iter().skip(1).map(|run| run.0).chain([self.chunks + 1]);
        let entries = self.runs.iter().zip(ends).map(|((first, samples), end)| {
            // FFmpeg corrects runs that are out of order; the chunks are then the upper bound.
            let chunks = end.checked_sub(*first).unwrap_or(self.chunks).min(self.chunks);
            chunks.saturating_mul(samples.div_ceil(1024))
        });
        entries.fold(0, u64::saturating_add)
    }
}
