# Written by `cargo xtask clients`.

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class ChangePasswordRequest(TypedDict):
    """
    `POST /auth/me/password`.
    """

    new_password: str
    """
    The new password.
    """
    password: str
    """
    The current password.
    """


class CropBody(TypedDict):
    """
    The part of the pictures to keep, in pixels of the picture as it is shown: turned upright, with square
    pixels, before it is resized. A part that reaches beyond the pictures fails the video.
    """

    height: int
    """
    Pixels down.
    """
    width: int
    """
    Pixels across.
    """
    x: int
    """
    Columns to the left of the part.
    """
    y: int
    """
    Lines above the part.
    """


class DeleteAccountRequest(TypedDict):
    """
    `DELETE /auth/me`.
    """

    password: str
    """
    The password, once more.
    """


class DeliveryAttempt(TypedDict):
    """
    One attempt to deliver an event.
    """

    at: str
    """
    When.
    """
    error: NotRequired[str | None]
    """
    Why it was not accepted.
    """
    status: NotRequired[int | None]
    """
    The status that the receiver answered, if it did.
    """


DeliveryStatus: TypeAlias = Literal['pending', 'delivered', 'failed']
"""
The status of a delivery.
"""


class DownloadResponse(TypedDict):
    """
    `GET /videos/{id}/download` with `Accept: application/json`.
    """

    expires_at: str
    """
    When it expires.
    """
    size_bytes: int
    """
    Bytes of the archive.
    """
    url: str
    """
    A presigned GET.
    """


EventType: TypeAlias = Literal['video.completed', 'video.failed', 'video.expired', 'plugin.rejected', 'webhook.test']
"""
The type of an event.
"""


class Failure(TypedDict):
    """
    The schema of [`Failure`] in the OpenAPI document.
    """

    code: str
    """
    `not-a-video`, `no-video-stream`, `unsupported-container`, `unsupported-codec`, `corrupt-input`,
    `limit-exceeded`, `drm-protected`, `timed-out`, `decoder-crashed`, `plugin-failed` or `internal`.
    """
    message: str
    """
    What went wrong.
    """
    retryable: bool
    """
    Whether running the same upload again may succeed.
    """


class FieldError(TypedDict):
    """
    An error in one part of a request.
    """

    detail: str
    """
    What is wrong with it.
    """
    pointer: str
    """
    Where: a JSON Pointer (RFC 6901) into the body, in which a field of a form is `/name`; for a query
    parameter `?name`, behind which a pointer into its JSON may follow; or the name of a header.
    """


class FrameItem(TypedDict):
    """
    One frame.
    """

    bytes: int
    """
    Bytes of the image.
    """
    height: int
    """
    Pixels down.
    """
    keyframe: bool
    """
    Whether the container marks it as a sync point.
    """
    n: int
    """
    Its number, from 1: that of the archive's member.
    """
    time: str
    """
    When it is shown: seconds on the video's timeline, to the nearest nanosecond, as a decimal.
    """
    time_seconds: float
    """
    The same as a number.
    """
    url: str
    """
    The path of this frame. It needs no token.
    """
    width: int
    """
    Pixels across.
    """


class FramePage(TypedDict):
    """
    `GET /videos/{id}/frames`.
    """

    expires_at: str
    """
    When the URLs expire.
    """
    items: list[FrameItem]
    """
    In the order of time.
    """
    next_cursor: NotRequired[str | None]
    """
    The cursor of the next page; null at the end.
    """
    url_template: str
    """
    The path of any frame of this video, `{n}` being its number. It needs no token.
    """


class LoginRequest(TypedDict):
    """
    `POST /auth/login`.
    """

    email: str
    """
    The e-mail address of the account.
    """
    password: str
    """
    Its password.
    """
    refresh_token: NotRequired[str | None]
    """
    The last refresh token that this device got for the account, if it has one, however old. It shows
    that the device logged in before, so that failures elsewhere do not count against it. After a reset
    by a mailed link, the link's token does the same for its hour.
    """


MultipartMethod: TypeAlias = Literal['MULTIPART']
"""
The method of an upload in parts.
"""


class NotificationSettings(TypedDict):
    """
    The notifications that the owner receives.
    """

    email: bool
    """
    An e-mail when a video fails.
    """
    email_on_completion: NotRequired[bool]
    """
    An e-mail when a video is done, too.
    """
    webhook_url: NotRequired[str | None]
    """
    A webhook (https), or none.
    """


class PluginBody(TypedDict):
    """
    A frame plugin and its configuration.
    """

    config: NotRequired[dict[str, Any]]
    """
    Its configuration.
    """
    name: str
    """
    The plugin's name.
    """


class PluginInUse(TypedDict):
    """
    A version that unfinished videos run.
    """

    version: int
    """
    Its number.
    """
    videos: int
    """
    How many videos run it.
    """


PluginState: TypeAlias = Literal['checking', 'ready', 'rejected']
"""
The state of a plugin.
"""


ProblemCode: TypeAlias = Literal['malformed-json', 'bad-request', 'validation-failed', 'unauthenticated', 'forbidden', 'not-found', 'method-not-allowed', 'payload-too-large', 'unsupported-media-type', 'email-taken', 'invalid-credentials', 'too-many-attempts', 'invalid-token', 'email-not-verified', 'unsupported-file-format', 'file-too-large', 'quota-exceeded', 'storage-quota-exceeded', 'rate-limited', 'upload-incomplete', 'idempotency-key-reused', 'idempotency-in-progress', 'video-not-found', 'video-not-owned', 'webhook-not-set', 'delivery-not-found', 'processing-not-finished', 'result-expired', 'frame-not-found', 'frames-not-indexed', 'invalid-link', 'range-not-satisfiable', 'result-damaged', 'source-expired', 'processing-already-finished', 'plugin-not-found', 'plugin-quota-exceeded', 'lease-held', 'job-finished', 'job-not-ready', 'stale-attempt', 'unavailable', 'record-damaged', 'internal']
"""
A problem's code.
"""


class Progress(TypedDict):
    """
    The progress of a video.
    """

    bytes_read: int
    """
    Bytes read of the upload.
    """
    frames_done: int
    """
    Frames written.
    """
    frames_expected: NotRequired[int | None]
    """
    The expected number of frames, once it is known.
    """
    percent: int
    """
    0 to 100.
    """
    stage: Literal['waiting', 'reading', 'extracting', 'storing', 'done']
    """
    The current stage.
    """


PutMethod: TypeAlias = Literal['PUT']
"""
The method of an upload in one request.
"""


class PutUpload(TypedDict):
    """
    One presigned PUT of exactly the declared length.
    """

    expires_at: str
    """
    When the URL expires.
    """
    headers: dict[str, str]
    """
    Headers that must be sent unchanged.
    """
    method: PutMethod
    """
    `PUT`.
    """
    url: str
    """
    The URL.
    """


class Quota(TypedDict):
    """
    A quota: the amount in use and the limit.
    """

    limit: int
    """
    The limit.
    """
    used: int
    """
    The amount in use.
    """


class Quotas(TypedDict):
    """
    The quotas of an account; the answer of `GET /internal/users/{id}/usage`.
    """

    decoded_seconds_today: Quota
    """
    Seconds of video that were decoded today (UTC) in jobs that have ended.
    """
    open_videos: Quota
    """
    Videos that are not finished.
    """
    plugin_bytes: Quota
    """
    Bytes of plugins.
    """
    plugins: Quota
    """
    Plugins.
    """
    requests_per_minute: int
    """
    The limit of requests in a minute; 0 means no limit.
    """
    stored_bytes: Quota
    """
    Bytes of uploads and results.
    """
    uploads_today: Quota
    """
    Uploads that were begun today (UTC).
    """
    videos_in_flight: Quota
    """
    Videos that are pending or processing; further ones are queued.
    """


class RangeBody(TypedDict):
    """
    A range of the video.
    """

    end: NotRequired[str | None]
    """
    The end, exclusive; `"100%"` if missing.
    """
    start: NotRequired[str | None]
    """
    The start; `"0s"` if missing.
    """


class RefreshRequest(TypedDict):
    """
    `POST /auth/refresh` and `POST /auth/logout`.
    """

    refresh_token: str
    """
    The refresh token.
    """


class RegisterRequest(TypedDict):
    """
    `POST /auth/register`.
    """

    email: str
    """
    An e-mail address.
    """
    name: str
    """
    How the account's owner is addressed.
    """
    password: str
    """
    The password.
    """


class RegisterResponse(TypedDict):
    """
    A new account.
    """

    created_at: str
    """
    When it was made.
    """
    email: str
    """
    The e-mail address.
    """
    id: str
    """
    The account's id.
    """
    name: str
    """
    The name.
    """


class ResetPasswordMailRequest(TypedDict):
    """
    `POST /auth/password/reset-request`.
    """

    email: str
    """
    The e-mail address of the account.
    """


class ResetPasswordRequest(TypedDict):
    """
    `POST /auth/password/reset`.
    """

    password: str
    """
    The new password.
    """
    token: str
    """
    The value of `token=` in the mailed link.
    """


class ResizeBody1(TypedDict):
    """
    The images' size.
    """

    fit: NotRequired[Literal['contain', 'cover', 'fill'] | None]
    """
    `contain` (default), `cover` or `fill`.
    """
    height: NotRequired[int]
    """
    Pixels down.
    """
    width: int
    """
    Pixels across.
    """


class ResizeBody2(TypedDict):
    """
    The images' size.
    """

    fit: NotRequired[Literal['contain', 'cover', 'fill'] | None]
    """
    `contain` (default), `cover` or `fill`.
    """
    height: int
    """
    Pixels down.
    """
    width: NotRequired[int]
    """
    Pixels across.
    """


ResizeBody: TypeAlias = ResizeBody1 | ResizeBody2
"""
The images' size.
"""


class ScenesBody(TypedDict):
    """
    How shots are distinguished.
    """

    max: NotRequired[int | None]
    """
    Most frames; 200 if missing.
    """
    threshold: NotRequired[float | None]
    """
    Difference that makes a new shot, above 0 up to 1; 0.3 if missing.
    """


AtItem: TypeAlias = str


class SelectBody(TypedDict):
    """
    Which frames: exactly one of the fields.
    """

    all: NotRequired[Literal[True]]
    """
    `true`: every frame.
    """
    at: NotRequired[list[AtItem]]
    """
    The frames at these places: `"1.5s"`, `"50%"`, `"#300"`. At most 1,000, and at most 12,288 characters
    in all, quotes and commas included: a thousand times in seconds and milliseconds.
    """
    count: NotRequired[int]
    """
    Number of frames, evenly distributed.
    """
    every: NotRequired[str]
    """
    One frame every so many seconds: `"2.5s"`.
    """
    fps: NotRequired[float]
    """
    Frames a second, to a billionth.
    """
    keyframes: NotRequired[Literal[True]]
    """
    `true`: every frame that the container marks as a sync point.
    """
    scenes: NotRequired[ScenesBody]


class Session(TypedDict):
    """
    One login.
    """

    created_at: NotRequired[str | None]
    """
    When it began; null for logins of older versions.
    """
    current: bool
    """
    Whether it is the login of the call's access token.
    """
    id: str
    """
    Its id.
    """
    last_used_at: str
    """
    When its tokens were refreshed last.
    """


class SessionList(TypedDict):
    """
    `GET /auth/me/sessions`.
    """

    items: list[Session]
    """
    The open logins.
    """


Status: TypeAlias = Literal['awaiting_upload', 'queued', 'pending', 'processing', 'completed', 'failed', 'canceled', 'expired']
"""
A video's status.
"""


class StorageResponse(TypedDict):
    """
    `GET /storage`.
    """

    limit_bytes: int
    """
    The account's limit.
    """
    used_bytes: int
    """
    Bytes of the caller's uploads and results.
    """


class TokenResponse(TypedDict):
    """
    The answer to a login and to a refresh.
    """

    access_token: str
    """
    A JWT, for `Authorization: Bearer`.
    """
    expires_in: int
    """
    Seconds until the access token expires.
    """
    refresh_token: str
    """
    Valid for one refresh.
    """
    token_type: str
    """
    `Bearer`.
    """


class UpdateNotifications(TypedDict):
    """
    New notification settings: a missing field is not changed, `webhook_url: null` removes the webhook.
    """

    email: NotRequired[bool | None]
    """
    Whether to send an e-mail when a video fails.
    """
    email_on_completion: NotRequired[bool | None]
    """
    Whether to send an e-mail when a video is done.
    """
    webhook_url: NotRequired[str | None]
    """
    The webhook: missing, null or an https URL.
    """


class UploadPart(TypedDict):
    """
    One part of a multipart upload.
    """

    number: int
    """
    From 1.
    """
    size: int
    """
    Its bytes, exactly.
    """
    url: str
    """
    The URL for the PUT.
    """


class UploadedPart(TypedDict):
    """
    A part that has arrived.
    """

    etag: str
    """
    Its ETag.
    """
    number: int
    """
    From 1.
    """
    size: int
    """
    Its bytes.
    """


class ValidateRequest(TypedDict):
    """
    `POST /auth/validate`.
    """

    token: str
    """
    An access token.
    """


class ValidateResponse(TypedDict):
    """
    Whether a token is valid, similar to RFC 7662.
    """

    active: bool
    """
    Whether it is.
    """
    email: NotRequired[str | None]
    """
    The account's e-mail address.
    """
    exp: NotRequired[int | None]
    """
    When it ends, in seconds since 1970.
    """
    sub: NotRequired[str | None]
    """
    The account's id.
    """


class VerifyEmailRequest(TypedDict):
    """
    `POST /auth/verify`.
    """

    token: str
    """
    The value of `token=` in the mailed link.
    """


class VideoResult(TypedDict):
    """
    The result of a completed video.
    """

    frames: int
    """
    Frames in it.
    """
    indexed: NotRequired[bool]
    """
    Whether single frames can be fetched (`GET /videos/{id}/frames`); older results have the archive alone,
    and this is absent.
    """
    sha256: str
    """
    SHA-256 of the archive, in hexadecimal.
    """
    size_bytes: int
    """
    Bytes of the archive.
    """
    warnings: list[str]
    """
    Warnings for the owner.
    """


class WebhookDelivery(TypedDict):
    """
    An event and the attempts to deliver it.
    """

    attempts: list[DeliveryAttempt]
    """
    The last 20 attempts, oldest first.
    """
    created_at: str
    """
    When it was recorded.
    """
    event: EventType
    """
    The type of the event.
    """
    id: str
    """
    The event's id, which is sent as `webhook-id`.
    """
    next_attempt_at: NotRequired[str | None]
    """
    When the next one is due, while it is pending.
    """
    status: DeliveryStatus
    """
    Its status.
    """
    video_id: NotRequired[str | None]
    """
    The video of the event, if it has one.
    """


class WebhookSecret(TypedDict):
    """
    `POST /auth/me/webhook-secret`.
    """

    previous_valid_until: str
    """
    Until when the previous secret signs, too.
    """
    webhook_secret: str
    """
    The new signing secret, in this answer only.
    """


class AcceptedResponse(TypedDict):
    """
    The answer of `complete`, `upload`, `runs` and `cancel`.
    """

    id: str
    """
    The video's id.
    """
    status: Status
    """
    Its status now.
    """


class AccountResponse(TypedDict):
    """
    The answer of `GET /auth/me` and `PATCH /auth/me`.
    """

    created_at: str
    """
    When it was made.
    """
    email: str
    """
    The e-mail address.
    """
    email_verified: NotRequired[bool]
    """
    Whether the owner has confirmed the address by a mailed link. If the service requires that, nothing can be
    uploaded before.
    """
    id: str
    """
    The account's id.
    """
    name: str
    """
    The name.
    """
    notifications: NotificationSettings
    """
    The notifications that the owner receives.
    """
    quotas: NotRequired[Quotas | None]
    webhook_secret: NotRequired[str | None]
    """
    The webhook's signing secret, only in the answer to the call that set the webhook.
    """


class DeletedPluginResponse(TypedDict):
    """
    `DELETE /plugins/{name}`.
    """

    in_use: list[PluginInUse]
    """
    The versions that unfinished videos still use. Each is deleted after the last of these has ended.
    """
    name: str
    """
    The name of the deleted plugin.
    """


class DeliveryPage(TypedDict):
    """
    `GET /auth/me/webhook-deliveries`.
    """

    items: list[WebhookDelivery]
    """
    The deliveries, newest first.
    """
    next_cursor: NotRequired[str | None]
    """
    The cursor of the next page, if there is one.
    """


class MultipartUpload(TypedDict):
    """
    Parts, each a presigned PUT of exactly its length, in any order.
    """

    expires_at: str
    """
    When the URLs expire.
    """
    method: MultipartMethod
    """
    `MULTIPART`.
    """
    part_count: int
    """
    Number of parts.
    """
    part_size: int
    """
    Bytes of each part but the last.
    """
    parts: list[UploadPart]
    """
    The first parts; `GET /videos/{id}/upload-parts` has the rest, and fresh URLs.
    """


class OptionsBody(TypedDict):
    """
    The options in the API and in the manifest. A missing field has its default.
    """

    crop: NotRequired[CropBody | None]
    format: NotRequired[Literal['jpeg', 'png', 'webp', 'avif'] | None]
    """
    `jpeg` (default), `png`, `webp` or `avif`.
    """
    plugins: NotRequired[list[PluginBody] | None]
    """
    Frame plugins, in order.
    """
    quality: NotRequired[int | None]
    """
    1 (smallest) to 100 (best), on the format's own scale; 90 if missing. PNG ignores it.
    """
    range: NotRequired[RangeBody | None]
    resize: NotRequired[ResizeBody | None]
    select: NotRequired[SelectBody | None]
    storyboard: NotRequired[bool | None]
    """
    Whether to add `storyboard.jpg`, small pictures of the frames, and `storyboard.vtt`, the
    times at which each is on screen; false if missing.
    """
    stream: NotRequired[int | None]
    """
    The container's number of the video stream to take, from 0; the best one if missing.
    """
    tolerance: NotRequired[str | None]
    """
    How far a frame may be from the wanted time if that is cheaper; `"0s"` if missing.
    """


class PluginResponse(TypedDict):
    """
    A plugin: its newest version, and the one that runs.
    """

    built_in: bool
    """
    Whether it comes with the service; an uploaded plugin of the same name replaces it.
    """
    config_schema: NotRequired[dict[str, Any] | None]
    """
    JSON Schema of the configuration; null if the plugin has none.
    """
    created_at: NotRequired[str | None]
    """
    When the newest version was uploaded; null for one that comes with the service.
    """
    name: str
    """
    The name by which options refer to it.
    """
    ready_version: NotRequired[int | None]
    """
    The version that new videos get: the newest one that is ready. Null while there is none.
    """
    reason: NotRequired[str | None]
    """
    Why it was rejected; null in the other states.
    """
    sha256: NotRequired[str | None]
    """
    SHA-256 of the newest version's component in hexadecimal; null while it is uploaded.
    """
    size_bytes: NotRequired[int | None]
    """
    Bytes of the newest version's component.
    """
    state: PluginState
    """
    The state of the newest version.
    """
    version: int
    """
    The newest version. The version numbers of an account increase, and none is used twice.
    """


class Problem(TypedDict):
    """
    A problem document.
    """

    code: ProblemCode
    """
    The code.
    """
    correlation_id: str
    """
    The request's correlation id.
    """
    detail: str
    """
    What went wrong in this case.
    """
    errors: NotRequired[list[FieldError]]
    """
    The errors in the request, if it does not validate.
    """
    status: int
    """
    The HTTP status.
    """
    title: str
    """
    A short, fixed summary.
    """
    type: str
    """
    `urn:framelift:problem:<code>`.
    """


class RunRequest(TypedDict):
    """
    `POST /videos/{id}/runs`.
    """

    options: NotRequired[OptionsBody | None]


class UpdateAccountRequest(TypedDict):
    """
    `PATCH /auth/me`: a missing field is not changed.
    """

    name: NotRequired[str | None]
    """
    A new name.
    """
    notifications: NotRequired[UpdateNotifications | None]


Upload: TypeAlias = PutUpload | MultipartUpload
"""
How to upload.
"""


class UploadPartsResponse(TypedDict):
    """
    `GET /videos/{id}/upload-parts`.
    """

    expires_at: str
    """
    When the URLs expire.
    """
    part_count: int
    """
    Number of parts.
    """
    part_size: int
    """
    Bytes of each part but the last.
    """
    parts: list[UploadPart]
    """
    Fresh URLs of the requested parts, at most 100.
    """
    uploaded: list[UploadedPart]
    """
    The parts that have arrived.
    """


class VideoResponse(TypedDict):
    """
    A video, as its owner sees it.
    """

    attempt: int
    """
    Attempts made so far.
    """
    completed_at: NotRequired[str | None]
    """
    When it reached its terminal status.
    """
    created_at: str
    """
    When the record was made.
    """
    failure: NotRequired[Failure | None]
    file_name: str
    """
    The name that the owner gave the file.
    """
    id: str
    """
    Its id.
    """
    options: OptionsBody
    """
    The options, every default spelled out.
    """
    progress: Progress
    """
    Its progress.
    """
    queue_position: NotRequired[int | None]
    """
    The position among the owner's own `queued` videos, 1 for the next one; only while `queued`. A `pending` video waits
    in the queue that all accounts share, which serves them in turn, and has no position: none can be told that would be
    true, because the queue cannot be read.
    """
    result: NotRequired[VideoResult | None]
    size_bytes: int
    """
    Bytes of the upload.
    """
    started_at: NotRequired[str | None]
    """
    When a worker first claimed it.
    """
    status: Status
    """
    Its status.
    """


class CreateVideoRequest(TypedDict):
    """
    `POST /videos`.
    """

    content_type: NotRequired[str | None]
    """
    The media type to store it with.
    """
    file_name: str
    """
    The file's name; its extension decides whether the format is accepted.
    """
    options: NotRequired[OptionsBody | None]
    size_bytes: int
    """
    Bytes of the file, exactly.
    """


class CreateVideoResponse(TypedDict):
    """
    A new video, and how to upload it.
    """

    id: str
    """
    The video's id.
    """
    status: Status
    """
    `awaiting_upload`.
    """
    upload: Upload
    """
    How to upload.
    """


class PluginList(TypedDict):
    """
    `GET /plugins`.
    """

    items: list[PluginResponse]
    """
    The caller's own by their names, then those that come with the service.
    """


class VideoPage(TypedDict):
    """
    `GET /videos`.
    """

    items: list[VideoResponse]
    """
    Newest first.
    """
    next_cursor: NotRequired[str | None]
    """
    The cursor of the next page; null at the end.
    """
