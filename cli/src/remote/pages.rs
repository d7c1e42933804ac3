//! Lists that the service answers in pages.

use std::num::NonZeroUsize;
use std::vec;

use clap::Args;
use serde_json::Value;

use crate::service::{Service, ServiceError};

/// Maximum of items in one answer.
const PAGE: usize = 100;

/// How much of a list is printed.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// List at most N, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    limit: NonZeroUsize,
    /// List all
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl LimitArgs {
    /// Fetches as much of the list at `path` as the arguments ask for. Returns a warning if there is more.
    pub(crate) fn fetch(
        &self,
        service: &Service,
        path: &str,
    ) -> Result<(Vec<Value>, Option<String>), ServiceError> {
        let limit = if self.all { usize::MAX } else { self.limit.get() };
        let mut items = Items::new(service, path, limit);
        let found = items.by_ref().take(limit).collect::<Result<_, _>>()?;
        let more = items.has_more().then(|| "there are more; --all lists them".to_owned());
        Ok((found, more))
    }
}

/// Iterates over all items of a list, and fetches its pages as they are needed.
pub(crate) struct Items<'a> {
    service: &'a Service,
    /// The path of the first page.
    path: String,
    page: vec::IntoIter<Value>,
    /// What the path of the next page has at its end; none after the last page.
    next: Option<String>,
}

impl<'a> Items<'a> {
    /// The list at `path`, which may have a query. `expected` determines the size of a page.
    pub(crate) fn new(service: &'a Service, path: &str, expected: usize) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}limit={}", PAGE.min(expected));
        Self { service, path, page: Vec::new().into_iter(), next: Some(String::new()) }
    }

    /// Whether the service has items that were not returned yet.
    fn has_more(&self) -> bool {
        self.page.len() > 0 || self.next.is_some()
    }

    fn fetch(&mut self, next: &str) -> Result<(), ServiceError> {
        let mut page = self.service.get(&format!("{}{next}", self.path))?;
        if let Value::Array(items) = page["items"].take() {
            self.page = items.into_iter();
        }
        let cursor = page["next_cursor"].as_str().map(|cursor| {
            let cursor: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
            format!("&cursor={cursor}")
        });
        self.next = cursor;
        Ok(())
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Value, ServiceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.page.next() {
                return Some(Ok(item));
            }
            let next = self.next.take()?;
            if let Err(error) = self.fetch(&next) {
                return Some(Err(error));
            }
        }
    }
}
