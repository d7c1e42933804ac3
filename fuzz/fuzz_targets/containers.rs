//! A whole file: recognised, inspected, opened, decoded and written, in little memory.

#![no_main]

use framelift_domain::{Options, Select};
use framelift_media::{EngineLimits, ExtractError, HardwareUse, MemorySource, Output, Request, Zip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = EngineLimits {
        max_pixels: 1 << 20,
        max_memory: 64 << 20,
        max_frames: 20,
        max_output_bytes: 16 << 20,
        threads: 1,
        hardware: HardwareUse::Never,
        ..EngineLimits::default()
    };
    let select = if data.len() % 2 == 0 { Select::All } else { Select::Count(3) };
    let options = Options { select, ..Options::default() };
    let mut archive = Vec::new();
    let request = Request {
        source: Box::new(MemorySource(data.to_vec().into())),
        file_name: "a.mp4".to_owned(),
        options: &options,
        limits: &limits,
        output: Output::new(Zip::new(&mut archive)),
        control: &(),
    };
    match framelift_media::extract(request, Vec::new()) {
        Ok(outcome) => {
            let zip =
                zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive that others can read");
            assert!(zip.len() as u64 > outcome.frames, "the manifest and an image for each frame");
        }
        Err(ExtractError::Failed(failure)) => assert!(!failure.message.is_empty(), "{failure:?}"),
        Err(error) => panic!("neither the video's fault nor a result: {error}"),
    }
});
