//! Sends a file's bytes to the object store, in one piece or in parts at once, each read from the file as it
//! goes: memory does not depend on the file's size.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use framelift_contract::video::{PutUpload, UploadPart, UploadPartsResponse};
use indicatif::ProgressBar;

use super::uploads::LocalFile;
use crate::service::{Service, ServiceError};

/// Parts that are sent at once.
const AT_ONCE: usize = 4;
/// Waits before a part is sent again: a network may be away for two minutes.
const WAITS_S: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];

/// A file on its way.
pub(crate) struct Transfer<'a> {
    pub(crate) service: &'a Service,
    pub(crate) file: &'a LocalFile,
    pub(crate) bar: &'a ProgressBar,
}

/// What became of sending some bytes once.
enum Sent {
    Arrived,
    /// The URL is not good any more.
    UrlExpired,
}

impl Transfer<'_> {
    /// Sends the file in one piece. `fresh` gives another URL.
    pub(crate) fn whole(
        &self,
        mut put: PutUpload,
        mut fresh: impl FnMut() -> Result<PutUpload, ServiceError>,
    ) -> Result<(), ServiceError> {
        self.again(|| {
            let headers: Vec<_> = put.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let sent = self.once(&put.url, &headers, 0, self.file.size)?;
            if matches!(sent, Sent::UrlExpired) {
                put = fresh()?;
            }
            Ok(sent)
        })
    }

    /// Sends the parts that have not arrived.
    pub(crate) fn parts(&self, id: &str) -> Result<(), ServiceError> {
        let first = self.ask_for_parts(id, 1)?;
        let (part_size, count) = (first.part_size, first.part_count);
        let size = |number: u32| {
            self.file.size.saturating_sub(u64::from(number - 1).saturating_mul(part_size)).min(part_size)
        };
        let arrived: BTreeMap<u32, u64> =
            first.uploaded.iter().map(|part| (part.number, part.size)).collect();
        let (there, missing): (Vec<u32>, Vec<u32>) =
            (1..=count).partition(|number| arrived.get(number) == Some(&size(*number)));
        self.bar.set_position(there.into_iter().map(size).sum());
        self.bar.reset_eta();
        let work = Work {
            missing: Mutex::new(missing.into()),
            urls: Mutex::new(BTreeMap::new()),
            failed: Mutex::new(None),
        };
        work.know(first.parts);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(number) = work.next() {
                        let offset = u64::from(number - 1) * part_size;
                        if let Err(error) = self.part(id, &work, number, offset, size(number)) {
                            work.fail(error);
                        }
                    }
                });
            }
        });
        match work.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(self.file.check_unchanged()?),
        }
    }

    fn part(&self, id: &str, work: &Work, number: u32, offset: u64, size: u64) -> Result<(), ServiceError> {
        self.again(|| {
            let url = match work.url(number) {
                Some(url) => url,
                None => {
                    work.know(self.ask_for_parts(id, number)?.parts);
                    let missing = || ServiceError::Strange {
                        server: self.service.server().to_owned(),
                        answer: format!("without a URL for part {number}"),
                    };
                    work.url(number).ok_or_else(missing)?
                }
            };
            let sent = self.once(&url, &[], offset, size)?;
            if matches!(sent, Sent::UrlExpired) {
                work.forget(number);
            }
            Ok(sent)
        })
    }

    /// URLs of up to a hundred parts, and which parts have arrived.
    fn ask_for_parts(&self, id: &str, from: u32) -> Result<UploadPartsResponse, ServiceError> {
        let path = format!("/videos/{id}/upload-parts?from={from}");
        self.service.send(&crate::service::Call::get(path))?.json()
    }

    /// Sends until it arrives, the store says no, or the network is away for too long.
    fn again(&self, mut send: impl FnMut() -> Result<Sent, ServiceError>) -> Result<(), ServiceError> {
        let mut waits = WAITS_S.into_iter();
        loop {
            let error = match send() {
                Ok(Sent::Arrived) => return Ok(()),
                Ok(Sent::UrlExpired) => refused(403),
                Err(error) if error.is_temporary() => error,
                Err(error) => return Err(error),
            };
            self.file.check_unchanged()?;
            let Some(wait) = waits.next() else { return Err(error) };
            tracing::debug!(?error, wait, "sends again");
            self.bar.set_prefix("waiting for the network, ");
            // A URL that has expired is no fault of the network.
            if error.is_temporary() {
                std::thread::sleep(Duration::from_secs(wait));
            }
            self.bar.set_prefix("");
        }
    }

    fn once(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        offset: u64,
        size: u64,
    ) -> Result<Sent, ServiceError> {
        let mut file = self.file.read()?;
        file.seek(SeekFrom::Start(offset)).context("the file")?;
        let mut reader = Counted { file: file.take(size), left: size, bar: self.bar };
        let answer = self.service.http().put(url, headers, size, &mut reader);
        let sent = size - reader.left;
        let result = match answer {
            Ok(200..=299) => return Ok(Sent::Arrived),
            Ok(403) => Ok(Sent::UrlExpired),
            Ok(status @ (429 | 500..=599)) => Err(ServiceError::Unreachable {
                server: "the object store".to_owned(),
                reason: format!("status {status}"),
            }),
            Ok(status) => Err(refused(status)),
            Err(error) => Err(error),
        };
        self.bar.dec(sent);
        result
    }
}

fn refused(status: u16) -> ServiceError {
    ServiceError::Strange { server: "the object store".to_owned(), answer: format!("with status {status}") }
}

/// The file's bytes as they go; an end before all have gone is an error.
struct Counted<'a> {
    file: io::Take<std::fs::File>,
    left: u64,
    bar: &'a ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        self.left -= read as u64;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

/// What the threads of one upload share.
struct Work {
    missing: Mutex<VecDeque<u32>>,
    urls: Mutex<BTreeMap<u32, String>>,
    failed: Mutex<Option<ServiceError>>,
}

impl Work {
    /// The next part to send; none where all are sent, or one has failed.
    fn next(&self) -> Option<u32> {
        if locked(&self.failed).is_some() {
            return None;
        }
        locked(&self.missing).pop_front()
    }

    fn fail(&self, error: ServiceError) {
        locked(&self.failed).get_or_insert(error);
    }

    fn know(&self, parts: Vec<UploadPart>) {
        locked(&self.urls).extend(parts.into_iter().map(|part| (part.number, part.url)));
    }

    fn url(&self, number: u32) -> Option<String> {
        locked(&self.urls).get(&number).cloned()
    }

    /// The URL has expired, and so have those that came with it.
    fn forget(&self, number: u32) {
        let mut urls = locked(&self.urls);
        urls.retain(|other, _| *other < number);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
