//! The archive's `manifest.json`: the options, the plan, and a record of every image.
//!
//! Times are seconds on the video's own timeline, which starts at its first shown frame, as an
//! exact decimal (`"1.5"`) or, where there is none, a fraction (`"1001/30000"`).

use std::collections::BTreeMap;

use framelift_domain::Checksum;
use serde::{Deserialize, Serialize};

use crate::options::OptionsBody;

/// The manifest's version; a reader refuses a higher one.
pub const VERSION: u32 = 1;

/// The manifest. `F` is a list of [`Frame`], or a type that serialises like one: the engine writes a million
/// records without holding them in this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest<F = Vec<Frame>> {
    /// [`VERSION`].
    pub version: u32,
    /// Name and version of the engine that made the archive.
    pub engine: String,
    /// The video.
    pub source: Source,
    /// The options, every default spelled out.
    pub options: OptionsBody,
    /// How the frames were decoded.
    pub plan: Plan,
    /// The plugins that saw the frames, in order; absent where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
    /// One record for each image, in time order.
    pub frames: F,
    /// Warnings for the owner: places outside the video, damage, guesses.
    pub warnings: Vec<String>,
}

/// The video that the images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The name it was uploaded under.
    pub file_name: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Checksum>,
    /// The codec's short name (`h264`).
    pub codec: String,
    /// Pixels across as stored, before rotation and pixel shape.
    pub width: u32,
    /// Pixels down as stored.
    pub height: u32,
    /// Seconds from the first shown frame to the end of the last one: measured where the whole
    /// video was read, else as the container says.
    pub duration: String,
    /// Seconds of one unit of `pts`, as a fraction (`"1/12800"`).
    pub time_base: String,
}

/// How the frames were decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The strategy.
    pub strategy: Strategy,
    /// Why this one, in a sentence.
    pub reason: String,
    /// The decoder.
    pub decoder: String,
}

/// A strategy to decode the wanted frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// From the start onwards, dropping what no wanted frame needs.
    Sequential,
    /// From the sync point before each wanted frame.
    Seek,
    /// Sync points alone.
    Keyframes,
    /// Independent groups of pictures at the same time.
    Parallel,
    /// On a hardware decoder.
    Hardware,
}

/// A plugin that saw the frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The SHA-256 of its code, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Checksum>,
    /// Frames that it dropped.
    pub dropped: u64,
    /// Its summary at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// Labels that plugins gave a frame: by the plugin's name, key and value.
pub type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The member's name (`frames/frame_000001.jpg`).
    pub file: String,
    /// The time that was asked for; null where frames, not times, were asked for.
    pub requested: Option<String>,
    /// The frame's own presentation time.
    pub time: String,
    /// The same in seconds as a plain number, to the nearest that a double can hold.
    #[serde(default)]
    pub time_seconds: f64,
    /// The frame's presentation timestamp as the container has it, in units of `time_base`.
    pub pts: i64,
    /// Whether the container marks it as a sync point.
    pub keyframe: bool,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The member's length in bytes.
    pub bytes: u64,
    /// The member's SHA-256.
    pub sha256: Checksum,
    /// Its labels from plugins, by their names; absent where there are none. A plugin that a job uses a second time has
    /// `#2` behind its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    /// Further requests that this image answers; absent where each request has a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
}

/// The requests after that of its record which the same image answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many.
    pub count: u64,
    /// The time that the last of them asked for.
    pub until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_the_documented_ones() {
        let manifest = Manifest {
            version: VERSION,
            engine: "framelift/0.1.0".into(),
            source: Source {
                file_name: "a.mp4".into(),
                size_bytes: 1000,
                sha256: None,
                codec: "h264".into(),
                width: 320,
                height: 180,
                duration: "1.5".into(),
                time_base: "1/12800".into(),
            },
            options: OptionsBody::default(),
            plan: Plan { strategy: Strategy::Sequential, reason: "dense".into(), decoder: "h264".into() },
            plugins: Vec::new(),
            frames: vec![Frame {
                file: "frames/frame_000001.jpg".into(),
                requested: None,
                time: "1001/30000".into(),
                time_seconds: 1001.0 / 30000.0,
                pts: 427,
                keyframe: true,
                width: 320,
                height: 180,
                bytes: 5,
                sha256: [0; 32].into(),
                labels: Labels::new(),
                repeats: None,
            }],
            warnings: vec!["w".into()],
        };
        let json = serde_json::to_value(&manifest).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "version": 1,
                "engine": "framelift/0.1.0",
                "source": {"file_name": "a.mp4", "size_bytes": 1000, "codec": "h264", "width": 320,
                           "height": 180, "duration": "1.5", "time_base": "1/12800"},
                "options": {},
                "plan": {"strategy": "sequential", "reason": "dense", "decoder": "h264"},
                "frames": [{"file": "frames/frame_000001.jpg", "requested": null, "time": "1001/30000",
                            "time_seconds": 1001.0 / 30000.0, "pts": 427, "keyframe": true, "width": 320, "height": 180, "bytes": 5,
                            "sha256": "00".repeat(32)}],
                "warnings": ["w"]
            })
        );
        assert_eq!(serde_json::from_value::<Manifest>(json).unwrap(), manifest);
    }

    #[test]
    fn a_record_counts_what_it_repeats_and_older_ones_do_not() {
        let mut json = serde_json::json!({
            "file": "frames/frame_000100.jpg", "requested": "99", "time": "0", "pts": 0, "keyframe": true,
            "width": 320, "height": 180, "bytes": 5, "sha256": "00".repeat(32)
        });
        let frame: Frame = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(frame.repeats, None);
        json["time_seconds"] = 0.0.into();
        assert_eq!(serde_json::to_value(&frame).unwrap(), json);
        json["repeats"] = serde_json::json!({"count": 99900, "until": "99999"});
        let frame: Frame = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(frame.repeats, Some(Repeats { count: 99_900, until: Some("99999".into()) }));
        assert_eq!(serde_json::to_value(&frame).unwrap(), json);
    }
}
