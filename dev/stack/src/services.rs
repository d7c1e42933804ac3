//! The stack's cloud services: S3, SQS and the mail catcher in this process, or the S3 and SQS at given URLs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use framelift_dev_mail::{MailConfig, MailServer};
use framelift_dev_s3::{S3Config, S3Server};
use framelift_dev_sqs::{SqsConfig, SqsServer};

use crate::clients;
use crate::data::{DataDir, Secrets};
use crate::options::UpOptions;

/// Running services and where they are.
pub(crate) struct Services {
    s3: Option<S3Server>,
    sqs: Option<SqsServer>,
    mail: MailServer,
    pub(crate) mail_url: String,
    pub(crate) addresses: Addresses,
}

/// Where edge and workers find the services.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) s3_url: String,
    pub(crate) sqs_url: String,
    pub(crate) queues: clients::Queues,
    pub(crate) smtp: SocketAddr,
}

impl Addresses {
    /// Stands in for the addresses of services that do not run yet, while the rest of the configuration is checked.
    pub(crate) fn unknown() -> Self {
        let url = |path: &str| format!("http://127.0.0.1:9{path}");
        Self {
            s3_url: url(""),
            sqs_url: url(""),
            queues: clients::Queues {
                jobs: url("/000000000000/jobs"),
                short: url("/000000000000/short"),
                dead: url("/000000000000/dead"),
            },
            smtp: LOOPBACK,
        }
    }
}

/// Any free port of this machine alone.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Services {
    /// Starts the services that are not given by URL, and creates the bucket and the queues.
    pub(crate) async fn start(
        options: &UpOptions,
        data: &DataDir,
        secrets: &Secrets,
    ) -> anyhow::Result<Self> {
        let (key, secret) = (&secrets.access_key_id, &secrets.secret_access_key);
        let s3 = match &options.s3 {
            Some(_) => None,
            None => Some(
                framelift_dev_s3::start(S3Config {
                    buckets: vec![clients::BUCKET.into()],
                    ..S3Config::local(data.folder("s3")?, key, secret, clients::REGION)
                })
                .await
                .context("cannot start the object store")?,
            ),
        };
        let sqs = match &options.sqs {
            Some(_) => None,
            None => Some(
                framelift_dev_sqs::start(SqsConfig::local(data.folder("sqs")?, key, secret, clients::REGION))
                    .await
                    .context("cannot start the queue")?,
            ),
        };
        let mail = framelift_dev_mail::start(MailConfig {
            smtp_listen: LOOPBACK,
            http_listen: LOOPBACK,
            data_dir: data.folder("mail")?,
        })
        .await
        .context("cannot start the mail catcher")?;
        let given = |url: &Option<String>| url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let s3_url = given(&options.s3).or(s3.as_ref().map(S3Server::endpoint)).context("no object store")?;
        let sqs_url = given(&options.sqs).or(sqs.as_ref().map(SqsServer::endpoint)).context("no queue")?;
        clients::make_bucket(&s3_url, secrets).await?;
        let queues = clients::make_queues(&sqs_url, secrets).await?;
        Ok(Self {
            mail_url: format!("http://{}", mail.http_addr()),
            addresses: Addresses { s3_url, sqs_url, queues, smtp: mail.smtp_addr() },
            s3,
            sqs,
            mail,
        })
    }

    /// Stops what was started.
    pub(crate) async fn stop(self) {
        if let Some(sqs) = self.sqs {
            sqs.shutdown().await;
        }
        if let Some(s3) = self.s3 {
            s3.shutdown().await;
        }
        self.mail.shutdown().await;
    }
}
