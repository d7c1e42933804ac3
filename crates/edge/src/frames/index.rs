//! Reads rows of an index, in blocks that an instance caches: indexes never change.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use framelift_contract::frame_index::{HEADER_BYTES, Header, ROW_BYTES, Row, row_offset};
use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::Video;

use crate::http::{Failure, Incoming};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

/// Rows of a block. Reading a block takes no longer than reading a row.
const BLOCK_ROWS: u64 = 128;
/// Maximum of cached blocks of an instance: 256 KiB.
const MAX_BLOCKS: usize = 64;

/// A block of an index.
#[derive(Clone, Debug)]
struct Block {
    key: Rc<str>,
    number: u64,
    rows: Rc<[Row]>,
}

/// The blocks that were used last.
#[derive(Debug, Default)]
pub struct Blocks(RefCell<VecDeque<Block>>);

impl Blocks {
    fn get(&self, key: &str, number: u64) -> Option<Rc<[Row]>> {
        let mut blocks = self.0.borrow_mut();
        let position = blocks.iter().position(|block| block.number == number && *block.key == *key)?;
        let block = blocks.remove(position)?;
        let rows = Rc::clone(&block.rows);
        blocks.push_front(block);
        Some(rows)
    }

    fn put(&self, key: &str, number: u64, rows: Rc<[Row]>) {
        let mut blocks = self.0.borrow_mut();
        blocks.truncate(MAX_BLOCKS - 1);
        blocks.push_front(Block { key: key.into(), number, rows });
    }
}

/// A result that is kept and whose frames can be read one by one.
pub(super) struct IndexedResult {
    pub(super) video: Video,
    /// The archive's key.
    pub(super) archive: String,
    /// The index's key.
    index: String,
    /// Images in the archive.
    pub(super) frames: u64,
    /// Bytes of the archive.
    archive_bytes: u64,
}

/// The problem of a result that cannot be read.
pub(super) fn damaged(cause: &str) -> Failure {
    let detail = "the stored result is missing or damaged; run the video again";
    Failure::new(Code::ResultDamaged, detail).because(cause)
}

/// The problem of a number or a time that no frame has.
pub(super) fn no_such_frame(detail: impl Into<String>) -> Failure {
    Failure::new(Code::FrameNotFound, detail.into())
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// The result of the caller's video that the path names.
    pub(super) async fn own_result(&self, incoming: &Incoming) -> Result<IndexedResult, Failure> {
        let user = self.caller(incoming).await?;
        self.result_of(self.jobs().find(user, incoming.video_id()?).await?.video)
    }

    /// The result of a video.
    pub(super) fn result_of(&self, video: Video) -> Result<IndexedResult, Failure> {
        let (attempt, result) = self.kept_result(&video)?;
        if !result.indexed {
            let detail =
                "this result has the archive alone; run the video again to have its frames one by one";
            return Err(Failure::new(Code::FramesNotIndexed, detail));
        }
        Ok(IndexedResult {
            archive: object_key::result(video.owner, video.id, attempt),
            index: object_key::frame_index(video.owner, video.id, attempt),
            frames: result.frames,
            archive_bytes: result.size_bytes,
            video,
        })
    }

    /// The header of an index.
    pub(super) async fn header(&self, result: &IndexedResult) -> Result<Header, Failure> {
        let bytes = self.objects().get_range(&result.index, 0, HEADER_BYTES as u64).await?;
        let bytes = bytes.ok_or_else(|| damaged("the index is missing"))?;
        Header::decode(&bytes).map_err(|error| damaged(&error.to_string()))
    }

    /// The row of an image; 404 if there is none of this number.
    pub(super) async fn row(&self, result: &IndexedResult, number: u64) -> Result<Row, Failure> {
        if !(1..=result.frames).contains(&number) {
            return Err(no_such_frame(format!("the result has frames 1 to {}", result.frames)));
        }
        let rows = self.block(result, (number - 1) / BLOCK_ROWS).await?;
        let row = usize::try_from((number - 1) % BLOCK_ROWS).ok().and_then(|at| rows.get(at));
        row.copied().ok_or_else(|| damaged("a block of the index is too short"))
    }

    /// Number and row of the last image that is shown at or before a time; 404 if all are shown later.
    pub(super) async fn row_at(&self, result: &IndexedResult, time_ns: i64) -> Result<(u64, Row), Failure> {
        let later = || no_such_frame("the first frame is shown later");
        if result.frames == 0 {
            return Err(later());
        }
        // Binary search for the last block whose first row is not later.
        let (mut from, mut to) = (0, (result.frames - 1) / BLOCK_ROWS + 1);
        while to - from > 1 {
            let middle = from.midpoint(to);
            let first = self.row(result, middle * BLOCK_ROWS + 1).await?;
            if first.time_ns <= time_ns { from = middle } else { to = middle }
        }
        let rows = self.block(result, from).await?;
        let at = rows.partition_point(|row| row.time_ns <= time_ns).checked_sub(1).ok_or_else(later)?;
        Ok((from * BLOCK_ROWS + at as u64 + 1, rows[at]))
    }

    async fn block(&self, result: &IndexedResult, number: u64) -> Result<Rc<[Row]>, Failure> {
        let blocks = &self.frames()?.blocks;
        if let Some(rows) = blocks.get(&result.index, number) {
            return Ok(rows);
        }
        let first = number * BLOCK_ROWS;
        let count = result.frames.saturating_sub(first).min(BLOCK_ROWS);
        let bytes =
            self.objects().get_range(&result.index, row_offset(first + 1), count * ROW_BYTES as u64).await?;
        let bytes = bytes.ok_or_else(|| damaged("the index is missing or too short"))?;
        let rows: Rc<[Row]> = bytes.as_chunks().0.iter().map(Row::decode).collect();
        let inside = |row: &Row| {
            let end = row.image.offset.checked_add(row.image.length.into());
            row.image.length > 0 && end.is_some_and(|end| end <= result.archive_bytes)
        };
        if !rows.iter().all(inside) {
            return Err(damaged("the index leads out of the archive"));
        }
        blocks.put(&result.index, number, Rc::clone(&rows));
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use framelift_contract::frame_index::Extent;

    use super::*;

    #[test]
    fn a_full_cache_drops_the_oldest_block() {
        let blocks = Blocks::default();
        let row = |n: u64| Row {
            image: Extent { offset: n, length: 1, crc: 0 },
            width: 1,
            height: 1,
            time_ns: 0,
            keyframe: false,
        };
        for n in 0..100 {
            blocks.put("a", n, Rc::new([row(n)]));
            assert!(blocks.get("a", 0).is_some(), "what is used stays");
        }
        assert_eq!(blocks.0.borrow().len(), MAX_BLOCKS);
        assert_eq!(blocks.get("a", 99).unwrap()[0].image.offset, 99);
        assert!(blocks.get("a", 1).is_none() && blocks.get("b", 99).is_none());
    }
}
