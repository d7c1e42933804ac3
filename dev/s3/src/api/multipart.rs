//! Multipart uploads: start, parts, completion, abort and the listing of parts.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Api;
use super::attributes::{self, set_sum, sum_type};
use super::listings::limit;
use crate::ambient::{new_id, now_ms, timestamp};
use crate::checksum::{Algorithm, ObjectChecksum};
use crate::receive::IncomingBody;
use crate::store::objects::WriteCondition;
use crate::store::uploads::{NewUpload, Part as StoredPart, RequestedPart, UploadName};

/// S3's highest part number.
const MAX_PART_NUMBER: i32 = 10_000;

pub(super) async fn create(
    api: &Api,
    mut input: CreateMultipartUploadInput,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let algorithm = match &input.checksum_algorithm {
        Some(name) => Some(attributes::algorithm(name.as_str())?),
        None => None,
    };
    let full = input.checksum_type.as_ref().is_some_and(|kind| kind.as_str() != ChecksumType::COMPOSITE);
    if full || algorithm == Some(Algorithm::Crc64Nvme) {
        return Err(s3_error!(NotImplemented, "multipart uploads have checksums of type COMPOSITE only"));
    }
    let upload = NewUpload {
        id: new_id(),
        attributes: attributes::from_create(&mut input)?,
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        initiated_ms: now_ms(),
        algorithm,
    };
    let upload_id = upload.id.clone();
    api.store.run(move |work| work.create_upload(&upload)).await?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload_id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: algorithm.map(|_| ChecksumType::from_static(ChecksumType::COMPOSITE)),
        ..Default::default()
    }))
}

pub(super) async fn upload_part(
    api: &Api,
    req: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let S3Request { input, headers, trailing_headers, .. } = req;
    if !(1..=MAX_PART_NUMBER).contains(&input.part_number) {
        return Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive"
        ));
    }
    let announced = IncomingBody::new(&headers, input.content_length, trailing_headers)?;
    let name = UploadName { id: input.upload_id, bucket: input.bucket, key: input.key };
    // Looked up before the body is received, and again in the transaction that stores it.
    let asked = name.clone();
    let wanted = api.store.run(move |work| work.upload_algorithm(&asked)).await?;
    if wanted.is_some() && wanted != announced.algorithm() {
        let text = |algorithm: Option<Algorithm>| algorithm.map_or("null", Algorithm::name);
        return Err(s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            text(wanted),
            text(announced.algorithm())
        ));
    }

    let received = announced.receive(&api.store.blobs, input.body).await?;
    let part = StoredPart {
        number: input.part_number,
        blob: received.file.id().to_owned(),
        size: received.size,
        etag: hex::encode(received.md5),
        modified_ms: now_ms(),
        sum: received.sum,
    };
    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(part.etag.clone())), ..Default::default() };
    set_sum!(output, &part.sum);
    api.store.run(move |work| work.put_part(&name, &part, received.file)).await?;
    Ok(S3Response::new(output))
}

pub(super) async fn complete(
    api: &Api,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let claimed = listed.into_iter().map(requested_part).collect::<S3Result<Vec<_>>>()?;
    let expected_size = match input.mpu_object_size {
        Some(size) => Some(
            u64::try_from(size).map_err(|_| s3_error!(InvalidArgument, "the object's size is negative"))?,
        ),
        None => None,
    };
    let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
    let name = UploadName { id: input.upload_id, bucket: input.bucket.clone(), key: input.key.clone() };
    let now = now_ms();
    let (etag, sum) = api
        .store
        .run(move |work| work.complete_upload(&name, &claimed, expected_size, &condition, now))
        .await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(etag)),
        checksum_type: sum.as_ref().map(sum_type),
        ..Default::default()
    };
    set_sum!(output, &sum);
    Ok(S3Response::new(output))
}

pub(super) async fn abort(
    api: &Api,
    input: AbortMultipartUploadInput,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let name = UploadName { id: input.upload_id, bucket: input.bucket, key: input.key };
    api.store.run(move |work| work.abort_upload(&name)).await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) async fn list_parts(api: &Api, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
    let max_parts = limit("max-parts", input.max_parts)?;
    let max = usize::try_from(max_parts).unwrap_or_default();
    let marker = input.part_number_marker.unwrap_or(0);
    let name =
        UploadName { id: input.upload_id.clone(), bucket: input.bucket.clone(), key: input.key.clone() };
    let (mut rows, algorithm) = api
        .store
        .run(move |work| {
            let algorithm = work.upload_algorithm(&name)?;
            // One more than asked for tells whether more follow.
            Ok((work.parts(&name, marker, max + 1)?, algorithm))
        })
        .await?;
    let truncated = rows.len() > max && max > 0;
    rows.truncate(max);
    let next = rows.last().filter(|_| truncated).map(|row| row.number);
    let parts = rows.into_iter().map(|row| {
        let mut part = Part {
            part_number: Some(row.number),
            e_tag: Some(ETag::Strong(row.etag)),
            size: i64::try_from(row.size).ok(),
            last_modified: Some(timestamp(row.modified_ms)),
            ..Default::default()
        };
        set_sum!(part, &row.sum);
        part
    });
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(marker),
        max_parts: Some(max_parts),
        is_truncated: Some(truncated),
        next_part_number_marker: next,
        parts: Some(parts.collect()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: algorithm.map(|_| ChecksumType::from_static(ChecksumType::COMPOSITE)),
        ..Default::default()
    }))
}

/// Reads one entry of the completing request.
fn requested_part(part: CompletedPart) -> S3Result<RequestedPart> {
    let malformed = || {
        s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        )
    };
    let sums = [
        (Algorithm::Crc32, part.checksum_crc32),
        (Algorithm::Crc32c, part.checksum_crc32c),
        (Algorithm::Crc64Nvme, part.checksum_crc64nvme),
        (Algorithm::Sha1, part.checksum_sha1),
        (Algorithm::Sha256, part.checksum_sha256),
    ];
    let sum = sums.into_iter().find_map(|(algorithm, value)| {
        let value = value?;
        Some(ObjectChecksum { algorithm, value })
    });
    Ok(RequestedPart {
        number: part.part_number.ok_or_else(malformed)?,
        etag: part.e_tag.ok_or_else(malformed)?.into_value(),
        sum,
    })
}
