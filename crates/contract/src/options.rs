//! The JSON form of the options, which `check` validates and converts.

use framelift_domain::options::format_duration;
use framelift_domain::{Options, Place, Select};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

mod check;
mod fresh;

/// The options in the API and in the manifest. A missing field has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionsBody {
    /// Which frames; `{"every":"1s"}` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<SelectBody>,
    /// The range of the video; all of it if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeBody>,
    /// How far a frame may be from the wanted time if that is cheaper; `"0s"` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<String>,
    /// `jpeg` (default), `png`, `webp` or `avif`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// 1 (smallest) to 100 (best), on the format's own scale; 90 if missing. PNG ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<i64>,
    /// The container's number of the video stream to take, from 0; the best one if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<i64>,
    /// The part of the pictures to keep; all of them if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropBody>,
    /// The images' size; the video's own if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<ResizeBody>,
    /// Whether to add `storyboard.jpg`, small pictures of the frames, and `storyboard.vtt`, the
    /// times at which each is on screen; false if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storyboard: Option<bool>,
    /// Frame plugins, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Vec<PluginBody>>,
}

/// Which frames: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectBody {
    /// One frame every so many seconds: `"2.5s"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Frames a second, to a billionth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub fps: Option<Number>,
    /// Number of frames, evenly distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// The frames at these places: `"1.5s"`, `"50%"`, `"#300"`. At most 1,000, and at most 12,288 characters
    /// in all, quotes and commas included: a thousand times in seconds and milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Vec<String>>,
    /// `true`: every frame that the container marks as a sync point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyframes: Option<bool>,
    /// The first frame of each shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenes: Option<ScenesBody>,
    /// `true`: every frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// How shots are distinguished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenesBody {
    /// Difference that makes a new shot, above 0 up to 1; 0.3 if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Most frames; 200 if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// A range of the video.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeBody {
    /// The start; `"0s"` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The end, exclusive; `"100%"` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// The part of the pictures to keep, in pixels of the picture as it is shown: turned upright, with square
/// pixels, before it is resized. A part that reaches beyond the pictures fails the video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CropBody {
    /// Columns to the left of the part.
    pub x: i64,
    /// Lines above the part.
    pub y: i64,
    /// Pixels across.
    pub width: i64,
    /// Pixels down.
    pub height: i64,
}

/// The images' size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizeBody {
    /// Pixels across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i64>,
    /// Pixels down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i64>,
    /// `contain` (default), `cover` or `fill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<String>,
}

/// A frame plugin and its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginBody {
    /// The plugin's name.
    pub name: String,
    /// Its configuration.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
}

impl OptionsBody {
    /// All options, including defaults.
    pub fn spelled_out(options: &Options) -> Self {
        let mut select = SelectBody::default();
        match &options.select {
            Select::Every(period) => select.every = Some(format_duration(*period)),
            Select::Fps(rate) => match serde_json::from_str(&rate.to_string()) {
                Ok(fps) => select.fps = Some(fps),
                // A rate that is not a decimal comes from the command line: JSON has no fractions.
                Err(_) => select.every = rate.recip().map(format_duration),
            },
            Select::Count(count) => select.count = Some(i64::from(*count)),
            Select::At(places) => select.at = Some(places.iter().map(Place::to_string).collect()),
            Select::Keyframes => select.keyframes = Some(true),
            Select::Scenes { threshold, max } => {
                select.scenes = Some(ScenesBody { threshold: Some(*threshold), max: Some(i64::from(*max)) });
            }
            Select::All => select.all = Some(true),
        }
        Self {
            select: Some(select),
            range: Some(RangeBody {
                start: Some(options.range.start.to_string()),
                end: Some(options.range.end.to_string()),
            }),
            tolerance: Some(format_duration(options.tolerance)),
            format: Some(options.format.as_str().to_owned()),
            quality: Some(i64::from(options.quality)),
            stream: options.stream.map(i64::from),
            crop: options.crop.map(|crop| CropBody {
                x: crop.x.into(),
                y: crop.y.into(),
                width: crop.width.into(),
                height: crop.height.into(),
            }),
            resize: options.resize.map(|resize| ResizeBody {
                width: resize.width.map(i64::from),
                height: resize.height.map(i64::from),
                fit: Some(resize.fit.as_str().to_owned()),
            }),
            storyboard: Some(options.storyboard),
            plugins: Some(
                options
                    .plugins
                    .iter()
                    .map(|plugin| PluginBody {
                        name: plugin.name.clone(),
                        config: serde_json::from_str(&plugin.config).unwrap_or_default(),
                    })
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use framelift_domain::{Fit, Resize};

    use super::*;

    fn check(json: &str) -> Result<Options, Vec<String>> {
        let body: OptionsBody = serde_json::from_str(json).unwrap();
        body.check("/options").map_err(|errors| errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn nothing_means_the_defaults() {
        assert_eq!(check("{}"), Ok(Options::default()));
        let spelled_out = OptionsBody::spelled_out(&Options::default());
        assert_eq!(spelled_out.check(""), Ok(Options::default()));
    }

    #[test]
    fn the_documented_example_is_read() {
        let options = check(
            r#"{"select":{"every":"1s"},"range":{"start":"0s","end":"100%"},"tolerance":"0s","format":"jpeg",
                "quality":90,"resize":{"width":1280,"height":720,"fit":"contain"},"storyboard":false,
                "plugins":[{"name":"watermark","config":{"text":"draft"}}]}"#,
        )
        .unwrap();
        assert_eq!(options.plugins[0].config, r#"{"text":"draft"}"#);
        assert_eq!(options.resize, Some(Resize { width: Some(1280), height: Some(720), fit: Fit::Contain }));
        assert_eq!(OptionsBody::spelled_out(&options).check(""), Ok(options));
    }

    #[test]
    fn a_stream_and_a_part_of_its_pictures_survive_a_round_trip() {
        let json = r#"{"stream":2,"crop":{"x":0,"y":8,"width":640,"height":1}}"#;
        let options = check(json).unwrap();
        assert_eq!(
            (options.stream, options.crop.map(|crop| crop.to_string())),
            (Some(2), Some("0:8:640x1".into()))
        );
        assert_eq!(OptionsBody::spelled_out(&options).check(""), Ok(options));
    }

    #[test]
    fn every_selection_survives_a_round_trip() {
        for json in [
            r#"{"every":"2.5s"}"#,
            r#"{"fps":0.5}"#,
            r#"{"fps":29.97}"#,
            r#"{"count":20}"#,
            r##"{"at":["1.5s","50%","#300"]}"##,
            r#"{"keyframes":true}"#,
            r#"{"scenes":{"threshold":0.3,"max":200}}"#,
            r#"{"all":true}"#,
        ] {
            let options = check(&format!(r#"{{"select":{json}}}"#)).unwrap();
            let spelled_out = OptionsBody::spelled_out(&options);
            assert_eq!(serde_json::to_string(&spelled_out.select).unwrap(), json);
        }
    }

    #[test]
    fn all_problems_come_at_once_with_their_pointers() {
        assert_eq!(
            check(
                r##"{"select":{"at":["x","1s","#a"]},"quality":0,"format":"gif","resize":{"width":0,"fit":"x"}}"##
            ),
            Err(["select/at/0", "select/at/2", "format", "quality", "resize/width", "resize/fit"]
                .map(|path| format!("/options/{path}"))
                .to_vec())
        );
        for (json, pointer) in [
            (r#"{"select":{}}"#, "/options/select"),
            (r#"{"select":{"all":true,"count":2}}"#, "/options/select"),
            (r#"{"select":{"all":false}}"#, "/options/select/all"),
            (r#"{"select":{"every":"0s"}}"#, "/options/select/every"),
            (r#"{"select":{"fps":0}}"#, "/options/select/fps"),
            (r#"{"select":{"fps":-1}}"#, "/options/select/fps"),
            (r#"{"select":{"fps":1e300}}"#, "/options/select/fps"),
            (r#"{"select":{"count":0}}"#, "/options/select/count"),
            (r#"{"select":{"at":[]}}"#, "/options/select/at"),
            (r#"{"select":{"scenes":{"threshold":0}}}"#, "/options/select/scenes/threshold"),
            (r#"{"range":{"start":"5s","end":"5s"}}"#, "/options/range/end"),
            (r#"{"tolerance":"-1s"}"#, "/options/tolerance"),
            (r#"{"stream":-1}"#, "/options/stream"),
            (r#"{"plugins":[{"name":"a"},{"name":"No"}]}"#, "/options/plugins/1/name"),
            (r#"{"crop":{"x":-1,"y":0,"width":1,"height":1}}"#, "/options/crop/x"),
            (r#"{"crop":{"x":0,"y":0,"width":1,"height":0}}"#, "/options/crop/height"),
            (r#"{"resize":{}}"#, "/options/resize"),
            (r#"{"resize":{"height":99999}}"#, "/options/resize/height"),
            (r#"{"format":"webp","resize":{"width":16384}}"#, "/options/resize/width"),
        ] {
            assert_eq!(check(json), Err(vec![pointer.to_owned()]), "{json}");
        }
    }
}
