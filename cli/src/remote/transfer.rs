//! Uploads a file to the object store, in one request or in concurrent parts, which are streamed from the file: memory
//! does not depend on the file's size.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use framelift_contract::video::{PutUpload, UploadPart, UploadPartsResponse};
use indicatif::ProgressBar;

use super::saved_upload::LocalFile;
use crate::service::{Service, ServiceError};

/// Parts that are sent concurrently.
const CONCURRENT_PARTS: usize = 4;
/// Delays before each retry, in seconds. Together they bridge two minutes without a network.
const RETRY_DELAYS_S: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];

/// The upload of a file.
pub(crate) struct Transfer<'a> {
    pub(crate) service: &'a Service,
    pub(crate) file: &'a LocalFile,
    pub(crate) bar: &'a ProgressBar,
}

/// The outcome of one request.
enum Sent {
    Arrived,
    /// The URL has expired.
    UrlExpired,
}

impl Transfer<'_> {
    /// Sends the file in one request. `new_url` returns another URL after the first has expired.
    pub(crate) fn whole(
        &self,
        mut put: PutUpload,
        mut new_url: impl FnMut() -> Result<PutUpload, ServiceError>,
    ) -> Result<(), ServiceError> {
        self.with_retries(|| {
            let headers: Vec<_> = put.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let sent = self.send_once(&put.url, &headers, 0, self.file.size)?;
            if matches!(sent, Sent::UrlExpired) {
                put = new_url()?;
            }
            Ok(sent)
        })
    }

    /// Sends the parts that have not arrived.
    pub(crate) fn parts(&self, id: &str) -> Result<(), ServiceError> {
        let first = self.fetch_part_urls(id, 1)?;
        let (part_size, count) = (first.part_size, first.part_count);
        let size = |number: u32| {
            self.file.size.saturating_sub(u64::from(number - 1).saturating_mul(part_size)).min(part_size)
        };
        let arrived: BTreeMap<u32, u64> =
            first.uploaded.iter().map(|part| (part.number, part.size)).collect();
        let (arrived_parts, missing): (Vec<u32>, Vec<u32>) =
            (1..=count).partition(|number| arrived.get(number) == Some(&size(*number)));
        self.bar.set_position(arrived_parts.into_iter().map(size).sum());
        self.bar.reset_eta();
        let queue = PartQueue {
            missing: Mutex::new(missing.into()),
            urls: Mutex::new(BTreeMap::new()),
            failed: Mutex::new(None),
        };
        queue.add_urls(first.parts);
        std::thread::scope(|scope| {
            for _ in 0..CONCURRENT_PARTS {
                scope.spawn(|| {
                    while let Some(number) = queue.next() {
                        let offset = u64::from(number - 1) * part_size;
                        if let Err(error) = self.part(id, &queue, number, offset, size(number)) {
                            queue.fail(error);
                        }
                    }
                });
            }
        });
        match queue.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(self.file.check_unchanged()?),
        }
    }

    fn part(
        &self,
        id: &str,
        queue: &PartQueue,
        number: u32,
        offset: u64,
        size: u64,
    ) -> Result<(), ServiceError> {
        self.with_retries(|| {
            let url = match queue.url(number) {
                Some(url) => url,
                None => {
                    queue.add_urls(self.fetch_part_urls(id, number)?.parts);
                    let missing = || ServiceError::UnexpectedAnswer {
                        server: self.service.server().to_owned(),
                        answer: format!("without a URL for part {number}"),
                    };
                    queue.url(number).ok_or_else(missing)?
                }
            };
            let sent = self.send_once(&url, &[], offset, size)?;
            if matches!(sent, Sent::UrlExpired) {
                queue.drop_expired_urls(number);
            }
            Ok(sent)
        })
    }

    /// URLs of up to a hundred parts, and which parts have arrived.
    fn fetch_part_urls(&self, id: &str, from: u32) -> Result<UploadPartsResponse, ServiceError> {
        let path = format!("/videos/{id}/upload-parts?from={from}");
        self.service.send(&crate::service::Call::get(path))?.json()
    }

    /// Calls `send` until the bytes have arrived. Fails if the store refuses them or after the last retry.
    fn with_retries(&self, mut send: impl FnMut() -> Result<Sent, ServiceError>) -> Result<(), ServiceError> {
        let mut delays = RETRY_DELAYS_S.into_iter();
        loop {
            let error = match send() {
                Ok(Sent::Arrived) => return Ok(()),
                Ok(Sent::UrlExpired) => refused(403),
                Err(error) if error.is_temporary() => error,
                Err(error) => return Err(error),
            };
            self.file.check_unchanged()?;
            let Some(delay) = delays.next() else { return Err(error) };
            tracing::debug!(?error, delay, "sends again");
            self.bar.set_prefix("waiting for the network, ");
            // No delay after an expired URL.
            if error.is_temporary() {
                std::thread::sleep(Duration::from_secs(delay));
            }
            self.bar.set_prefix("");
        }
    }

    fn send_once(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        offset: u64,
        size: u64,
    ) -> Result<Sent, ServiceError> {
        let mut file = self.file.read()?;
        file.seek(SeekFrom::Start(offset)).context("the file")?;
        let mut reader = CountingReader { file: file.take(size), left: size, bar: self.bar };
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
    ServiceError::UnexpectedAnswer {
        server: "the object store".to_owned(),
        answer: format!("with status {status}"),
    }
}

/// A reader of a part of the file that advances the bar. Fails if the file is too short.
struct CountingReader<'a> {
    file: io::Take<std::fs::File>,
    left: u64,
    bar: &'a ProgressBar,
}

impl Read for CountingReader<'_> {
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

/// The state that the threads of one upload share.
struct PartQueue {
    missing: Mutex<VecDeque<u32>>,
    urls: Mutex<BTreeMap<u32, String>>,
    failed: Mutex<Option<ServiceError>>,
}

impl PartQueue {
    /// The next part to send; none if all are sent or one has failed.
    fn next(&self) -> Option<u32> {
        if locked(&self.failed).is_some() {
            return None;
        }
        locked(&self.missing).pop_front()
    }

    fn fail(&self, error: ServiceError) {
        locked(&self.failed).get_or_insert(error);
    }

    fn add_urls(&self, parts: Vec<UploadPart>) {
        locked(&self.urls).extend(parts.into_iter().map(|part| (part.number, part.url)));
    }

    fn url(&self, number: u32) -> Option<String> {
        locked(&self.urls).get(&number).cloned()
    }

    /// Removes an expired URL and those that were fetched with it.
    fn drop_expired_urls(&self, number: u32) {
        let mut urls = locked(&self.urls);
        urls.retain(|other, _| *other < number);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
