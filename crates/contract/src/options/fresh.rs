//! Rules for new options only: existing records that break them can still be read.

use framelift_domain::options::MAX_AT_BYTES;
use framelift_domain::{Options, Place, Select};

use super::OptionsBody;
use crate::problem::FieldError;
use crate::rules::{DURATION, PLACE, Text};

impl OptionsBody {
    /// Returns the checked options of a request, or all errors. Pointers start with `prefix`.
    pub fn check_new(&self, prefix: &str) -> Result<Options, Vec<FieldError>> {
        let options = self.check(prefix)?;
        let mut errors = Vec::new();
        if options.range.is_empty() {
            errors.push(FieldError::new(format!("{prefix}/range/end"), "must lie after the start"));
        }
        for (path, rule, text) in self.texts() {
            errors.extend(rule.error(&format!("{prefix}{path}"), text));
        }
        if let Select::At(places) = &options.select {
            let bytes = length_of(places);
            if bytes > MAX_AT_BYTES {
                let detail = format!("must have at most {MAX_AT_BYTES} characters in all, and has {bytes}");
                errors.push(FieldError::new(format!("{prefix}/select/at"), detail));
            }
        }
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

impl OptionsBody {
    /// The durations and places with their rules.
    fn texts(&self) -> Vec<(String, &'static Text, &String)> {
        let (select, range) = (self.select.as_ref(), self.range.as_ref());
        let places = select.and_then(|select| select.at.as_deref()).unwrap_or_default();
        let places = places.iter().enumerate().map(|(i, place)| (format!("/select/at/{i}"), &PLACE, place));
        let others = [
            ("/select/every", &DURATION, select.and_then(|select| select.every.as_ref())),
            ("/range/start", &PLACE, range.and_then(|range| range.start.as_ref())),
            ("/range/end", &PLACE, range.and_then(|range| range.end.as_ref())),
            ("/tolerance", &DURATION, self.tolerance.as_ref()),
        ];
        let others = others.into_iter().filter_map(|(path, rule, text)| Some((path.to_owned(), rule, text?)));
        places.chain(others).collect()
    }
}

/// Characters of the places as a JSON array.
fn length_of(places: &[Place]) -> usize {
    places.iter().map(|place| place.to_string().len() + "\"\",".len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{RangeBody, SelectBody};

    fn refused(body: &OptionsBody) -> Vec<String> {
        let errors = body.check_new("/options").err().unwrap_or_default();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_range_in_which_nothing_can_lie_is_refused_however_it_is_spelled() {
        let range = |start: Option<&str>, end: Option<&str>| OptionsBody {
            range: Some(RangeBody { start: start.map(str::to_owned), end: end.map(str::to_owned) }),
            ..OptionsBody::default()
        };
        for end in ["0s", "0ms", "0.0h", "0%", "0.00%", "#0"] {
            for start in [None, Some("0s"), Some("0%"), Some("#0"), Some("#7"), Some("5s"), Some("50%")] {
                assert_eq!(refused(&range(start, Some(end))), ["/options/range/end"], "{start:?} {end}");
            }
        }
        for end in [None, Some("100%"), Some("5s"), Some("#5"), Some("100.0%")] {
            assert_eq!(refused(&range(Some("100%"), end)), ["/options/range/end"], "{end:?}");
        }
        for (start, end) in [("5s", "1%"), ("99.9%", "1s"), ("#9", "1s"), ("0s", "#1"), ("0%", "1ms")] {
            assert_eq!(refused(&range(Some(start), Some(end))), [""; 0], "{start} {end}");
        }
    }

    #[test]
    fn a_thousand_places_fit_and_their_text_has_a_limit() {
        let at = |place: &str| OptionsBody {
            select: Some(SelectBody { at: Some(vec![place.to_owned(); 1000]), ..SelectBody::default() }),
            ..OptionsBody::default()
        };
        for good in ["9999.999s", "50.125%", "#12345678"] {
            assert_eq!(refused(&at(good)), [""; 0], "{good}");
        }
        for bad in ["12345.123456s", "#123456789012"] {
            assert_eq!(refused(&at(bad)), ["/options/select/at"], "{bad}");
            // A record that has them is read all the same.
            assert!(at(bad).check("").is_ok());
        }
    }
}
