//! PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects and CopyObject.

use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::Api;
use super::attributes::{self, set_sum, sum_type};
use super::conditions::ReadCondition;
use crate::ambient::{now_ms, timestamp};
use crate::receive::IncomingBody;
use crate::store::objects::{NewObject, Object, Segment, WriteCondition};
use crate::store::{StoreError, reader};

/// S3's answer for an object that was written without a type.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// Most keys of one DeleteObjects.
const MAX_DELETE: usize = 1000;

/// A range, and the value of `Content-Range` and the count of parts when one was asked for.
type Selected = (std::ops::Range<u64>, Option<String>, Option<i32>);

pub(super) async fn put(api: &Api, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
    let S3Request { mut input, headers, trailing_headers, .. } = req;
    if input.write_offset_bytes.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented: x-amz-write-offset-bytes"
        ));
    }
    let announced = IncomingBody::new(&headers, input.content_length, trailing_headers)?;
    let attributes = attributes::from_put(&mut input)?;
    let bucket = input.bucket.clone();
    // The bucket is checked before the body is received, and again afterwards.
    api.store.run(move |work| work.need_bucket(&bucket)).await?;

    let received = announced.receive(&api.store.blobs, input.body).await?;
    let etag = hex::encode(received.md5);
    let mut output = PutObjectOutput {
        e_tag: Some(ETag::Strong(etag.clone())),
        checksum_type: received.sum.as_ref().map(sum_type),
        ..Default::default()
    };
    set_sum!(output, &received.sum);
    let object = NewObject {
        bucket: input.bucket,
        key: input.key,
        etag,
        modified_ms: now_ms(),
        attributes,
        sum: received.sum,
        segments: vec![Segment { blob: received.file.id().to_owned(), size: received.size }],
    };
    let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
    api.store.run(move |work| work.put_object(object, &condition, [received.file])).await?;
    Ok(S3Response::new(output))
}

pub(super) async fn get(api: &Api, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
    let input = req.input;
    let condition = ReadCondition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let (bucket, key) = (input.bucket, input.key);
    let (object, lease) = api
        .store
        .run(move |work| {
            let object = work.object(&bucket, &key)?;
            let lease = work.blobs.lease(object.blobs());
            Ok((object, lease))
        })
        .await?;
    condition.check(&object)?;
    let (range, content_range, parts_count) = select(&object, input.range, input.part_number)?;

    let attributes = object.attributes.clone();
    let content_type = attributes.content_type.unwrap_or_else(|| DEFAULT_TYPE.to_owned());
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(range.end - range.start).ok(),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(timestamp(object.modified_ms)),
        content_type: Some(content_type),
        content_disposition: attributes.content_disposition,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        cache_control: attributes.cache_control,
        expires: attributes.expires,
        metadata: user_metadata(&object),
        parts_count,
        ..Default::default()
    };
    // A checksum of the whole would be taken for one of the range.
    if input.checksum_mode.is_some() && content_range.is_none() {
        set_sum!(output, &object.sum);
        output.checksum_type = object.sum.as_ref().map(sum_type);
    }
    output.content_range = content_range;
    output.body = Some(reader::stream(lease, object.segments, range));
    Ok(S3Response::new(output))
}

pub(super) async fn head(
    api: &Api,
    req: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = req.input;
    let condition = ReadCondition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let (bucket, key) = (input.bucket, input.key);
    let object = api.store.run(move |work| work.object(&bucket, &key)).await?;
    condition.check(&object)?;
    let (range, content_range, parts_count) = select(&object, input.range, input.part_number)?;

    let metadata = user_metadata(&object);
    let attributes = object.attributes;
    let stored_type = attributes.content_type.unwrap_or_else(|| DEFAULT_TYPE.to_owned());
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(range.end - range.start).ok(),
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(timestamp(object.modified_ms)),
        content_type: Some(input.response_content_type.unwrap_or(stored_type)),
        content_disposition: input.response_content_disposition.or(attributes.content_disposition),
        content_encoding: input.response_content_encoding.or(attributes.content_encoding),
        content_language: input.response_content_language.or(attributes.content_language),
        cache_control: input.response_cache_control.or(attributes.cache_control),
        expires: input.response_expires.or(attributes.expires),
        metadata,
        parts_count,
        ..Default::default()
    };
    if input.checksum_mode.is_some() && content_range.is_none() {
        set_sum!(output, &object.sum);
        output.checksum_type = object.sum.as_ref().map(sum_type);
    }
    output.content_range = content_range;
    Ok(S3Response::new(output))
}

pub(super) async fn delete(
    api: &Api,
    req: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = req.input;
    api.store.run(move |work| work.delete_object(&input.bucket, &input.key, input.if_match)).await?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) async fn delete_many(
    api: &Api,
    req: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let DeleteObjectsInput { bucket, delete, .. } = req.input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_DELETE {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let quiet = delete.quiet.unwrap_or(false);
    let (deleted, errors) = api
        .store
        .run(move |work| {
            work.need_bucket(&bucket)?;
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for object in delete.objects {
                let if_match = object.e_tag.map(ETagCondition::ETag);
                match work.delete_object(&bucket, &object.key, if_match) {
                    Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..Default::default() }),
                    Err(StoreError::Refused(error)) => errors.push(Error {
                        code: Some(error.code().as_str().to_owned()),
                        message: error.message().map(str::to_owned),
                        key: Some(object.key),
                        ..Default::default()
                    }),
                    Err(error) => return Err(error),
                }
            }
            Ok((deleted, errors))
        })
        .await?;
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

pub(super) async fn copy(
    api: &Api,
    req: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let mut input = req.input;
    let CopySource::Bucket { bucket: source_bucket, key: source_key, version_id: None } = &input.copy_source
    else {
        return Err(s3_error!(NotImplemented, "only a bucket and a key are known as the source of a copy"));
    };
    let replace = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    if !replace && **source_bucket == *input.bucket && **source_key == *input.key {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let (from_bucket, from_key) = (source_bucket.to_string(), source_key.to_string());
    let target_bucket = input.bucket.clone();
    let (source, lease) = api
        .store
        .run(move |work| {
            work.need_bucket(&target_bucket)?;
            let source = work.object(&from_bucket, &from_key)?;
            let lease = work.blobs.lease(source.blobs());
            Ok((source, lease))
        })
        .await?;
    ReadCondition {
        if_match: input.copy_source_if_match.take(),
        if_none_match: input.copy_source_if_none_match.take(),
        if_modified_since: input.copy_source_if_modified_since.take(),
        if_unmodified_since: input.copy_source_if_unmodified_since.take(),
    }
    .check_source(&source)?;

    // A copy is an object written at once, so that its ETag is the MD5 of its bytes.
    let (etag, sum) = if source.is_multipart() {
        let segments = source.segments.clone();
        let lease = api.store.blobs.lease(source.blobs());
        let md5 = tokio::task::spawn_blocking(move || reader::md5(lease, segments))
            .await
            .map_err(S3Error::internal_error)?
            .map_err(StoreError::from)?;
        (hex::encode(md5), None)
    } else {
        (source.etag.clone(), source.sum.clone())
    };
    let modified_ms = now_ms();
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(etag.clone())),
        last_modified: Some(timestamp(modified_ms)),
        checksum_type: sum.as_ref().map(sum_type),
        ..Default::default()
    };
    set_sum!(result, &sum);
    let attributes = if replace { attributes::from_copy(&mut input)? } else { source.attributes.clone() };
    let blobs = source.blobs();
    let object = NewObject {
        bucket: input.bucket,
        key: input.key,
        etag,
        modified_ms,
        attributes,
        sum,
        segments: source.segments,
    };
    api.store
        .run(move |work| {
            // The source may have been deleted since: this takes the removal of its files back.
            let kept = work.blobs.lease(blobs);
            work.put_object(object, &WriteCondition::default(), [])?;
            drop((kept, lease));
            Ok(())
        })
        .await?;
    Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
}

fn user_metadata(object: &Object) -> Option<Metadata> {
    let metadata = &object.attributes.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// The bytes that `Range` or `partNumber` name.
fn select(object: &Object, range: Option<Range>, part: Option<i32>) -> S3Result<Selected> {
    let whole = 0..object.size;
    let (chosen, parts) = match (range, part) {
        (None, None) => return Ok((whole, None, None)),
        (Some(_), Some(_)) => {
            return Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            ));
        }
        (Some(range), None) => (range.check(object.size).ok(), None),
        (None, Some(number)) => part_range(object, number)?,
    };
    match chosen.filter(|chosen| !chosen.is_empty()) {
        Some(chosen) => {
            let text = format!("bytes {}-{}/{}", chosen.start, chosen.end - 1, object.size);
            Ok((chosen, Some(text), parts))
        }
        // A part may be empty, a range may not.
        None if parts.is_some() => Ok((whole, None, parts)),
        None => {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{}", object.size)) {
                headers.insert(http::header::CONTENT_RANGE, value);
            }
            let mut error =
                S3Error::with_message(S3ErrorCode::InvalidRange, "The requested range is not satisfiable");
            error.set_headers(headers);
            Err(error)
        }
    }
}

fn part_range(object: &Object, number: i32) -> S3Result<(Option<std::ops::Range<u64>>, Option<i32>)> {
    let invalid = || {
        let code = S3ErrorCode::Custom("InvalidPartNumber".into());
        let mut error = S3Error::with_message(code, "The requested partnumber is not satisfiable");
        error.set_status_code(http::StatusCode::RANGE_NOT_SATISFIABLE);
        error
    };
    let index = usize::try_from(number - 1).map_err(|_| invalid())?;
    if !object.is_multipart() {
        let whole = 0..object.size;
        return if index == 0 { Ok((Some(whole), None)) } else { Err(invalid()) };
    }
    let part = object.segments.get(index).ok_or_else(invalid)?;
    let start = object.segments.iter().take(index).map(|part| part.size).sum();
    let count = i32::try_from(object.segments.len()).ok();
    Ok((Some(start..start + part.size), count))
}
