//! What a fuzz target in `dev/fuzz` calls.

use super::bookmark::Bookmark;
use crate::cursor;

/// Reads the place from which a reader goes on: a list's cursor, or the id of an event. Returns whether it is one.
///
/// # Panics
/// If it is not spelled as we spell it.
pub fn place(text: &str) -> bool {
    let cursor = cursor::parse(text).map(cursor::format);
    let bookmark = Bookmark::parse(text);
    if let Some(bookmark) = &bookmark {
        let apart = bookmark.open.windows(2).all(|pair| pair[0].end < pair[1].start);
        assert!(
            apart && bookmark.open.len() <= 20 && bookmark.open.iter().all(|range| !range.is_empty()),
            "{text}"
        );
    }
    let spelled: Vec<String> =
        cursor.into_iter().chain(bookmark.map(|bookmark| bookmark.to_string())).collect();
    assert!(spelled.iter().all(|again| again == text), "{spelled:?} instead of {text}");
    !spelled.is_empty()
}
