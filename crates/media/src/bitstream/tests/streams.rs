//! Real streams: made by the `ffmpeg` program, read and decoded by the crate's own FFmpeg.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::process::Command;

use crate::bitstream::{Bitstream, Picture};
use crate::ffi::{Decoded, Decoder, Frame, Input, Packet, Processor, StreamInfo, Threading};
use crate::watch::Watch;
use crate::{EngineLimits, MemorySource};

/// A decoded frame: when it is shown, and a digest of its samples.
pub(crate) type Shown = (i64, u64);

/// All packets of a stream, with what is said of them.
pub(crate) struct Stream {
    pub(crate) info: StreamInfo,
    pub(crate) packets: Vec<Packet>,
    pub(crate) pictures: Vec<Picture>,
    /// What a decoder of all packets shows.
    pub(crate) frames: Vec<Shown>,
    pub(crate) bytes: Vec<u8>,
}

impl Stream {
    /// Encodes `frames` pictures of a moving test card with ffmpeg's `arguments`.
    pub(crate) fn make(container: &str, frames: u32, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip").with_extension(container);
        encode(frames, arguments, &path);
        Self::read(std::fs::read(&path).unwrap())
    }

    /// As [`Stream::make`], by an encoder that looks at all pictures before.
    pub(crate) fn make_in_two_passes(container: &str, frames: u32, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip").with_extension(container);
        let log = folder.path().join("log");
        for pass in 1..=2 {
            let arguments = format!("{arguments} -passlogfile {} -pass {pass} -y", log.display());
            encode(frames, &arguments, &path);
        }
        Self::read(std::fs::read(&path).unwrap())
    }

    pub(crate) fn read(bytes: Vec<u8>) -> Self {
        let (info, packets) = with_input(&bytes, |input| {
            let mut packets = Vec::new();
            loop {
                let mut packet = Packet::new().unwrap();
                if !input.read(&mut packet).unwrap() {
                    return (input.info().clone(), packets);
                }
                packets.push(packet);
            }
        });
        let mut bitstream = Bitstream::new(&info.codec, &info.extradata);
        let pictures = packets.iter().map(|packet| bitstream.parse(packet.data())).collect();
        let mut stream = Self { info, packets, pictures, frames: Vec::new(), bytes };
        stream.frames = stream.decode(|_| true);
        stream
    }

    /// What a fresh decoder shows of the packets that `keep` says, by their place.
    pub(crate) fn decode(&self, keep: impl Fn(usize) -> bool) -> Vec<Shown> {
        with_input(&self.bytes, |input| {
            let mut decoder = input.decoder(Processor::Cpu(1, Threading::OnePicture), u64::MAX).unwrap();
            let mut shown = Vec::new();
            for (_, packet) in self.packets.iter().enumerate().filter(|(i, _)| keep(*i)) {
                let _ = decoder.send(packet, 0);
                drain(&mut decoder, &mut shown);
            }
            let _ = decoder.send_end();
            drain(&mut decoder, &mut shown);
            shown
        })
    }

    pub(crate) fn pts(&self, place: usize) -> i64 {
        self.packets[place].pts().unwrap()
    }

    /// The places of the packets of which `what` holds.
    pub(crate) fn places(&self, what: impl Fn(&Picture) -> bool) -> Vec<usize> {
        (0..self.pictures.len()).filter(|place| what(&self.pictures[*place])).collect()
    }
}

fn encode(frames: u32, arguments: &str, path: &Path) {
    let source = "testsrc2=size=192x112:rate=25,noise=alls=4:all_seed=7,format=yuv420p";
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source])
        .args(["-frames:v", &frames.to_string()])
        .args(arguments.split_whitespace())
        .arg(path)
        .status()
        .expect("the ffmpeg program makes the test's videos");
    assert!(status.success(), "ffmpeg {arguments} failed");
}

fn drain(decoder: &mut Decoder, shown: &mut Vec<Shown>) {
    loop {
        match decoder.receive() {
            Ok(Decoded::Frame(frame)) => {
                shown.push((frame.pts().unwrap_or(i64::MIN), digest(&frame)));
            }
            Ok(Decoded::NeedsPacket | Decoded::End) | Err(_) => return,
        }
    }
}

fn digest(frame: &Frame) -> u64 {
    let mut hasher = DefaultHasher::new();
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let planes = frame.planes_420().expect("the clips are in 8-bit 4:2:0");
    for ((plane, stride), half) in planes.planes.into_iter().zip([false, true, true]) {
        let (width, height) = if half { (width.div_ceil(2), height.div_ceil(2)) } else { (width, height) };
        for row in plane.chunks(stride).take(height) {
            row[..width].hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn with_input<T>(bytes: &[u8], run: impl FnOnce(&mut Input<'_>) -> T) -> T {
    let limits = EngineLimits::default();
    let watch = Watch::new(&(), &limits);
    let source = Box::new(MemorySource(bytes.into()));
    run(&mut Input::open(source, None, &limits, &watch).unwrap())
}
