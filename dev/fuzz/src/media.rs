//! What users upload, as the engine's own parsers and the whole engine see it, and what a decoder taken over by it sends.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

use framelift_domain::{Options, Select};
use framelift_media::{
    Archive as _, EngineLimits, ExtractError, HardwareUse, Member, MemorySource, Output, Request, Zip,
    fuzzing,
};
use zip::ZipArchive;

use crate::take;

const CODECS: [&str; 8] = ["h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "mjpeg"];

/// What MP4 and Matroska claim, read by our own parsers. The last byte chooses the container.
pub(crate) fn claims(input: &[u8]) -> bool {
    let Some((last, file)) = input.split_last() else { return false };
    fuzzing::claims(if last % 2 == 0 { "mov" } else { "matroska" }, file)
}

/// What a decoder's process sends to its parent, which arrives in pieces of the length that the first byte says.
pub(crate) fn child(input: &[u8]) -> bool {
    let Some((first, sent)) = input.split_first() else { return false };
    let whole = framelift_sandbox::fuzzing::child(sent, sent.len().max(1));
    let length = usize::from(*first) + 1;
    assert_eq!(framelift_sandbox::fuzzing::child(sent, length), whole, "in pieces of {length} bytes");
    whole
}

/// Packets of each codec as our own readers see them. The first byte chooses the codec, the second says how
/// long the container's header for it is, and packets end at 0xfe.
pub(crate) fn pictures(input: &[u8]) -> bool {
    let [codec, header, rest @ ..] = input else { return false };
    let (header, packets) = rest.split_at(usize::from(*header).min(rest.len()));
    let packets: Vec<_> = packets.split(|byte| *byte == 0xfe).collect();
    fuzzing::pictures(CODECS[usize::from(*codec) % CODECS.len()], header, &packets)
}

/// A whole file: recognised, inspected, opened, decoded and written, in little memory.
pub(crate) fn containers(input: &[u8]) -> bool {
    let limits = EngineLimits {
        max_pixels: 1 << 20,
        max_memory: 64 << 20,
        max_frames: 20,
        max_output_bytes: 16 << 20,
        threads: 1,
        hardware: HardwareUse::Never,
        ..EngineLimits::default()
    };
    let select = if input.len().is_multiple_of(2) { Select::All } else { Select::Count(3) };
    let options = Options { select, ..Options::default() };
    let mut archive = Vec::new();
    let request = Request {
        source: Box::new(MemorySource(input.to_vec().into())),
        file_name: "a.mp4".to_owned(),
        options: &options,
        limits: &limits,
        output: Output::new(Zip::new(&mut archive)),
        control: &(),
    };
    match framelift_media::extract(request, Vec::new()) {
        Ok(outcome) => {
            let zip = ZipArchive::new(Cursor::new(archive)).expect("an archive that others can read");
            assert!(zip.len() as u64 > outcome.frames, "the manifest and an image for each frame");
            true
        }
        Err(ExtractError::Failed(failure)) => {
            assert!(!failure.message.is_empty(), "{failure:?}");
            false
        }
        Err(error) => panic!("neither the video's fault nor a result: {error}"),
    }
}

/// Names and contents of an archive's members, as another reader finds them. Each has a byte for its name's length
/// and one for its content's, then both.
pub(crate) fn names(mut input: &[u8]) -> bool {
    let mut members = Vec::new();
    while let [name, content] = take(&mut input, 2) {
        let name = String::from_utf8_lossy(take(&mut input, usize::from(*name))).into_owned();
        members.push((name, take(&mut input, usize::from(*content))));
    }
    let mut bytes = Vec::new();
    let mut zip = Box::new(Zip::new(&mut bytes));
    for (name, content) in &members {
        let (size, crc) = (content.len() as u64, fuzzing::crc(content));
        zip.add(Member { name, size, crc, image: None }, &|sink| sink.write_all(content))
            .expect("memory takes all");
    }
    zip.finish().expect("memory takes all");
    let mut read = ZipArchive::new(Cursor::new(bytes)).expect("an archive that others can read");
    let distinct: BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
    assert_eq!(read.len(), distinct.len());
    for (name, content) in &members {
        if members.iter().filter(|(other, _)| other == name).count() == 1 {
            let mut found = Vec::new();
            read.by_name(name).expect("each member").read_to_end(&mut found).expect("whole");
            assert_eq!(found, *content);
        }
    }
    !members.is_empty()
}
