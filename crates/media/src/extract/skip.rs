//! Skips unreferenced pictures before the decoder sees them.
//!
//! Whether such a picture is wanted depends on how long it is on screen, that is, on when the next one in
//! presentation order is shown. Packets come in decoding order, so a few of them are held back.

use std::collections::VecDeque;

use crate::bitstream::{Bitstream, Picture};
use crate::ffi::{Packet, StreamInfo};

/// The number of packets examined on each side of one: no codec reorders pictures by more than 16.
const WINDOW: usize = 20;

/// Holds packets back and tells from when to when each picture is on screen.
pub(super) struct Skipper {
    /// `None` if no picture can be skipped, or once that is uncertain.
    bitstream: Option<Bitstream>,
    /// Whether the coding order of pictures differs from their presentation order.
    reorders: bool,
    /// Packets held back.
    window: usize,
    waiting: VecDeque<(Packet, Picture)>,
    /// The analysis of the packet returned last.
    current: Option<Picture>,
    /// Presentation timestamps of pictures that have passed, where they had one.
    passed: VecDeque<Option<i64>>,
}

impl Skipper {
    /// A skipper for a stream; with `idle` it skips nothing.
    pub(super) fn new(info: &StreamInfo, idle: bool) -> Self {
        let bitstream = Bitstream::new(&info.codec, &info.extradata);
        Self {
            // Intra-only codecs code pictures in presentation order.
            window: if bitstream.is_intra() { 1 } else { WINDOW },
            reorders: info.reorders,
            bitstream: Some(bitstream).filter(|bitstream| bitstream.may_drop() && !idle),
            waiting: VecDeque::new(),
            current: None,
            passed: VecDeque::new(),
        }
    }

    /// Takes the next packet in decoding order.
    pub(super) fn push(&mut self, packet: Packet) {
        let picture = self.parse(&packet);
        self.waiting.push_back((packet, picture));
    }

    fn parse(&mut self, packet: &Packet) -> Picture {
        // Around a restart of the clock only decoding tells when pictures are shown. A header or palette also
        // applies to later pictures.
        if packet.stretch() > 0 || packet.has_new_header() || packet.has_palette() {
            self.bitstream = None;
        }
        let Some(bitstream) = &mut self.bitstream else { return Picture::UNCLEAR };
        let picture = bitstream.parse(packet.data());
        if packet.is_damaged() { Picture::UNCLEAR } else { picture }
    }

    /// Returns the next packet whose neighbours are known.
    pub(super) fn pop(&mut self) -> Option<Packet> {
        let held_back = if self.bitstream.is_some() { self.window } else { 0 };
        if self.waiting.len() > held_back { self.pop_rest() } else { None }
    }

    /// Returns the next packet at the end of the video.
    pub(super) fn pop_rest(&mut self) -> Option<Packet> {
        let (packet, picture) = self.waiting.pop_front()?;
        self.current = Some(picture);
        Some(packet)
    }

    /// Notes that the packet was decoded or skipped.
    pub(super) fn passed(&mut self, packet: &Packet) {
        let shown = self.current.is_some_and(|picture| picture.shown) || packet.pts().is_none();
        if self.bitstream.is_some() && shown && !packet.is_hidden() {
            self.passed.push_back(packet.pts());
            if self.passed.len() > WINDOW {
                self.passed.pop_front();
            }
        }
    }

    /// Returns the timestamps between which the picture of the last returned packet is on screen; `None` if
    /// that is uncertain or other pictures refer to it.
    pub(super) fn on_screen(&self, packet: &Packet) -> Option<(i64, i64)> {
        let bitstream = self.bitstream.as_ref()?;
        let pts = packet.pts()?;
        let sync = packet.is_key() && !bitstream.is_intra();
        if packet.is_hidden() || sync || !self.current?.droppable {
            return None;
        }
        let (mut next, mut leads) = (None, false);
        let mut shown = |at: i64| {
            if at > pts {
                next = Some(next.map_or(at, |next: i64| next.min(at)));
            }
        };
        for (other, picture) in &self.waiting {
            // Without its timestamp it might be shown in between.
            let at = other.pts()?;
            if picture.shown && !other.is_hidden() {
                shown(at);
            }
        }
        for at in &self.passed {
            let at = (*at)?;
            leads |= at > pts;
            shown(at);
        }
        // Some containers store timestamps in coding order: then unreferenced pictures seem to be shown late.
        next.filter(|_| leads == self.reorders).map(|next| (pts, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::tests::streams::Stream;
    use crate::extract::stretches::Stretches;

    const X264: &str = "-c:v libx264 -preset veryfast -g 24 -bf 3 -x264-params b-adapt=0";

    /// What is said of a stream's packets, all of which come out.
    fn intervals(stream: &mut Stream) -> Vec<(i64, i64)> {
        let mut skipper = Skipper::new(&stream.info, false);
        let (mut found, mut out) = (Vec::new(), 0);
        let mut take = |skipper: &mut Skipper, packet: &Packet| {
            found.extend(skipper.on_screen(packet));
            skipper.passed(packet);
            out += 1;
        };
        let count = stream.packets.len();
        for packet in stream.packets.drain(..) {
            skipper.push(packet);
            while let Some(packet) = skipper.pop() {
                take(&mut skipper, &packet);
            }
        }
        while let Some(packet) = skipper.pop_rest() {
            take(&mut skipper, &packet);
        }
        assert_eq!(out, count);
        found
    }

    /// At least so many pictures of a stream may be left out, and each is on screen until the
    /// next frame that a decoder gives.
    fn check(container: &str, encoder: &str, least: usize) {
        let mut stream = Stream::make(container, 75, encoder);
        let intervals = intervals(&mut stream);
        assert!(intervals.len() >= least, "{container} {encoder}: {}", intervals.len());
        let frames: Vec<i64> = stream.frames.iter().map(|(pts, _)| *pts).collect();
        for (from, until) in intervals {
            let next = frames.windows(2).find(|pair| pair[0] == from).map(|pair| pair[1]);
            assert_eq!(next, Some(until), "{container} {encoder}: from {from}");
        }
    }

    #[test]
    fn pictures_are_on_screen_until_the_next() {
        for container in ["mp4", "ts", "mkv", "flv"] {
            check(container, X264, 30);
        }
        check("mp4", &format!("{X264}:open-gop=1 -flags +ildct+ilme"), 30);
        check("ts", "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:b-adapt=0", 30);
        check("mp4", "-c:v libsvtav1 -preset 10 -g 24", 15);
        check("ts", "-c:v mpeg2video -g 12 -bf 2", 40);
        check("mp4", "-c:v mpeg4 -g 12 -bf 2", 40);
        check("mov", "-c:v mjpeg -pix_fmt yuvj420p", 70);
        check("mkv", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8", 0);
    }

    /// Frames that are packets and are not shown end nothing.
    #[test]
    fn hidden_frames_do_not_count() {
        let layers = "-error-resilient default -ts-parameters ts_number_layers=3:\
                      ts_target_bitrate=200,400,800:ts_rate_decimator=4,2,1:ts_periodicity=4:\
                      ts_layer_id=0,2,1,2:ts_layering_mode=3";
        check("webm", &format!("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 800k {layers}"), 15);
        let encoder = "-c:v libvpx -cpu-used 5 -b:v 800k -g 40 -auto-alt-ref 1 -lag-in-frames 16";
        let mut stream = Stream::make_in_two_passes("webm", 75, encoder);
        assert!(stream.packets.len() > stream.frames.len(), "{} packets", stream.packets.len());
        let mut skipper = Skipper::new(&stream.info, false);
        for packet in stream.packets.drain(..) {
            skipper.push(packet);
            if let Some(packet) = skipper.pop() {
                skipper.passed(&packet);
                let shown = |at: &Option<i64>| stream.frames.iter().any(|(pts, _)| Some(*pts) == *at);
                assert!(skipper.passed.iter().all(shown));
            }
        }
    }

    /// A muxer that takes the order of coding for that of presentation.
    #[test]
    fn nothing_is_certain_where_times_do_not_fit_the_order() {
        let mut stream = Stream::make("mp4", 75, "-c:v libxvid -q:v 3 -g 12 -bf 2");
        assert!(stream.places(|picture| picture.droppable).len() > 30);
        assert_eq!(intervals(&mut stream), []);
        let mut stream = Stream::make("avi", 75, X264);
        assert!(stream.packets.iter().any(|packet| packet.pts().is_none()));
        assert_eq!(intervals(&mut stream), []);
    }

    #[test]
    fn nothing_is_left_out_once_the_clock_has_started_anew() {
        let first = Stream::make("ts", 75, &format!("{X264} -output_ts_offset 60"));
        let start = first.frames[0].0;
        let mut joined = Stream::read([first.bytes, Stream::make("ts", 75, X264).bytes].concat());
        let mut stretches = Stretches::new(&joined.info);
        joined.packets.drain(..).for_each(|packet| stretches.push(packet));
        joined.packets = std::iter::from_fn(|| stretches.pop_rest()).collect();
        assert!(joined.frames.iter().any(|(pts, _)| *pts < start));
        let intervals = intervals(&mut joined);
        assert!(!intervals.is_empty());
        assert!(intervals.iter().all(|(from, until)| start <= *from && from < until));
    }
}
