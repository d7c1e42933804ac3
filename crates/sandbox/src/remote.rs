//! The child's ends of the sockets, behind the engine's traits: source, archive, names and control.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use framelift_domain::Rational;
use framelift_media::{Archive, ArchiveError, Content, Control, Finished, Member, Names, Progress, Source};

use crate::framing::{self, Frames};
use crate::messages::{self, Kind, MAX_PIECE, MemberId, MemberStart};

/// Microseconds between two reports of progress in the same stage.
const PROGRESS_INTERVAL_US: u64 = 100_000;

/// The socket to which the engine's threads write, and from which the one that writes the archive reads.
pub(crate) struct Events {
    out: Mutex<File>,
    answers: Mutex<Frames<File>>,
}

impl Events {
    pub(crate) fn new(socket: File) -> io::Result<Self> {
        Ok(Self { answers: Mutex::new(Frames::new(socket.try_clone()?)), out: Mutex::new(socket) })
    }

    pub(crate) fn out(&self) -> MutexGuard<'_, File> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, kind: Kind, body: &[u8]) -> io::Result<()> {
        framing::write(&mut *self.out(), kind, body)
    }

    /// Waits for the parent's next message.
    pub(crate) fn receive(&self, expected: Kind) -> io::Result<Vec<u8>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, body) = answers.next()?;
        if kind == expected { Ok(body.to_vec()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Waits for a plugin's component or code.
    pub(crate) fn receive_code(&self, bytes: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut code = Vec::with_capacity(bytes);
        while code.len() < bytes {
            code.extend_from_slice(&self.receive(Kind::Code)?);
        }
        Ok(code)
    }
}

/// The video, read through the parent.
pub(crate) struct RemoteSource {
    socket: File,
    answers: Frames<File>,
    size: u64,
}

impl RemoteSource {
    pub(crate) fn new(socket: File) -> io::Result<Self> {
        Ok(Self { answers: Frames::new(socket.try_clone()?), socket, size: 0 })
    }

    /// Makes the source once the job has told the video's size.
    pub(crate) fn of_size(self, size: u64) -> Box<Self> {
        Box::new(Self { size, ..self })
    }
}

impl Source for RemoteSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || buf.is_empty() {
            return Ok(0);
        }
        let length = buf.len().min(MAX_PIECE);
        framing::write(&mut self.socket, Kind::Read, &messages::encode_read(offset, length as u32))?;
        match self.answers.next()? {
            (Kind::Data, bytes) if bytes.len() <= length => {
                buf[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            (Kind::ReadFailed, _) => Err(io::Error::other("the parent could not read")),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        // It is only a hint; if the parent is gone, the next read fails.
        let _ = framing::write(&mut self.socket, Kind::Prefetch, &messages::encode_ranges(ranges));
    }
}

/// The member named last, which is the one added next.
#[derive(Default)]
struct LastNamed(RefCell<Option<MemberId>>);

/// The names of members, as the parent gives them.
pub(crate) struct RemoteNames<'a> {
    /// `None` if the service's names are used, which need not be asked for.
    events: Option<&'a Events>,
    /// The images' names so far, which the manifest lists twice more.
    images: RefCell<Vec<String>>,
    named: LastNamed,
}

impl<'a> RemoteNames<'a> {
    pub(crate) fn new(events: Option<&'a Events>) -> Self {
        Self { events, images: RefCell::default(), named: LastNamed::default() }
    }

    fn ask(events: &Events, id: &MemberId) -> String {
        let mut body = Vec::new();
        id.encode(&mut body);
        let answer = events.send(Kind::AskName, &body).and_then(|()| events.receive(Kind::Name));
        // If the parent is gone, nothing that is written arrives anyway.
        String::from_utf8(answer.unwrap_or_default()).unwrap_or_default()
    }
}

impl Names for RemoteNames<'_> {
    fn image(&self, number: u64, time: Rational, extension: &str) -> String {
        let at = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let id = MemberId::Image { number, time, extension: extension.to_owned() };
        let name = match self.events {
            None => framelift_media::Numbered.image(number, time, extension),
            Some(events) => {
                let known = self.images.borrow().get(at).cloned();
                known.unwrap_or_else(|| {
                    let name = Self::ask(events, &id);
                    self.images.borrow_mut().push(name.clone());
                    name
                })
            }
        };
        *self.named.0.borrow_mut() = Some(id);
        name
    }

    fn other(&self, name: &str) -> String {
        let id = MemberId::Other(name.to_owned());
        let name = self.events.map_or_else(|| name.to_owned(), |events| Self::ask(events, &id));
        *self.named.0.borrow_mut() = Some(id);
        name
    }
}

/// The archive, which the parent writes.
pub(crate) struct RemoteArchive<'a> {
    pub(crate) events: &'a Events,
    pub(crate) names: &'a RemoteNames<'a>,
    /// Bytes of members so far. The parent adds the overhead of its format.
    pub(crate) bytes: u64,
}

impl Archive for RemoteArchive<'_> {
    fn written(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, member: Member<'_>, content: Content<'_>) -> Result<(), ArchiveError> {
        let named = self.names.named.0.borrow_mut().take();
        let id = named.ok_or_else(|| io::Error::other("a member that was not named"))?;
        let (pixels, keyframe) = member.image.map_or(((0, 0), false), |image| (image.size, image.keyframe));
        let start = MemberStart { size: member.size, crc: member.crc, pixels, keyframe, id };
        self.events.send(Kind::Member, &start.encode())?;
        let mut pieces = io::BufWriter::with_capacity(64 << 10, Pieces(self.events));
        content(&mut pieces)?;
        pieces.flush()?;
        self.bytes += member.size;
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Finished> {
        Ok(Finished { bytes: self.bytes, sha256: None })
    }
}

struct Pieces<'a>(&'a Events);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_PIECE)];
        self.0.send(Kind::Piece, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends progress a few times a second. The parent cancels a job by killing this process, so there is no
/// answer.
pub(crate) struct Throttled<'a> {
    events: &'a Events,
    started: Instant,
    stage: AtomicU8,
    due: AtomicU64,
}

impl<'a> Throttled<'a> {
    pub(crate) fn new(events: &'a Events) -> Self {
        Self { events, started: Instant::now(), stage: AtomicU8::new(u8::MAX), due: AtomicU64::new(0) }
    }
}

impl Control for Throttled<'_> {
    fn progress(&self, progress: &Progress) -> bool {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let stage = progress.stage as u8;
        let entered = self.stage.swap(stage, Relaxed) != stage;
        let due = self.due.load(Relaxed);
        if !entered && now < due {
            return true;
        }
        // Only one of several threads reports.
        if self.due.compare_exchange(due, now + PROGRESS_INTERVAL_US, Relaxed, Relaxed).is_err() && !entered {
            return true;
        }
        self.events.send(Kind::Progress, &messages::encode_progress(progress)).is_ok()
    }
}
