//! Detects where the clock of a container restarts: in joined recordings, and where an encoder was restarted.
//!
//! Pictures are decoded in the order of the file, and none is shown before it is decoded. So a packet breaks
//! the clock if both its decoding and its presentation time lie before an earlier packet's decoding time. The
//! packet after it decides: if it continues from there, a new stretch has begun; if it continues the old
//! clock, the times of one packet were wrong. A break at the last packet also counts as one wrong packet.

use std::collections::VecDeque;

use crate::ffi::{Packet, StreamInfo};

/// Containers whose timestamps have 33 bits (ISO/IEC 13818-1, 2.4.3.7).
const WRAPPING: &[&str] = &["mpegts", "mpeg"];
/// Ticks after which those start at 0 again.
const CLOCK_WRAP_TICKS: i64 = 1 << 33;

/// Numbers the stretches of the clock: [`Packet::stretch`].
pub(super) struct Stretches {
    /// Ticks after which timestamps start at 0 again.
    wrap: Option<i64>,
    /// Whether pictures are decoded in another order than that in which they are shown.
    reorders: bool,
    /// The number of the stretch that is being read.
    number: u32,
    /// The latest decoding time in it.
    decoded: Option<i64>,
    /// The one before that.
    before: Option<i64>,
    /// A packet that breaks the clock, kept until the next packet with a time decides; packets behind it have
    /// no times.
    doubtful: VecDeque<Packet>,
    ready: VecDeque<Packet>,
}

impl Stretches {
    pub(super) fn new(info: &StreamInfo) -> Self {
        Self {
            wrap: WRAPPING.contains(&info.container.as_str()).then_some(CLOCK_WRAP_TICKS),
            reorders: info.reorders,
            number: 0,
            decoded: None,
            before: None,
            doubtful: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes the next packet of the file.
    pub(super) fn push(&mut self, packet: Packet) {
        if Self::time(&packet).is_none() && !self.doubtful.is_empty() {
            self.doubtful.push_back(packet);
            return;
        }
        let breaks = self.breaks(&packet);
        if let Some(first) = self.doubtful.front().and_then(Self::time) {
            if breaks && Self::time(&packet).is_some_and(|at| self.is_before(first, at)) {
                let outlier = self.before.is_some_and(|before| self.is_before(before, first));
                self.number += u32::from(!outlier);
                (self.decoded, self.before) = (None, None);
            }
            self.settle();
            // It is judged again: by the new stretch, or as another break of the old one.
            self.push(packet);
        } else if breaks {
            self.doubtful.push_back(packet);
        } else {
            self.take(packet);
        }
    }

    /// Returns the next packet whose stretch is certain.
    pub(super) fn pop(&mut self) -> Option<Packet> {
        self.ready.pop_front()
    }

    /// Returns the next packet at the end of the file: if the last one breaks the clock, its timestamp counts
    /// as wrong.
    pub(super) fn pop_rest(&mut self) -> Option<Packet> {
        self.settle();
        self.pop()
    }

    /// Assigns the doubtful packets to the current stretch.
    fn settle(&mut self) {
        while let Some(packet) = self.doubtful.pop_front() {
            self.take(packet);
        }
    }

    fn take(&mut self, mut packet: Packet) {
        let decoded = packet.dts().or(packet.pts().filter(|_| !self.reorders));
        if let Some(decoded) = decoded
            && self.decoded.is_none_or(|latest| self.is_before(latest, decoded))
        {
            self.before = self.decoded.replace(decoded);
        }
        packet.set_stretch(self.number);
        self.ready.push_back(packet);
    }

    fn breaks(&self, packet: &Packet) -> bool {
        let before = |at: i64| self.decoded.is_some_and(|decoded| self.is_before(at, decoded));
        Self::time(packet).is_some() && [packet.dts(), packet.pts()].into_iter().flatten().all(before)
    }

    /// Whether one timestamp lies before another: where they wrap, the shorter way round counts.
    fn is_before(&self, a: i64, b: i64) -> bool {
        match self.wrap {
            Some(wrap) => a.wrapping_sub(b).rem_euclid(wrap) > wrap / 2,
            None => a < b,
        }
    }

    /// The decoding time of a packet, if it has one.
    fn time(packet: &Packet) -> Option<i64> {
        packet.dts().or(packet.pts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::tests::streams::Stream;

    /// The stretches of the packets of a stream, as runs: (stretch, packets).
    fn runs(container: &str, times: &[(i64, i64)]) -> Vec<(u32, usize)> {
        let info = StreamInfo { container: container.to_owned(), ..Stream::make("ts", 3, "-c:v mpeg4").info };
        let mut stretches = Stretches::new(&info);
        let mut runs: Vec<(u32, usize)> = Vec::new();
        let mut count = |packet: Packet| match runs.last_mut() {
            Some((stretch, packets)) if *stretch == packet.stretch() => *packets += 1,
            _ => runs.push((packet.stretch(), 1)),
        };
        for (dts, pts) in times {
            stretches.push(Packet::timed(*dts, *pts));
            while let Some(packet) = stretches.pop() {
                count(packet);
            }
        }
        while let Some(packet) = stretches.pop_rest() {
            count(packet);
        }
        runs
    }

    /// A group of four pictures, of which the second one is shown last.
    fn group(from: i64) -> impl Iterator<Item = (i64, i64)> {
        [(0, 1), (1, 4), (2, 2), (3, 3)].into_iter().map(move |(dts, pts)| (from + dts, from + pts))
    }

    #[test]
    fn a_clock_that_goes_back_for_good_starts_a_stretch() {
        let parts = |starts: &[i64]| starts.iter().flat_map(|start| group(*start)).collect::<Vec<_>>();
        assert_eq!(runs("mov", &parts(&[0, 4, 8, 12])), [(0, 16)]);
        assert_eq!(runs("mov", &parts(&[0, 4, 0, 4, 8, 2])), [(0, 8), (1, 12), (2, 4)]);
        // It may start later as well, and only a gap is seen.
        assert_eq!(runs("mov", &parts(&[0, 4, 1000])), [(0, 12)]);
        // The shortest stretches that can be told from a wrong timestamp.
        let three = [(0, 0), (1, 1), (2, 2)];
        assert_eq!(runs("flv", &[three; 3].concat()), [(0, 3), (1, 3), (2, 3)]);
    }

    #[test]
    fn single_wrong_times_are_no_stretch() {
        for wrong in [(4, 4), (0, 0), (5, 5), (90, 0), (0, 90), (90, 90)] {
            let times = [(4, 4), (5, 5), wrong, (7, 7), (8, 8), (9, 9)];
            assert_eq!(runs("mov", &times), [(0, 6)], "{wrong:?}");
        }
        assert_eq!(runs("mov", &[(4, 4), (5, 5), (3, 3), (2, 2), (8, 8), (1, 1)]), [(0, 6)]);
    }

    #[test]
    fn timestamps_that_wrap_go_on() {
        let end = CLOCK_WRAP_TICKS - 2;
        assert_eq!(runs("mpegts", &[(end, end), (end + 1, end + 1), (0, 0), (1, 1)]), [(0, 4)]);
        assert_eq!(
            runs("mpegts", &[(end, end), (end + 1, end + 1), (CLOCK_WRAP_TICKS, CLOCK_WRAP_TICKS)]),
            [(0, 3)]
        );
        assert_eq!(runs("mov", &[(end, end), (end + 1, end + 1), (0, 0), (1, 1)]), [(0, 2), (1, 2)]);
        // A step back that was taken for a wrap on the way here.
        assert_eq!(
            runs(
                "mpegts",
                &[
                    (900, 900),
                    (901, 901),
                    (CLOCK_WRAP_TICKS, CLOCK_WRAP_TICKS),
                    (CLOCK_WRAP_TICKS + 1, CLOCK_WRAP_TICKS + 1)
                ]
            ),
            [(0, 2), (1, 2)]
        );
    }
}
