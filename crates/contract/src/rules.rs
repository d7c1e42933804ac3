//! The rules for fields of requests. Each rule validates a value and describes the field in the API document, so that
//! both always agree.

use std::sync::{LazyLock, OnceLock};

use framelift_domain::limits::{MAX_UPLOAD_BYTES, VIDEO_EXTENSIONS};
use framelift_domain::options::{MAX_AT, MAX_COUNT, MAX_CROP, MAX_SIDE, MAX_STREAM};
use framelift_domain::plugin::MAX_PER_VIDEO;
use framelift_domain::video::Stage;
use framelift_domain::{FailureCode, Fit, Format};
use regex_lite::Regex;
use serde_json::{Value, json};
use strum::VariantNames;

use crate::problem::FieldError;

/// A rule for a text: its length in characters, and a pattern.
#[derive(Debug)]
pub struct Text {
    min: usize,
    max: usize,
    pattern: &'static str,
    must: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Text {
    /// `pattern` has the same meaning in JavaScript (ECMA-262, as JSON Schema asks) and `regex_lite`; `must`
    /// says the whole rule in words.
    const fn new(min: usize, max: usize, pattern: &'static str, must: &'static str) -> Self {
        Self { min, max, pattern, must, compiled: OnceLock::new() }
    }

    /// Whether a text satisfies the rule.
    pub fn allows(&self, text: &str) -> bool {
        let pattern = self.compiled.get_or_init(|| Regex::new(self.pattern).ok());
        (self.min..=self.max).contains(&text.chars().count())
            && pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }

    /// The error in the text at `pointer`, if there is one.
    pub fn error(&self, pointer: &str, text: &str) -> Option<FieldError> {
        (!self.allows(text)).then(|| FieldError::new(pointer, self.must))
    }

    /// The rule in words: "must …".
    pub const fn must(&self) -> &'static str {
        self.must
    }

    /// The rule in JSON Schema's keywords.
    pub fn keywords(&self) -> Value {
        let mut keywords = json!({ "minLength": self.min, "maxLength": self.max });
        if !self.pattern.is_empty() {
            keywords["pattern"] = self.pattern.into();
        }
        keywords
    }

    /// The JSON Schema of a text that satisfies the rule.
    pub fn schema(&self) -> Value {
        typed("string", self.keywords())
    }
}

/// Bounds of an integer.
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

impl Integer {
    /// The value, if it lies within the bounds.
    pub fn of(self, value: i64) -> Option<u64> {
        u64::try_from(value).ok().filter(|value| (self.min..=self.max).contains(value))
    }

    /// The rule in words.
    pub fn must(self) -> String {
        format!("must be an integer from {} to {}", self.min, self.max)
    }

    /// The rule in JSON Schema's keywords.
    pub fn keywords(self) -> Value {
        json!({ "minimum": self.min, "maximum": self.max })
    }

    /// The JSON Schema of an integer that satisfies the rule.
    pub fn schema(self) -> Value {
        typed("integer", self.keywords())
    }
}

/// Bounds of a number.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Decimal {
    /// Whether the value lies within the bounds.
    pub fn allows(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The rule in words.
    pub fn must(self) -> String {
        format!("must be a number from {} to {}", self.min, self.max)
    }

    fn keywords(self) -> Value {
        json!({ "minimum": self.min, "maximum": self.max })
    }
}

/// A schema of that type, with further keywords.
fn typed(name: &str, mut keywords: Value) -> Value {
    keywords["type"] = name.into();
    keywords
}

/// Control characters (C0, DEL, C1), which no name may contain.
macro_rules! control {
    () => {
        r"\u0000-\u001f\u007f-\u009f"
    };
}

/// Unicode white space other than control characters.
macro_rules! space {
    () => {
        r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    };
}

/// Characters that change the direction of text, which could make a name look like another one.
macro_rules! turning {
    () => {
        r"\u200e\u200f\u202a-\u202e\u2066-\u2069"
    };
}

/// A decimal number of the options, without sign and exponent.
macro_rules! decimal {
    () => {
        r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
    };
}

/// A person's name. A line break would end up in an e-mail's header.
pub static ACCOUNT_NAME: Text = Text::new(
    1,
    255,
    concat!("^[^", control!(), "]*[^", control!(), space!(), "][^", control!(), "]*$"),
    "must have 1 to 255 characters, not only spaces, and no control characters",
);
/// A new password.
pub static PASSWORD: Text = Text::new(10, 128, "", "must have 10 to 128 characters");
/// The longest e-mail address (RFC 5321: 254 fit into a path).
pub const MAX_EMAIL: usize = 254;
/// The characters of a webhook's URL. Only visible ASCII, because a URL parser removes tabs and line breaks and encodes
/// other characters, so that the called URL would differ from the given one.
pub static WEBHOOK_URL: Text =
    Text::new(9, 2048, "^https?://[!-~]*$", "must be an https URL of at most 2048 visible ASCII characters");
/// The name of a file. [`VIDEO_FILE_NAME`] checks the format.
pub static FILE_NAME: Text = Text::new(
    1,
    255,
    concat!(
        "^[^",
        control!(),
        turning!(),
        "]*[^",
        control!(),
        turning!(),
        space!(),
        "][^",
        control!(),
        turning!(),
        "]*$"
    ),
    "must have 1 to 255 characters, not only spaces, and no control characters",
);
/// The name of an accepted video: its extension is one of [`VIDEO_EXTENSIONS`], in any case.
pub static VIDEO_FILE_NAME: LazyLock<Text> = LazyLock::new(|| {
    let any_case = |letter: char| match letter.is_ascii_alphabetic() {
        true => format!("[{letter}{}]", letter.to_ascii_uppercase()),
        false => letter.to_string(),
    };
    let extensions: Vec<String> =
        VIDEO_EXTENSIONS.iter().map(|extension| extension.chars().map(any_case).collect()).collect();
    let pattern = format!(concat!("^[^", control!(), turning!(), r"]*\.(?:{})$"), extensions.join("|"));
    let must = format!("must end in one of {}", VIDEO_EXTENSIONS.join(", "));
    // Leaked once for each process.
    Text::new(1, 255, pattern.leak(), must.leak())
});
/// A media type, which is used unchanged in a signed header.
pub static MEDIA_TYPE: Text = Text::new(
    3,
    255,
    r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?: *;(?:[ -~]*[!-~])?)?$",
    "must be a media type such as video/mp4",
);
/// An idempotency key.
pub static IDEMPOTENCY_KEY: Text = Text::new(
    1,
    64,
    "^[!-~](?:[ -~]*[!-~])?$",
    "must be 1 to 64 visible ASCII characters and spaces between them",
);
/// A duration.
pub static DURATION: Text = Text::new(
    2,
    21,
    concat!("^", decimal!(), "(?:ms|s|m|h)$"),
    "must be a duration such as \"2.5s\", with at most 9 digits before the point and 9 behind it",
);
/// A place on a video's timeline.
pub static PLACE: Text = Text::new(
    2,
    21,
    concat!(
        "^(?:#[0-9]{1,12}|(?:100(?:\\.0{1,9})?|0?[0-9]{1,2}(?:\\.[0-9]{1,9})?)%|",
        decimal!(),
        "(?:ms|s|m|h))$"
    ),
    "must be a time such as \"1.5s\", a percentage such as \"50%\" or a frame number such as \"#300\", with at \
     most 9 digits before the point and 9 behind it",
);
/// A plugin's name.
pub static PLUGIN_NAME: Text = Text::new(
    1,
    64,
    "^[a-z0-9]+(?:[._-][a-z0-9]+)*$",
    "must have 1 to 64 lower-case letters and digits, with single dots, hyphens or underscores between them",
);
/// Maximum of characters of the reason for a rejection of a plugin.
pub const MAX_REASON: usize = 1000;
/// The id of one claim of a worker.
pub static CLAIM_ID: Text = Text::new(1, 64, "", "must have 1 to 64 characters");
/// A worker's id, or a correlation id.
static TOKEN_ID: Text = Text::new(1, 64, "^[A-Za-z0-9._-]*$", "must be 1 to 64 of A-Za-z0-9._-");
/// The id of a video or of a user: a UUID in its canonical form.
pub static UUID: Text = Text::new(
    36,
    36,
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "must be an id that was answered",
);
/// The cursor of a page.
pub static CURSOR: Text = Text::new(16, 16, "^[0-9a-f]*$", "must be the next_cursor of an earlier page");
/// A SHA-256; the type of its fields checks it.
static SHA256: Text =
    Text::new(64, 64, "^[0-9a-f]*$", "must be a SHA-256 in 64 lower-case hexadecimal digits");

/// Bytes of an upload. A deployment may allow fewer, and answers 413 `file-too-large`.
pub const SIZE_BYTES: Integer = Integer { min: 1, max: MAX_UPLOAD_BYTES };
/// The quality of the images.
pub const QUALITY: Integer = Integer { min: 1, max: 100 };
/// Frames that `count` or `scenes` may ask for.
pub const COUNT: Integer = Integer { min: 1, max: MAX_COUNT as u64 };
/// Pixels of an image's side.
pub const SIDE: Integer = Integer { min: 1, max: MAX_SIDE as u64 };
/// The offset of a part of the picture, in pixels.
pub const OFFSET: Integer = Integer { min: 0, max: MAX_CROP as u64 };
/// Pixels of a part's side.
pub const CROPPED: Integer = Integer { min: 1, max: MAX_CROP as u64 };
/// The number of a stream.
pub const STREAM: Integer = Integer { min: 0, max: MAX_STREAM as u64 };
/// The number of a part of a multipart upload.
pub const PART: Integer = Integer { min: 1, max: 10_000 };
/// Videos on a page.
pub const PAGE: Integer = Integer { min: 1, max: 100 };
/// The number of a frame: a job gives a million at most.
pub const FRAME_NUMBER: Integer = Integer { min: 1, max: u32::MAX as u64 };
/// Percent done.
pub const PERCENT: Integer = Integer { min: 0, max: 100 };
/// Frames a second; what is finer than a billionth is rounded.
pub const FPS: Decimal = Decimal { min: 1e-9, max: 1000.0 };
/// The difference that makes a new shot.
pub const THRESHOLD: Decimal = Decimal { min: 1e-9, max: 1.0 };

/// The rules of fields for the API document: the type, the field, and JSON Schema's keywords. The field `""` is the
/// type as a whole.
pub fn fields() -> Vec<(&'static str, &'static str, Value)> {
    // Exactly one of the fields is required, so none of them may be null.
    let never_null = typed;
    vec![
        ("RegisterRequest", "name", ACCOUNT_NAME.keywords()),
        ("RegisterRequest", "email", json!({ "maxLength": MAX_EMAIL })),
        ("RegisterRequest", "password", PASSWORD.keywords()),
        ("ChangePasswordRequest", "new_password", PASSWORD.keywords()),
        ("ResetPasswordRequest", "password", PASSWORD.keywords()),
        ("UpdateAccountRequest", "name", ACCOUNT_NAME.keywords()),
        ("UpdateNotifications", "webhook_url", WEBHOOK_URL.keywords()),
        ("CreateVideoRequest", "file_name", VIDEO_FILE_NAME.keywords()),
        ("CreateVideoRequest", "size_bytes", SIZE_BYTES.keywords()),
        ("CreateVideoRequest", "content_type", MEDIA_TYPE.keywords()),
        ("OptionsBody", "tolerance", DURATION.keywords()),
        ("OptionsBody", "format", one_of(Format::VARIANTS)),
        ("OptionsBody", "quality", QUALITY.keywords()),
        ("OptionsBody", "stream", STREAM.keywords()),
        ("CropBody", "x", OFFSET.keywords()),
        ("CropBody", "y", OFFSET.keywords()),
        ("CropBody", "width", CROPPED.keywords()),
        ("CropBody", "height", CROPPED.keywords()),
        ("OptionsBody", "plugins", json!({ "maxItems": MAX_PER_VIDEO })),
        ("SelectBody", "", json!({ "minProperties": 1, "maxProperties": 1 })),
        ("SelectBody", "every", never_null("string", DURATION.keywords())),
        ("SelectBody", "fps", never_null("number", FPS.keywords())),
        ("SelectBody", "count", never_null("integer", COUNT.keywords())),
        ("SelectBody", "at", never_null("array", places())),
        ("SelectBody", "keyframes", never_null("boolean", json!({ "enum": [true] }))),
        // A null keyword is removed from the document.
        ("SelectBody", "scenes", json!({ "oneOf": null, "$ref": "#/components/schemas/ScenesBody" })),
        ("SelectBody", "all", never_null("boolean", json!({ "enum": [true] }))),
        ("ScenesBody", "threshold", THRESHOLD.keywords()),
        ("ScenesBody", "max", COUNT.keywords()),
        ("RangeBody", "start", PLACE.keywords()),
        ("RangeBody", "end", PLACE.keywords()),
        ("ResizeBody", "", json!({ "anyOf": [{ "required": ["width"] }, { "required": ["height"] }] })),
        ("ResizeBody", "width", never_null("integer", SIDE.keywords())),
        ("ResizeBody", "height", never_null("integer", SIDE.keywords())),
        ("ResizeBody", "fit", one_of(Fit::VARIANTS)),
        ("PluginBody", "name", PLUGIN_NAME.keywords()),
        ("ClaimPluginRequest", "user_id", UUID.keywords()),
        ("ClaimPluginRequest", "worker_id", TOKEN_ID.keywords()),
        ("ClaimPluginRequest", "claim_id", CLAIM_ID.keywords()),
        ("PluginReport", "user_id", UUID.keywords()),
        ("PluginReport", "worker_id", TOKEN_ID.keywords()),
        ("PluginReport", "reason", json!({ "maxLength": MAX_REASON })),
        ("Progress", "stage", one_of(Stage::VARIANTS)),
        ("Progress", "percent", PERCENT.keywords()),
        ("VideoResult", "sha256", SHA256.keywords()),
        ("ClaimRequest", "worker_id", TOKEN_ID.keywords()),
        ("ClaimRequest", "claim_id", CLAIM_ID.keywords()),
        ("ProgressReport", "worker_id", TOKEN_ID.keywords()),
        ("CompleteReport", "worker_id", TOKEN_ID.keywords()),
        ("CompleteReport", "sha256", SHA256.keywords()),
        ("FailReport", "worker_id", TOKEN_ID.keywords()),
        ("FailReport", "code", one_of(FailureCode::VARIANTS)),
        ("NotifiedReport", "worker_id", TOKEN_ID.keywords()),
        ("DeliveryReport", "worker_id", TOKEN_ID.keywords()),
        ("AccountMailRequest", "kind", one_of(&["password_reset", "email_verification"])),
        ("AccountMailRequest", "link_id", UUID.keywords()),
        ("NotificationRequest", "user_id", UUID.keywords()),
        ("NotificationRequest", "video_id", UUID.keywords()),
    ]
}

/// A list of places.
fn places() -> Value {
    json!({ "minItems": 1, "maxItems": MAX_AT, "items": PLACE.schema() })
}

/// One of these words.
fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use framelift_domain::options::parse_duration;
    use framelift_domain::{Checksum, Place, VideoId, WorkerId};
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    const ALL: [&Text; 14] = [
        &ACCOUNT_NAME,
        &PASSWORD,
        &FILE_NAME,
        &MEDIA_TYPE,
        &IDEMPOTENCY_KEY,
        &DURATION,
        &PLACE,
        &PLUGIN_NAME,
        &CLAIM_ID,
        &TOKEN_ID,
        &UUID,
        &CURSOR,
        &WEBHOOK_URL,
        &SHA256,
    ];

    /// Texts that match the pattern, of any length.
    fn of_the_form(rule: &'static Text) -> impl Strategy<Value = String> {
        string_regex(rule.pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
    }

    #[test]
    fn every_pattern_is_one() {
        for rule in ALL.into_iter().chain([&*VIDEO_FILE_NAME]) {
            assert!(Regex::new(rule.pattern).is_ok(), "{}", rule.pattern);
            assert!(rule.must.starts_with("must "), "{}", rule.must);
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(FILE_NAME.allows(&"🎬".repeat(255)) && !FILE_NAME.allows(&"é".repeat(256)));
        assert!(PASSWORD.allows(&"é".repeat(10)) && PASSWORD.allows(&"x".repeat(128)));
        assert!(!PASSWORD.allows(&"é".repeat(9)) && !PASSWORD.allows(&"x".repeat(129)));
    }

    #[test]
    fn names_are_not_blank_and_have_no_control_characters() {
        for name in [&ACCOUNT_NAME, &FILE_NAME] {
            for good in ["a", " Ada  L ", "🎬.MOV", "..mkv", "\u{3000}x"] {
                assert!(name.allows(good), "{good:?}");
            }
            for bad in ["", " ", "\u{3000}\u{2009} ", "a\nb", "a\0", "\u{85}", "a\u{7f}b", "a\r\nBcc: x"] {
                assert!(!name.allows(bad), "{bad:?}");
            }
        }
        for turned in ["gpj\u{202e}.mp4", "\u{200f}a.mp4", "a\u{2069}.mp4"] {
            assert!(!FILE_NAME.allows(turned) && !VIDEO_FILE_NAME.allows(turned), "{turned:?}");
        }
    }

    #[test]
    fn videos_are_told_by_their_extensions() {
        for good in ["a.mp4", "a.b.MKV", ".3gp", "a.Ts", "holiday.M2ts", " .y4m"] {
            assert!(VIDEO_FILE_NAME.allows(good) && FILE_NAME.allows(good), "{good}");
        }
        for bad in ["a", "a.", "a.exe", "mp4", "a.mp4.zip", "a.mp4 ", "a.mp4\n"] {
            assert!(!VIDEO_FILE_NAME.allows(bad), "{bad:?}");
        }
        for extension in VIDEO_EXTENSIONS {
            assert!(VIDEO_FILE_NAME.allows(&format!("a.{extension}")), "{extension}");
        }
    }

    #[test]
    fn media_types() {
        for good in ["video/mp4", "video/3gpp2", "video/mp4; codecs=\"avc1\"", "application/vnd.x+y"] {
            assert!(MEDIA_TYPE.allows(good), "{good}");
        }
        for bad in ["", "video", "video/", "/mp4", "video/mp4\r\nX: y", " video/mp4", "vidéo/mp4", "a b/c"] {
            assert!(!MEDIA_TYPE.allows(bad), "{bad:?}");
        }
        assert!(!MEDIA_TYPE.allows(&format!("a/{}", "b".repeat(254))));
    }

    #[test]
    fn an_idempotency_key_may_have_spaces_inside() {
        let long = "k".repeat(65);
        for good in ["k", "a b", "a  b c", "~!", &long[1..]] {
            assert!(IDEMPOTENCY_KEY.allows(good), "{good}");
        }
        for bad in ["", " ", " a", "a ", "a\tb", "é", &long] {
            assert!(!IDEMPOTENCY_KEY.allows(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_the_form_is_understood(
            duration in of_the_form(&DURATION), place in of_the_form(&PLACE), uuid in of_the_form(&UUID),
            id in of_the_form(&TOKEN_ID), name in of_the_form(&VIDEO_FILE_NAME),
        ) {
            prop_assert!(parse_duration(&duration).is_ok(), "{duration}");
            prop_assert!(Place::from_str(&place).is_ok(), "{place}");
            prop_assert!(VideoId::from_str(&uuid).is_ok(), "{uuid}");
            prop_assert_eq!(WorkerId::from_str(&id).is_ok(), TOKEN_ID.allows(&id), "{}", id);
            prop_assert_eq!(FILE_NAME.allows(&name), name.chars().count() <= 255, "{:?}", name);
        }

        #[test]
        fn ids_are_what_has_their_form(
            id in "[a-zA-Z0-9._ é-]{0,70}", uuid in "[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{11,13}",
            sum in "[0-9a-f]{63}[0-9a-gA-F]{0,2}",
        ) {
            prop_assert_eq!(Checksum::from_str(&sum).is_ok(), SHA256.allows(&sum), "{}", sum);
            prop_assert_eq!(WorkerId::from_str(&id).is_ok(), TOKEN_ID.allows(&id), "{}", id);
            prop_assert_eq!(VideoId::from_str(&uuid).is_ok(), UUID.allows(&uuid), "{}", uuid);
        }
    }
}
