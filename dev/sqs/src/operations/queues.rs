//! Operations on queues.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Service;
use crate::{
    error::{ApiError, Code},
    settings, validate,
    wire::{CreateQueue, GetQueueAttributes, ListQueues, NamedQueue, SetQueueAttributes},
};

const MAX_QUEUES: i64 = 1000;

impl Service {
    pub(super) async fn create_queue(&self, request: CreateQueue, endpoint: &str) -> Result<Value, ApiError> {
        let name = request.queue_name.ok_or_else(|| ApiError::missing("QueueName"))?;
        validate::queue_name(&name)?;
        let url = self.naming.url(endpoint, &name);
        let now = self.now_ms();
        self.db
            .run(move |store| store.create_queue(&name, now, |settings| settings.apply(&request.attributes)))
            .await?;
        Ok(json!({"QueueUrl": url}))
    }

    pub(super) async fn get_queue_url(&self, request: NamedQueue, endpoint: &str) -> Result<Value, ApiError> {
        let name = request.queue_name.ok_or_else(|| ApiError::missing("QueueName"))?;
        if request.owner.is_some_and(|owner| owner != self.naming.account_id) {
            return Err(ApiError::no_queue());
        }
        let queue = self.db.run(move |store| store.find_queue(&name)).await?;
        Ok(json!({"QueueUrl": self.naming.url(endpoint, &queue.name)}))
    }

    pub(super) async fn list_queues(&self, request: ListQueues, endpoint: &str) -> Result<Value, ApiError> {
        let asked = validate::range("MaxResults", request.max_results, 1, MAX_QUEUES)?;
        let limit = u32::try_from(asked.unwrap_or(MAX_QUEUES)).unwrap_or_default();
        let after = match request.next_token {
            Some(token) => BASE64_URL_SAFE_NO_PAD
                .decode(&token)
                .ok()
                .and_then(|name| String::from_utf8(name).ok())
                .ok_or_else(|| ApiError::invalid("NextToken", token, "Not a token of ours."))?,
            None => String::new(),
        };
        let prefix = request.queue_name_prefix.unwrap_or_default();
        let mut names = self.db.run(move |store| store.queue_names(&prefix, &after, limit + 1)).await?;
        let more = names.len() > limit as usize;
        names.truncate(limit as usize);
        let urls: Vec<String> = names.iter().map(|name| self.naming.url(endpoint, name)).collect();
        let mut answer = json!({"QueueUrls": urls});
        // As the service has it: pages only for those who asked for them.
        if let (true, Some(_), Some(last)) = (more, asked, names.last()) {
            answer["NextToken"] = BASE64_URL_SAFE_NO_PAD.encode(last).into();
        }
        Ok(answer)
    }

    pub(super) async fn delete_queue(&self, request: NamedQueue) -> Result<Value, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let name = queue.clone();
        self.db.run(move |store| store.delete_queue(&name)).await?;
        self.signals.remove(&queue);
        Ok(json!({}))
    }

    pub(super) async fn purge_queue(&self, request: NamedQueue) -> Result<Value, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let name = queue.clone();
        self.db.run(move |store| store.purge_queue(&name)).await?;
        self.signals.notify_freed(&queue);
        Ok(json!({}))
    }

    pub(super) async fn get_queue_attributes(&self, request: GetQueueAttributes) -> Result<Value, ApiError> {
        let name = self.queue_of(request.queue_url.as_deref())?;
        let wanted = request.attribute_names;
        if let Some(unknown) = wanted.iter().find(|name| !settings::is_queue_attribute(name)) {
            return Err(settings::unknown(unknown));
        }
        let now = self.now_ms();
        let (queue, counts) = self.db.run(move |store| store.describe_queue(&name, now)).await?;
        let mut shown = queue.settings.shown();
        shown.extend([
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
            ("CreatedTimestamp", (queue.created_ms / 1000).to_string()),
            ("LastModifiedTimestamp", (queue.modified_ms / 1000).to_string()),
            ("QueueArn", self.naming.arn(&queue.name)),
        ]);
        if !wanted.iter().any(|name| name == "All") {
            shown.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
        }
        Ok(match shown.is_empty() {
            true => json!({}),
            false => json!({"Attributes": shown}),
        })
    }

    pub(super) async fn set_queue_attributes(&self, request: SetQueueAttributes) -> Result<Value, ApiError> {
        let queue = self.queue_of(request.queue_url.as_deref())?;
        let attributes = request.attributes.ok_or_else(|| ApiError::missing("Attributes"))?;
        if attributes.contains_key("FifoQueue") {
            return Err(ApiError::new(Code::InvalidAttributeName, "Unknown Attribute FifoQueue."));
        }
        let now = self.now_ms();
        let name = queue.clone();
        self.db
            .run(move |store| store.set_attributes(&name, now, |settings| settings.apply(&attributes)))
            .await?;
        // A changed redrive policy may concern messages that are visible already.
        self.signals.notify(&queue);
        Ok(json!({}))
    }
}
