//! Sending, deleting and changing visibility, one by one and in batches.

use serde_json::{Value, json};

use super::{Service, collect, prepare, single};
use crate::{
    digest,
    error::ApiError,
    ids,
    settings::MAX_VISIBILITY,
    store::{Change, Handle, NewMessage},
    validate,
    wire::{Batch, BatchResult, Outgoing, Receipt, ReceiptRequest, SendMessage, Sent},
};

/// A result without fields besides the id of the batch's entry.
type EmptyResult = serde_json::Map<String, Value>;

impl Service {
    pub(super) async fn send_message(&self, request: SendMessage) -> Result<Sent, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let (message, sent) = accept(request.message)?;
        single(self.send(queue, vec![message]).await?)?;
        Ok(sent)
    }

    pub(super) async fn send_message_batch(
        &self,
        request: Batch<Outgoing>,
    ) -> Result<BatchResult<Sent>, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        validate::batch(&request.entries)?;
        validate::batch_size(&request.entries)?;
        let (messages, results) = prepare(request.entries, accept);
        Ok(collect(results, self.send(queue, messages).await?))
    }

    async fn send(
        &self,
        queue: String,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let (name, now) = (queue.clone(), self.now_ms());
        let outcomes = self.db.run(move |store| store.send(&name, messages, now)).await?;
        self.signals.notify(&queue);
        Ok(outcomes)
    }

    pub(super) async fn delete_message(&self, request: ReceiptRequest) -> Result<Value, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let (handle, _) = handle_of(request.receipt)?;
        single(self.delete(queue, vec![handle]).await?)?;
        Ok(json!({}))
    }

    pub(super) async fn delete_message_batch(
        &self,
        request: Batch<Receipt>,
    ) -> Result<BatchResult<EmptyResult>, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        validate::batch(&request.entries)?;
        let (handles, results) = prepare(request.entries, handle_of);
        Ok(collect(results, self.delete(queue, handles).await?))
    }

    async fn delete(
        &self,
        queue: String,
        handles: Vec<Handle>,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let name = queue.clone();
        let outcomes = self.db.run(move |store| store.delete(&name, handles)).await?;
        self.signals.notify_freed(&queue);
        Ok(outcomes)
    }

    pub(super) async fn change_visibility(&self, request: ReceiptRequest) -> Result<Value, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let (change, _) = change_of(request.receipt)?;
        single(self.change(queue, vec![change]).await?)?;
        Ok(json!({}))
    }

    pub(super) async fn change_visibility_batch(
        &self,
        request: Batch<Receipt>,
    ) -> Result<BatchResult<EmptyResult>, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        validate::batch(&request.entries)?;
        let (changes, results) = prepare(request.entries, change_of);
        Ok(collect(results, self.change(queue, changes).await?))
    }

    async fn change(
        &self,
        queue: String,
        changes: Vec<Change>,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let (name, now) = (queue.clone(), self.now_ms());
        let outcomes = self.db.run(move |store| store.change_visibility(&name, changes, now)).await?;
        self.signals.notify(&queue);
        Ok(outcomes)
    }
}

/// Checks a message and prepares what its success will say.
fn accept(message: Outgoing) -> Result<(NewMessage, Sent), ApiError> {
    validate::message(&message)?;
    let size = validate::size(&message);
    let body = message.message_body.unwrap_or_default();
    let message_id = ids::fresh().to_string();
    let sent = Sent {
        message_id: message_id.clone(),
        md5_of_body: digest::md5_of_body(&body),
        md5_of_attributes: digest::md5_of_attributes(&message.message_attributes),
        md5_of_system_attributes: digest::md5_of_attributes(&message.message_system_attributes),
    };
    let attributes = serde_json::to_string(&message.message_attributes).map_err(|error| {
        tracing::error!(%error, "message attributes cannot be written");
        ApiError::internal()
    })?;
    let trace_header =
        message.message_system_attributes.into_values().next().and_then(|value| value.string_value);
    let message = NewMessage {
        message_id,
        body,
        attributes,
        trace_header,
        group: message.message_group_id,
        delay: message.delay_seconds,
        size,
    };
    Ok((message, sent))
}

fn handle_of(receipt: Receipt) -> Result<(Handle, EmptyResult), ApiError> {
    let handle = receipt
        .receipt_handle
        .filter(|handle| !handle.is_empty())
        .ok_or_else(|| ApiError::missing("ReceiptHandle"))?;
    Ok((Handle::decode(&handle)?, EmptyResult::new()))
}

fn change_of(receipt: Receipt) -> Result<(Change, EmptyResult), ApiError> {
    let timeout = validate::range("VisibilityTimeout", receipt.visibility_timeout, 0, MAX_VISIBILITY)?
        .ok_or_else(|| ApiError::missing("VisibilityTimeout"))?;
    let (handle, nothing) = handle_of(receipt)?;
    Ok((Change { handle, timeout }, nothing))
}
