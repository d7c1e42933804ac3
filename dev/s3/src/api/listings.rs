//! ListObjectsV2 and ListMultipartUploads.

use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::Api;
use crate::ambient::timestamp;
use crate::store::listing::{Query, successor};

/// Most entries of one answer.
const MAX_KEYS: i32 = 1000;

pub(super) async fn objects(
    api: &Api,
    input: ListObjectsV2Input,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let max_keys = limit("max-keys", input.max_keys)?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => hex::decode(token)
            .ok()
            .filter(|from| !from.is_empty())
            .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
        (None, Some(key)) => successor(key.as_bytes()),
        (None, None) => Vec::new(),
    };
    let query = Query {
        bucket: input.bucket.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|text| !text.is_empty()),
        from,
        max: usize::try_from(max_keys).unwrap_or_default(),
    };
    let page = api.store.run(move |work| work.list(&query)).await?;

    let encode = Encoding::of(input.encoding_type.as_ref())?;
    let count = page.objects.len() + page.prefixes.len();
    let contents = page.objects.into_iter().map(|object| Object {
        key: Some(encode.apply(object.key)),
        e_tag: Some(ETag::Strong(object.etag)),
        size: Some(object.size),
        last_modified: Some(timestamp(object.modified_ms)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    });
    let prefixes =
        page.prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(encode.apply(prefix)) });
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode.apply(input.prefix.unwrap_or_default())),
        max_keys: Some(max_keys),
        key_count: i32::try_from(count).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(hex::encode),
        contents: Some(contents.collect()),
        common_prefixes: Some(prefixes.collect()),
        delimiter: input.delimiter.map(|text| encode.apply(text)),
        start_after: input.start_after.map(|text| encode.apply(text)),
        encoding_type: input.encoding_type,
        ..Default::default()
    }))
}

pub(super) async fn uploads(
    api: &Api,
    input: ListMultipartUploadsInput,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    if input.delimiter.as_deref().is_some_and(|text| !text.is_empty()) {
        return Err(s3_error!(NotImplemented, "a delimiter is not known in the listing of uploads"));
    }
    let max_uploads = limit("max-uploads", input.max_uploads)?;
    let max = usize::try_from(max_uploads).unwrap_or_default();
    let bucket = input.bucket.clone();
    let prefix = input.prefix.clone().unwrap_or_default();
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone();
    let mut rows = api
        .store
        .run(move |work| {
            // One more than asked for tells whether more follow.
            work.uploads(&bucket, &prefix, &key_marker, id_marker.as_deref(), max + 1)
        })
        .await?;
    let truncated = rows.len() > max && max > 0;
    rows.truncate(max);

    let encode = Encoding::of(input.encoding_type.as_ref())?;
    let last = rows.last().filter(|_| truncated);
    let next = last.map(|row| (encode.apply(row.key.clone()), row.id.clone()));
    let (next_key_marker, next_upload_id_marker) = next.unzip();
    let uploads = rows.into_iter().map(|row| MultipartUpload {
        key: Some(encode.apply(row.key)),
        upload_id: Some(row.id),
        initiated: Some(timestamp(row.initiated_ms)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..Default::default()
    });
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix.map(|text| encode.apply(text)),
        key_marker: input.key_marker.map(|text| encode.apply(text)),
        upload_id_marker: input.upload_id_marker,
        max_uploads: Some(max_uploads),
        is_truncated: Some(truncated),
        next_key_marker,
        next_upload_id_marker,
        uploads: Some(uploads.collect()),
        encoding_type: input.encoding_type,
        ..Default::default()
    }))
}

/// The number of entries to answer: at most a thousand, which is also the default.
pub(super) fn limit(name: &str, asked: Option<i32>) -> S3Result<i32> {
    let asked = asked.unwrap_or(MAX_KEYS);
    if asked < 0 {
        return Err(s3_error!(
            InvalidArgument,
            "Argument {name} must be an integer between 0 and 2147483647"
        ));
    }
    Ok(asked.min(MAX_KEYS))
}

/// How keys are written: XML 1.0 has no way to write control characters.
#[derive(Clone, Copy)]
enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    fn of(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    fn apply(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Url => {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace("%2F", "/")
            }
        }
    }
}
