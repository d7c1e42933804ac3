//! The entry point for a fuzz target in `dev/fuzz`.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use super::form;

/// Reads a form that arrives in pieces of `length` bytes; returns the name and length of each of its fields, or
/// the code that its sender is told.
pub async fn form(
    boundary: &str,
    body: &[u8],
    length: usize,
) -> Result<Vec<(Option<String>, usize)>, &'static str> {
    let pieces: Vec<_> = body
        .chunks(length)
        .map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let body = StreamBody::new(futures::stream::iter(pieces));
    let mut parser = form::form(body, boundary.to_owned(), 1 << 20);
    let mut fields = Vec::new();
    while let Some(mut field) = parser.next_field().await.map_err(|error| code(&error))? {
        let name = form::file_name(&field).ok();
        let mut bytes = 0;
        while let Some(piece) = field.chunk().await.map_err(|error| code(&error))? {
            bytes += piece.len();
        }
        fields.push((name, bytes));
    }
    Ok(fields)
}

fn code(error: &multer::Error) -> &'static str {
    form::form_failure(error).code().as_str()
}
