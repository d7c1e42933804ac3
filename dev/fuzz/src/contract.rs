//! What crosses a wire: messages, options, indexes.

use framelift_contract::frame_index::{HEADER_BYTES, Header, ROW_BYTES, Row};
use framelift_contract::message::Message;
use framelift_contract::options::OptionsBody;

use crate::take;

/// Header and rows of an archive's index: what is understood is written again as it was, but for bytes that mean
/// nothing.
pub(crate) fn index(mut input: &[u8]) -> bool {
    let header = Header::decode(take(&mut input, HEADER_BYTES));
    if let Ok(header) = &header {
        assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(header));
    }
    let (rows, _) = input.as_chunks::<ROW_BYTES>();
    for row in rows.iter().map(Row::decode) {
        assert_eq!(Row::decode(&row.encode()), row);
    }
    header.is_ok()
}

/// A message of the job queue: what is understood is written again as it was.
pub(crate) fn messages(input: &[u8]) -> bool {
    let Ok(message) = Message::parse(crate::text(input)) else { return false };
    let again = serde_json::to_string(&message).expect("a message is JSON");
    assert_eq!(Message::parse(&again).ok(), Some(message));
    true
}

/// The options of a job as JSON: what is accepted is accepted again when it is written.
pub(crate) fn options(input: &[u8]) -> bool {
    let Ok(body) = serde_json::from_str::<OptionsBody>(crate::text(input)) else { return false };
    let Ok(options) = body.check_new("") else { return false };
    let written = serde_json::to_string(&OptionsBody::spelled_out(&options)).expect("options are JSON");
    let again: OptionsBody = serde_json::from_str(&written).expect("our own JSON");
    assert_eq!(again.check_new("").ok(), Some(options), "{written}");
    true
}
