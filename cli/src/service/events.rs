//! Parses server-sent events (HTML standard, section 9.2).

use std::io::{BufRead, Lines, Result};

/// An event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The event type; empty if the stream has none.
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// An item of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Event(Event),
    /// A comment, which keeps the connection alive.
    Comment,
}

/// Reads a stream. An event without an empty line at its end is ignored.
pub(crate) struct Events<R> {
    lines: Lines<R>,
    event: Event,
}

impl<R: BufRead> Events<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { lines: stream.lines(), event: Event::default() }
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "" if line.starts_with(':') => return Some(Ok(Piece::Comment)),
                "" => {
                    let event = std::mem::take(&mut self.event);
                    if !event.data.is_empty() {
                        return Some(Ok(Piece::Event(event)));
                    }
                }
                "event" => value.clone_into(&mut self.event.name),
                "id" => self.event.id = Some(value.to_owned()),
                "data" => {
                    if !self.event.data.is_empty() {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_standard_spells_them() {
        let stream = "retry: 2000\n\n: \n\nevent: status\r\nid: 5-6\r\ndata: {\r\ndata:}\r\n\r\nid: 7\n\ndata: cut off";
        let pieces: Vec<Piece> = Events::new(stream.as_bytes()).map(Result::unwrap).collect();
        let event = Event { name: "status".into(), id: Some("5-6".into()), data: "{\n}".into() };
        assert_eq!(pieces, [Piece::Comment, Piece::Event(event)]);
    }
}
