//! Retries of requests to the object store and the queue.

use bytes::Bytes;

use crate::ports::{Ambient, Http, Unavailable};

/// Delays before the second and the third attempt, in milliseconds.
const DELAYS_MS: [u32; 2] = [50, 250];

/// Sends a request, up to three times while there is no answer or one of 5xx. `request` makes a request for each attempt,
/// so that each is signed anew. The last answer is returned whatever its status.
pub(crate) async fn send(
    client: &impl Http,
    ambient: &impl Ambient,
    request: impl Fn() -> Result<http::Request<Bytes>, Unavailable>,
) -> Result<http::Response<Bytes>, Unavailable> {
    let mut delays = DELAYS_MS.into_iter();
    loop {
        let outcome = client.send(request()?).await;
        let is_transient = match &outcome {
            Ok(answer) => answer.status().is_server_error(),
            Err(_) => true,
        };
        match delays.next() {
            Some(delay) if is_transient => ambient.pause(delay).await,
            _ => return outcome,
        }
    }
}
