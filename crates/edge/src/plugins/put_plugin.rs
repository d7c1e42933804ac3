//! `PUT /plugins/{name}`: a new version of a plugin, whose bytes pass through to the object store.

use bytes::Bytes;
use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::limits::MAX_PLUGIN_BYTES;
use framelift_domain::{PluginId, UserId};
use http::{Response, StatusCode};

use super::{name, own};
use crate::http::{Failure, Incoming, RequestBody, Route, declared_length, json};
use crate::jobs::JobError;
use crate::jobs::plugins::Uploaded;
use crate::object_store::Completion;
use crate::openapi::{Auth, Operation, binary, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue, Unavailable};
use crate::service::plan::MIN_PART_BYTES;
use crate::service::stream::{PartReader, RawBody};
use crate::service::{Service, file};

pub(super) const ROUTE: Route = Route::put("/plugins/{name}");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "putPlugin", "plugins", Auth::User, "Upload a plugin, or a new version of it")
        .about(
            "The body is a WebAssembly component of at most 32 MiB that exports the world `frame-plugin`. A worker \
             checks it; until then its state is `checking`. Videos that were accepted before keep the version \
             that they had, and new ones get the newest version that is ready. The same bytes as the newest \
             version's change nothing.",
        )
        .raw("application/wasm", binary())
        .raw("application/octet-stream", binary())
        .answers(StatusCode::ACCEPTED, "There is a new version, to be checked.", typed(&examples::plugin()))
        .answers(StatusCode::OK, "The newest version is the same component.", typed(&examples::plugin()))
        .or(&[Code::BadRequest, Code::FileTooLarge, Code::UnsupportedMediaType, Code::ValidationFailed])
        .or(&[Code::PluginQuotaExceeded, Code::UploadIncomplete, Code::PluginNotFound, Code::Unavailable])
}

/// Bytes of a part.
const PART_BYTES: usize = MIN_PART_BYTES as usize;
/// The media type that components are stored with.
const WASM: &str = "application/wasm";

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn put_plugin(
        &self,
        incoming: &Incoming,
        body: impl RequestBody,
    ) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let name = name(incoming)?;
        incoming.check_not_coded()?;
        let announced = declared_length(incoming.headers());
        if announced.is_some_and(|length| length > MAX_PLUGIN_BYTES) {
            return Err(file::too_large(MAX_PLUGIN_BYTES));
        }
        let mut part_reader =
            PartReader::new(RawBody(body), PART_BYTES, MAX_PLUGIN_BYTES).expecting(announced).hashing(true);
        let first = part_reader.next_part().await?.unwrap_or_default();
        check_header(&first)?;
        let most_bytes = announced.unwrap_or(MAX_PLUGIN_BYTES).max(first.len() as u64);
        let jobs = self.jobs();
        let id = jobs.begin_plugin(user, name, most_bytes, incoming.correlation_id()).await?;
        let outcome = async {
            self.store_component(user, id, first, &mut part_reader).await?;
            Ok(jobs.plugin_stored(user, id, part_reader.sha256(), part_reader.bytes_read()).await?)
        };
        let uploaded = match outcome.await {
            Ok(uploaded) => uploaded,
            Err(failure) => {
                // Errors are ignored, because the sweep removes the rest.
                let _ = jobs.plugin_not_stored(user, id).await;
                return Err(failure);
            }
        };
        let plugins = jobs.plugins(user).await?;
        let plugin = own(&plugins, name, None);
        let plugin = plugin.ok_or_else(|| Failure::internal("a plugin vanished that was just uploaded"))?;
        let status = match uploaded {
            Uploaded::New => StatusCode::ACCEPTED,
            Uploaded::Same => StatusCode::OK,
        };
        json(status, &plugin)
    }

    /// Stores a component whose first part was read.
    async fn store_component<B: RequestBody>(
        &self,
        user: UserId,
        id: PluginId,
        first: Bytes,
        part_reader: &mut PartReader<RawBody<B>>,
    ) -> Result<(), Failure> {
        let (objects, key) = (self.objects(), object_key::plugin(user, id));
        let Some(second) = part_reader.next_part().await? else {
            return Ok(objects.put(&key, WASM, first).await?);
        };
        let upload_id = objects.create_multipart(&key, WASM).await?;
        let parts = self.send_parts(&key, &upload_id, [first, second], part_reader).await?;
        match objects.complete_multipart(&key, &upload_id, &parts).await? {
            Completion::Done => Ok(()),
            Completion::NoSuchUpload => Err(JobError::UploadIncomplete.into()),
            refused => {
                let detail = format!("CompleteMultipartUpload: {refused:?}");
                Err(Unavailable { what: "object store", detail }.into())
            }
        }
    }
}

/// Passes for the header of a component; otherwise explains what the file is.
fn check_header(first: &[u8]) -> Result<(), Failure> {
    const MAGIC: &[u8] = b"\0asm";
    let detail = match (first.get(..4), first.get(4..8)) {
        _ if first.is_empty() => "must not be empty",
        // Layer 1 means a component. The version field before it still has a draft's number.
        (Some(MAGIC), Some([_, _, 1, 0])) => return Ok(()),
        (Some(MAGIC), Some([_, _, 0, 0])) => {
            "is a core WebAssembly module: make a component of it, for example by `wasm-tools component new`"
        }
        (Some(b"\x7fELF"), _) => "is machine code: upload the component, and it is compiled here",
        _ => "is no WebAssembly component: a binary one begins with \\0asm",
    };
    Err(Failure::field("", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_pass() {
        assert!(check_header(b"\0asm\x0d\0\x01\0rest").is_ok());
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"\0asm\x01\0\0\0rest", "core WebAssembly module"),
            (b"\x7fELF\x02\x01\x01\0", "machine code"),
            (b"\0asm", "no WebAssembly component"),
            (b"\0asm\x0d\0\x02\0", "no WebAssembly component"),
            (b"(component)", "no WebAssembly component"),
        ] {
            let failure = check_header(bytes).unwrap_err();
            assert_eq!(failure.code(), Code::ValidationFailed);
            assert!(format!("{failure:?}").contains(part), "{failure:?}");
        }
    }
}
