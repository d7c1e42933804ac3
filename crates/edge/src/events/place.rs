//! Bounds the streams that a user has open at a time, whichever instances hold them.

use std::convert::Infallible;

use framelift_domain::UserId;
use serde::{Deserialize, Serialize};

use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;
use crate::store::update::UpdateError;
use crate::store::{Store, Stored, keys};

/// Most streams of a user. The next one takes the place of the oldest, so that whoever closes streams and opens
/// others is never refused: nobody tells when a reader has gone.
const MAX_OPEN: usize = 100;

/// The ids of a user's newest streams, the last one opened at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Newest {
    ids: Vec<String>,
}

impl Stored for Newest {}

/// The place of a stream among its user's newest ones.
pub(super) struct Place {
    key: String,
    id: String,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Takes a place for a stream that begins. A store that does not answer refuses nobody here: the stream's own
    /// look says so.
    pub(super) async fn take_place(&self, user: UserId) -> Place {
        let store = Store::new(self.kv, self.ambient);
        let place = Place { key: keys::streams(user), id: store.op_id() };
        for _ in 0..2 {
            let taken = store.update(&place.key, |mut newest: Newest| {
                newest.ids.push(place.id.clone());
                let too_many = newest.ids.len().saturating_sub(MAX_OPEN);
                newest.ids.drain(..too_many);
                Ok::<_, Infallible>((newest, true, ()))
            });
            match taken.await {
                Err(UpdateError::Missing) => {
                    let _ = store.create(&place.key, &Newest::default()).await;
                }
                _ => break,
            }
        }
        place
    }

    /// Whether the stream still has its place. One whose write was lost has it while there is room.
    pub(super) async fn has_place(&self, place: &Place) -> bool {
        let newest = Store::new(self.kv, self.ambient).get::<Newest>(&place.key).await;
        let newest = newest.ok().flatten().unwrap_or_default();
        newest.ids.len() < MAX_OPEN || newest.ids.contains(&place.id)
    }
}
