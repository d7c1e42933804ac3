//! Common code of the benches: public samples in memory, and one extraction.
//!
//! `cargo bench -p framelift-benches` measures the engine against itself; `side_by_side.py`
//! measures the whole against other programs.

use std::path::Path;
use std::sync::Arc;

use framelift_domain::Options;
use framelift_media::{EngineLimits, MemorySource, Outcome, Output, Request, extract};

/// A sample video of the repository.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The file in `e2e/media`.
    pub file: &'static str,
    /// Pictures in it.
    pub frames: u64,
}

/// 1280×720, H.264 with B-pictures, one group of pictures.
pub const BUNNY: Sample = Sample { file: "big-buck-bunny-5s.mp4", frames: 132 };
/// 768×432, H.264 without B-pictures, seven groups of pictures.
pub const CARS: Sample = Sample { file: "cars-30s.mp4", frames: 377 };
/// 320×180, H.264, two groups of pictures.
pub const NASA: Sample = Sample { file: "nasa-13s.mp4", frames: 325 };

impl Sample {
    /// The file's bytes; clones share them.
    pub fn load(self) -> MemorySource {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/media").join(self.file);
        MemorySource(Arc::from(std::fs::read(path).expect("the sample is part of the repository")))
    }
}

/// Extracts without output, on `threads` threads (0: one for each core). Returns the number of images.
pub fn run(source: MemorySource, options: &Options, threads: usize) -> u64 {
    extract_without_output(source, options, &EngineLimits { threads, ..EngineLimits::default() }).frames
}

/// Extracts without output.
pub fn extract_without_output(source: MemorySource, options: &Options, limits: &EngineLimits) -> Outcome {
    let (source, output) = (Box::new(source), Output::zip(std::io::sink()));
    let request = Request { source, file_name: "sample".to_owned(), options, limits, output, control: &() };
    extract(request, Vec::new()).expect("it is a good video")
}
