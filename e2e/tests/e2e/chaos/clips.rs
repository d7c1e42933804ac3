//! Tiny videos for many jobs, good and bad ones.

use std::path::Path;
use std::sync::Arc;

use framelift_e2e::clip;
use serde_json::{Value, json};

/// A file to upload, and what to extract from it.
#[derive(Clone)]
pub(crate) struct Clip {
    /// Its file name.
    pub(crate) name: &'static str,
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) options: Value,
    /// Whether there are frames in it.
    pub(crate) is_good: bool,
    /// How many of a hundred jobs are of this kind.
    pub(crate) share: u32,
}

impl Clip {
    /// All kinds.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let make = |name: &'static str, picture: &str, codec: &str| {
            let path = clip::make(folder, name, &["-f", "lavfi", "-i", picture, "-c:v", codec]);
            std::fs::read(path).unwrap()
        };
        let small = make("small.mp4", "testsrc2=size=96x64:rate=10:duration=1", "mpeg4");
        let cut = small[..small.len() / 3].to_vec();
        // Larger than one PUT may be: it comes in parts.
        let mut large = small.clone();
        let padding = (5 << 20) + 100_000;
        large.extend(u32::try_from(padding).unwrap().to_be_bytes());
        large.extend(b"free");
        large.resize(small.len() + padding, 0);
        let good = |name, bytes: &[u8], options, share| Self {
            name,
            bytes: Arc::new(bytes.to_vec()),
            options,
            is_good: true,
            share,
        };
        let bad = |name, bytes: Vec<u8>, share| Self {
            name,
            bytes: Arc::new(bytes),
            options: json!({}),
            is_good: false,
            share,
        };
        vec![
            good("small.mp4", &small, json!({"select": {"count": 2}}), 40),
            good("all.mp4", &small, json!({"select": {"all": true}, "format": "png"}), 16),
            good(
                "webm.webm",
                &make("webm.webm", "testsrc=size=64x64:rate=5:duration=2", "libvpx"),
                json!({"select": {"fps": 2}}),
                10,
            ),
            good("large.mp4", &large, json!({"select": {"count": 1}}), 4),
            // Its archive leaves in parts.
            good(
                "noise.mp4",
                &make(
                    "noise.mp4",
                    "nullsrc=size=640x360:rate=10:duration=1.5,geq=random(1)*255:128:128",
                    "mpeg4",
                ),
                json!({"select": {"all": true}, "format": "png"}),
                5,
            ),
            bad("text.mp4", b"this is not a video\n".repeat(50), 10),
            bad("cut.mp4", cut, 10),
            bad("sound.mp4", clip::sound_only(folder), 5),
        ]
    }
}
