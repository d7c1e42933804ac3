//! Checks options. Reports all errors at once, each with its pointer.

use std::str::FromStr;

use framelift_domain::options::{MAX_AT, parse_duration};
use framelift_domain::plugin::{MAX_CONFIG_BYTES, MAX_PER_VIDEO};
use framelift_domain::{Crop, Fit, Options, Place, PluginRef, Range, Rational, Resize, Select};
use serde_json::Value;
use strum::VariantNames;

use super::{CropBody, OptionsBody, PluginBody, RangeBody, ResizeBody, SelectBody};
use crate::problem::FieldError;
use crate::rules::{self, Integer};

/// Collects errors with their pointers.
struct Checker<'a> {
    prefix: &'a str,
    errors: Vec<FieldError>,
}

impl Checker<'_> {
    fn fail(&mut self, path: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(format!("{}{path}", self.prefix), detail));
    }

    fn check<T, E: ToString>(&mut self, path: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.fail(path, error.to_string())).ok()
    }

    fn integer(&mut self, path: &str, value: i64, rule: Integer) -> Option<u32> {
        let checked = rule.of(value).and_then(|value| u32::try_from(value).ok());
        if checked.is_none() {
            self.fail(path, rule.must());
        }
        checked
    }

    fn word<T: FromStr + VariantNames>(&mut self, path: &str, text: &str) -> Option<T> {
        let word = text.parse().ok();
        if word.is_none() {
            self.fail(path, format!("must be one of {}", T::VARIANTS.join(", ")));
        }
        word
    }

    fn select(&mut self, body: &SelectBody) -> Option<Select> {
        let given = [
            body.every.is_some(),
            body.fps.is_some(),
            body.count.is_some(),
            body.at.is_some(),
            body.keyframes.is_some(),
            body.scenes.is_some(),
            body.all.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            self.fail("/select", "must have exactly one of every, fps, count, at, keyframes, scenes, all");
            return None;
        }
        if let Some(every) = &body.every {
            let period = self.check("/select/every", parse_duration(every))?;
            if period < Rational::new(1, 1000)? {
                self.fail("/select/every", "must be at least \"1ms\"");
                return None;
            }
            return Some(Select::Every(period));
        }
        if let Some(fps) = &body.fps {
            let rate = fps.as_f64().filter(|rate| rules::FPS.allows(*rate));
            // Exact for numbers with at most 9 decimals: a double has 15 digits.
            let rate = rate.and_then(|rate| Rational::parse_decimal(&format!("{rate:.9}")));
            if rate.is_none() {
                self.fail("/select/fps", rules::FPS.must());
            }
            return rate.map(Select::Fps);
        }
        if let Some(count) = body.count {
            return self.integer("/select/count", count, rules::COUNT).map(Select::Count);
        }
        if let Some(at) = &body.at {
            if at.is_empty() || at.len() > MAX_AT {
                self.fail("/select/at", format!("must have 1 to {MAX_AT} places"));
                return None;
            }
            let places: Vec<Option<Place>> = at
                .iter()
                .enumerate()
                .map(|(i, place)| self.check(&format!("/select/at/{i}"), place.parse()))
                .collect();
            return places.into_iter().collect::<Option<_>>().map(Select::At);
        }
        if let Some(scenes) = &body.scenes {
            let threshold = scenes.threshold.unwrap_or(0.3);
            if !rules::THRESHOLD.allows(threshold) {
                self.fail("/select/scenes/threshold", rules::THRESHOLD.must());
            }
            let max = self.integer("/select/scenes/max", scenes.max.unwrap_or(200), rules::COUNT)?;
            return Some(Select::Scenes { threshold, max });
        }
        for (path, flag, select) in
            [("/select/keyframes", body.keyframes, Select::Keyframes), ("/select/all", body.all, Select::All)]
        {
            match flag {
                Some(true) => return Some(select),
                Some(false) => self.fail(path, "must be true"),
                None => {}
            }
        }
        None
    }

    fn range(&mut self, body: &RangeBody) -> Option<Range> {
        let default = Range::default();
        let mut place = |path: &str, text: &Option<String>, default| match text {
            None => Some(default),
            Some(text) => self.check(path, text.parse()),
        };
        let start = place("/range/start", &body.start, default.start)?;
        let end = place("/range/end", &body.end, default.end)?;
        let empty = match (start, end) {
            (Place::Time(start), Place::Time(end)) | (Place::Percent(start), Place::Percent(end)) => {
                start >= end
            }
            (Place::Frame(start), Place::Frame(end)) => start >= end,
            _ => false,
        };
        if empty {
            self.fail("/range/end", "must lie after the start");
        }
        Some(Range { start, end })
    }

    fn crop(&mut self, body: &CropBody) -> Option<Crop> {
        let x = self.integer("/crop/x", body.x, rules::OFFSET);
        let y = self.integer("/crop/y", body.y, rules::OFFSET);
        let width = self.integer("/crop/width", body.width, rules::CROPPED);
        let height = self.integer("/crop/height", body.height, rules::CROPPED);
        Some(Crop { x: x?, y: y?, width: width?, height: height? })
    }

    fn resize(&mut self, body: &ResizeBody, side: Integer) -> Option<Resize> {
        if body.width.is_none() && body.height.is_none() {
            self.fail("/resize", "must have a width or a height");
            return None;
        }
        let width = body.width.map(|width| self.integer("/resize/width", width, side));
        let height = body.height.map(|height| self.integer("/resize/height", height, side));
        let fit = match body.fit.as_deref() {
            None => Some(Fit::Contain),
            Some(fit) => self.word("/resize/fit", fit),
        };
        let side = |side: Option<Option<u32>>| side.map_or(Some(None), |side| side.map(Some));
        Some(Resize { width: side(width)?, height: side(height)?, fit: fit? })
    }

    fn plugins(&mut self, plugins: &[PluginBody]) -> Vec<PluginRef> {
        if plugins.len() > MAX_PER_VIDEO {
            self.fail("/plugins", format!("must have at most {MAX_PER_VIDEO} entries"));
        }
        let mut checked = Vec::with_capacity(plugins.len());
        for (i, plugin) in plugins.iter().enumerate() {
            let config = Value::Object(plugin.config.clone()).to_string();
            if !rules::PLUGIN_NAME.allows(&plugin.name) {
                self.fail(&format!("/plugins/{i}/name"), rules::PLUGIN_NAME.must());
            }
            if config.len() > MAX_CONFIG_BYTES {
                self.fail(&format!("/plugins/{i}/config"), "must be at most 8 KiB");
            }
            checked.push(PluginRef::new(&plugin.name, config));
        }
        checked
    }
}

impl OptionsBody {
    /// Returns the checked options, or all errors. Pointers start with `prefix`.
    pub fn check(&self, prefix: &str) -> Result<Options, Vec<FieldError>> {
        let mut checker = Checker { prefix, errors: Vec::new() };
        let mut options = Options::default();
        if let Some(select) = self.select.as_ref().and_then(|select| checker.select(select)) {
            options.select = select;
        }
        if let Some(range) = self.range.as_ref().and_then(|range| checker.range(range)) {
            options.range = range;
        }
        if let Some(tolerance) = &self.tolerance
            && let Some(tolerance) = checker.check("/tolerance", parse_duration(tolerance))
        {
            options.tolerance = tolerance;
        }
        if let Some(format) = self.format.as_ref().and_then(|format| checker.word("/format", format)) {
            options.format = format;
        }
        if let Some(quality) = self.quality.and_then(|it| checker.integer("/quality", it, rules::QUALITY)) {
            options.quality = quality as u8;
        }
        options.stream = self.stream.and_then(|stream| checker.integer("/stream", stream, rules::STREAM));
        options.crop = self.crop.as_ref().and_then(|crop| checker.crop(crop));
        let side = Integer { max: options.format.max_side().into(), ..rules::SIDE };
        options.resize = self.resize.as_ref().and_then(|resize| checker.resize(resize, side));
        options.storyboard = self.storyboard.unwrap_or(false);
        options.plugins = checker.plugins(self.plugins.as_deref().unwrap_or_default());
        if checker.errors.is_empty() { Ok(options) } else { Err(checker.errors) }
    }
}
