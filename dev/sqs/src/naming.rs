//! Names of a queue: its ARN and its URL.

/// Region and account that ARNs and URLs carry.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    pub(crate) region: String,
    pub(crate) account_id: String,
}

impl Naming {
    pub(crate) fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", self.region, self.account_id)
    }

    /// The queue that an ARN names; `None` when it is not one of ours.
    pub(crate) fn queue_of_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.arn("")).filter(|name| !name.is_empty() && !name.contains(':'))
    }

    /// `endpoint` without a slash at its end.
    pub(crate) fn url(&self, endpoint: &str, queue: &str) -> String {
        format!("{endpoint}/{}/{queue}", self.account_id)
    }

    /// The queue that a URL names. Only the path counts: a server that comes back on another
    /// port, or is reached by another name, still knows its queues.
    pub(crate) fn queue_of_url<'a>(&self, url: &'a str) -> Option<&'a str> {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (parent, queue) = path.trim_end_matches('/').rsplit_once('/')?;
        (parent.rsplit('/').next() == Some(&self.account_id)).then_some(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        let naming = Naming { region: "eu-central-1".to_owned(), account_id: "000000000000".to_owned() };
        let arn = naming.arn("jobs");
        assert_eq!(arn, "arn:aws:sqs:eu-central-1:000000000000:jobs");
        assert_eq!(naming.queue_of_arn(&arn), Some("jobs"));
        assert_eq!(naming.queue_of_arn("arn:aws:sqs:eu-central-1:1:jobs"), None);
        assert_eq!(naming.queue_of_arn(&naming.arn("")), None);
        let url = naming.url("http://127.0.0.1:9324", "jobs");
        assert_eq!(url, "http://127.0.0.1:9324/000000000000/jobs");
        for known in [&url, "http://other/000000000000/jobs/", "000000000000/jobs"] {
            assert_eq!(naming.queue_of_url(known), Some("jobs"), "{known}");
        }
        for unknown in ["", "jobs", "http://127.0.0.1/1/jobs", "http://000000000000"] {
            assert_eq!(naming.queue_of_url(unknown), None, "{unknown}");
        }
    }
}
