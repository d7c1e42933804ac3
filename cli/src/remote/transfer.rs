//! Uploads a file to the object store, in one request or in concurrent parts, which are streamed from the file: memory
//! does not depend on the file's size.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use backon::ExponentialBuilder;
use framelift_contract::video::{PutUpload, UploadPart, UploadPartsResponse};
use indicatif::ProgressBar;

use super::concurrent;
use super::saved_upload::LocalFile;
use crate::service::retry::{retry, schedule};
use crate::service::{Service, ServiceError};

/// Parts that are sent concurrently.
const CONCURRENT_PARTS: usize = 4;
/// The delays together bridge two minutes without a network.
const RETRIES: ExponentialBuilder = schedule(Duration::from_secs(1), Duration::from_secs(60), 7);

/// The upload of a file.
pub(crate) struct Transfer<'a> {
    pub(crate) service: &'a Service,
    pub(crate) file: &'a LocalFile,
    pub(crate) bar: &'a ProgressBar,
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
            let sent = self.send_once(&put.url, &headers, 0, self.file.size);
            if matches!(sent, Err(ServiceError::UrlExpired)) {
                put = new_url()?;
            }
            sent
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
        let urls = PartUrls(Mutex::new(BTreeMap::new()));
        urls.add(first.parts);
        concurrent::for_each(CONCURRENT_PARTS, missing.into_iter(), |number| {
            self.part(id, &urls, number, u64::from(number - 1) * part_size, size(number))
        })?;
        Ok(self.file.check_unchanged()?)
    }

    fn part(
        &self,
        id: &str,
        urls: &PartUrls,
        number: u32,
        offset: u64,
        size: u64,
    ) -> Result<(), ServiceError> {
        self.with_retries(|| {
            let url = match urls.get(number) {
                Some(url) => url,
                None => {
                    urls.add(self.fetch_part_urls(id, number)?.parts);
                    let missing = || ServiceError::UnexpectedAnswer {
                        server: self.service.server().to_owned(),
                        answer: format!("without a URL for part {number}"),
                    };
                    urls.get(number).ok_or_else(missing)?
                }
            };
            let sent = self.send_once(&url, &[], offset, size);
            if matches!(sent, Err(ServiceError::UrlExpired)) {
                urls.remove_expired(number);
            }
            sent
        })
    }

    /// URLs of up to a hundred parts, and which parts have arrived.
    fn fetch_part_urls(&self, id: &str, from: u32) -> Result<UploadPartsResponse, ServiceError> {
        let path = format!("/videos/{id}/upload-parts?from={from}");
        self.service.send(&crate::service::Call::get(path))?.json()
    }

    /// Calls `send` until the bytes have arrived. Fails if the file has changed, if the store refuses the bytes, or after
    /// the last retry.
    fn with_retries(&self, mut send: impl FnMut() -> Result<(), ServiceError>) -> Result<(), ServiceError> {
        let attempt = || {
            self.bar.set_prefix("");
            self.file.check_unchanged()?;
            send()
        };
        retry(RETRIES, attempt, || self.bar.set_prefix("waiting for the network, "))
    }

    fn send_once(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        offset: u64,
        size: u64,
    ) -> Result<(), ServiceError> {
        let mut file = self.file.read()?;
        file.seek(SeekFrom::Start(offset)).context("the file")?;
        let mut reader = CountingReader { file: file.take(size), left: size, bar: self.bar };
        let result = self.service.http().put(url, headers, size, &mut reader);
        if result.is_err() {
            self.bar.dec(size - reader.left);
        }
        result
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

/// The URLs of parts, which the threads of one upload share.
struct PartUrls(Mutex<BTreeMap<u32, String>>);

impl PartUrls {
    fn add(&self, parts: Vec<UploadPart>) {
        self.locked().extend(parts.into_iter().map(|part| (part.number, part.url)));
    }

    fn get(&self, number: u32) -> Option<String> {
        self.locked().get(&number).cloned()
    }

    /// Removes an expired URL and those that were fetched with it.
    fn remove_expired(&self, number: u32) {
        self.locked().retain(|other, _| *other < number);
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<u32, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
