//! Still pictures as videos of one frame, which is what the engine reads: an AVI file around a JPEG or a PNG.

/// An AVI file with the picture as its only frame; `None` for what is neither a JPEG nor a PNG.
///
/// # Errors
/// If the picture's header has no size, or the picture is too large for an AVI file.
pub(super) fn video(file: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let (codec, size) = if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        (*b"MPNG", png_size(file))
    } else if file.starts_with(b"\xff\xd8\xff") {
        (*b"MJPG", jpeg_size(file))
    } else {
        return None;
    };
    let Some((width, height)) = size else { return Some(Err("its header does not say its size".to_owned())) };
    Some(
        u32::try_from(file.len()).map(|_| avi(codec, width, height, file)).map_err(|error| error.to_string()),
    )
}

fn png_size(file: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

/// The size in the frame header (ITU-T T.81, B.2.2). Skips the markers before it.
fn jpeg_size(file: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u16::from_be_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let mut at = 2;
    loop {
        match (*file.get(at)?, *file.get(at + 1)?) {
            (0xff, 0xff) => at += 1,
            // Start of frame, but not a table of Huffman codes, an extension or arithmetic conditions.
            (0xff, marker @ 0xc0..=0xcf) if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((u32::from(number(at + 7)?), u32::from(number(at + 5)?)));
            }
            (0xff, _) => at += 2 + usize::from(number(at + 2)?),
            _ => return None,
        }
    }
}

/// A chunk: its name, its length, and its bytes up to an even number.
fn chunk(name: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    [&name[..], &length.to_le_bytes(), &bytes].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// One frame that is shown for a second. The headers are those of Microsoft's *AVI RIFF File Reference*.
fn avi(codec: [u8; 4], width: u32, height: u32, frame: &[u8]) -> Vec<u8> {
    let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let main = numbers(&[1_000_000, 0, 0, 0x10, 1, 0, 1, bytes, width, height, 0, 0, 0, 0]);
    let stream = [&b"vids"[..], &codec, &numbers(&[0, 0, 0, 1, 1, 0, 1, bytes, u32::MAX, 0, 0, 0])].concat();
    let format =
        [&numbers(&[40, width, height, 1 | 24 << 16])[..], &codec, &numbers(&[0, 0, 0, 0, 0])].concat();
    let streams = chunk(*b"LIST", &[b"strl", &chunk(*b"strh", &[&stream]), &chunk(*b"strf", &[&format])]);
    let headers = chunk(*b"LIST", &[b"hdrl", &chunk(*b"avih", &[&main]), &streams]);
    let frames = chunk(*b"LIST", &[b"movi", &chunk(*b"00dc", &[frame])]);
    let index = chunk(*b"idx1", &[b"00dc", &numbers(&[0x10, 4, bytes])]);
    chunk(*b"RIFF", &[b"AVI ", &headers, &frames, &index])
}
