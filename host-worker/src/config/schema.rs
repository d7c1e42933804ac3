//! Every section and key, with its type, its default and its documentation: the one list.

use std::net::SocketAddr;
use std::time::Duration;

use framelift_domain::WorkerId;
use framelift_media::HardwareUse;
use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

use super::docs::{KeyDoc, SectionDoc};
use super::reader::Reader;
use super::setting::{ByteSize, Directives, SandboxUse, Setting, Tls};

/// A table of the file.
pub(super) trait Section: Sized {
    /// What the documentation says about it.
    const DOC: SectionDoc;

    /// Reads all of its keys, even after an invalid one.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! default {
    () => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}

/// A struct, and the same as a section: `key: type` is required, `key: type = "text"` has a
/// default in the form that the environment takes, and `Option` may be missing.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident as $section:literal {
        $($(#[doc = $doc:literal])+ $key:ident: $ty:ty $(= $default:literal)?,)*
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $ty,)*
        }

        impl Section for $name {
            const DOC: SectionDoc = SectionDoc {
                name: $section,
                about: &[$($about),+],
                keys: &[$(KeyDoc {
                    name: stringify!($key),
                    about: &[$($doc),+],
                    kind: <$ty as Setting>::KIND,
                    quoted: <$ty as Setting>::QUOTED,
                    secret: <$ty as Setting>::SECRET,
                    default: default!($($default)?),
                    optional: <$ty as Setting>::OPTIONAL,
                },)*],
            };

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                let mut keys = Self::DOC.keys.iter();
                $(let $key = keys.next().and_then(|key| reader.get::<$ty>($section, key));)*
                Some(Self { $($key: $key?,)* })
            }
        }
    };
}

section! {
    /// Where jobs are claimed and reported.
    Control as "control" {
        /// Base URL of the edge, under which `/internal/…` is served.
        url: Url,
        /// The worker credential, the same as the edge's `worker_token`.
        token: SecretString,
        /// How long one call may take.
        timeout: Duration = "10s",
    }
}

section! {
    /// Where messages come from. Region and credentials are the AWS SDK's own
    /// (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, profiles, container and instance roles).
    Queue as "queue" {
        /// URL of the job queue.
        url: Url,
        /// URL of the queue for short jobs, the edge's `sqs_short_queue_url`; without it, all jobs come from one queue.
        short_url: Option<Url>,
        /// URL of their dead-letter queue.
        dead_letter_url: Url,
        /// Another SQS than Amazon's.
        endpoint: Option<Url>,
        /// How long a received message stays invisible unless it is extended.
        visibility: Duration = "60s",
        /// How often it is extended while it is worked on.
        heartbeat: Duration = "20s",
        /// How long one receive waits for a message, at most 20 s.
        wait: Duration = "20s",
        /// How long a message that could not be dealt with is deferred: the least delay at the first
        /// time. It doubles each time up to 60 times as much, plus up to the same again as random jitter.
        retry_delay: Duration = "7500ms",
    }
}

section! {
    /// Where uploads and archives lie.
    Store as "store" {
        /// The bucket.
        bucket: String,
        /// Another S3 than Amazon's.
        endpoint: Option<Url>,
        /// The region of bucket and queues; if missing, the AWS SDK's own (`AWS_REGION`).
        region: Option<String>,
        /// Whether the bucket stands in the path, not in the host's name.
        path_style: bool = "false",
        /// Bytes of the first parts of an archive's upload; later parts are larger, so that
        /// 10,000 of them reach `limits.max_output_bytes`. Four parts of each running job are
        /// in memory at most.
        part_size: ByteSize = "8MiB",
        /// Bytes of the upload that one job keeps in memory, read-ahead included.
        read_buffer: ByteSize = "16MiB",
    }
}

section! {
    /// How this process works.
    Worker as "worker" {
        /// The name in reports and logs; if missing, made of the host's name, the process id
        /// and a random part.
        id: Option<WorkerId>,
        /// Videos at once, not counting short ones from `queue.short_url`.
        concurrency: u32 = "2",
        /// Further videos at once, short ones from `queue.short_url` only, so that no other job keeps them
        /// waiting.
        short_concurrency: u32 = "1",
        /// How long the worker may take to end after SIGTERM. Running jobs may go on until 10 s
        /// before its end (half of it, if it is shorter than 20 s), then they are released
        /// to another worker.
        grace_period: Duration = "25s",
        /// How often progress is reported; it renews the job's lease, so stay well below it.
        progress: Duration = "15s",
        /// An extraction that makes no progress for so long, in images, in its position in the video or in
        /// bytes (at 8 KiB a second), is stuck: the job times out. Opening and measuring a video may take
        /// 15 s and 4 s for each MiB.
        stuck_after: Duration = "5m",
        /// What happens where the kernel lacks one of the mechanisms that confine decoders (Landlock
        /// from Linux 5.13 on, seccomp): `"required"` refuses to start and says which,
        /// `"best-effort"` starts with those that are there and logs the others.
        sandbox: SandboxUse = "required",
        /// How often the edge's sweep is called, give or take a tenth.
        sweep: Duration = "60s",
        /// After so many jobs in a row that the worker released because it could not work, it takes itself
        /// out of service: it is not ready and takes no work. 0 means never.
        max_own_failures: u32 = "5",
        /// How long it stays out of service at least; then it tries again. Without a good job in between,
        /// each pause is twice as long as the one before, up to 15 min, plus up to the same again as random
        /// jitter.
        out_of_service: Duration = "60s",
    }
}

section! {
    /// How e-mails leave. Without `host`, none do.
    Smtp as "smtp" {
        /// The mail server.
        host: Option<String>,
        /// Its port; if missing, 25, 587 or 465, as `tls` says.
        port: Option<u16>,
        /// How the connection is protected.
        tls: Tls = "starttls",
        /// User name, if the server wants one.
        username: Option<String>,
        /// Its password; refused without `tls`.
        password: Option<SecretString>,
        /// The sender; required with `host`.
        from: Option<Mailbox>,
        /// How long the server may take for one e-mail, from the connection to the last answer.
        timeout: Duration = "60s",
    }
}

section! {
    /// How events reach the webhooks of accounts.
    Webhooks as "webhooks" {
        /// Events that are sent at once; of one account, a quarter of these.
        concurrency: u32 = "16",
        /// How long a receiver may take to answer.
        timeout: Duration = "20s",
        /// Whether loopback, private and reserved addresses are called, and plain http: for local
        /// stacks, as the edge's `allow_private_webhooks`.
        allow_private: bool = "false",
    }
}

section! {
    /// Links in e-mails.
    Links as "links" {
        /// The address that users know the service by; without it, e-mails have no link, and those that are about a
        /// link (a new password, an address to confirm) are not sent.
        public_url: Option<Url>,
    }
}

section! {
    /// Health and metrics over HTTP: `/health/live`, `/health/ready`, `/metrics`.
    Health as "health" {
        /// Where to listen; port 0 takes a free one, which the log names.
        listen: SocketAddr = "127.0.0.1:0",
    }
}

section! {
    /// What one extraction may use; beyond it, the video fails with `limit-exceeded` or `timed-out`.
    Limits as "limits" {
        /// Pixels of one decoded or written picture.
        max_pixels: u64 = "67108864",
        /// Bytes of decoded pictures of one extraction at one time; a small file gets less.
        max_memory: ByteSize = "2GiB",
        /// Pixels of all pictures that one extraction decodes; a small file gets fewer.
        max_decoded_pixels: u64 = "20000000000000",
        /// Scans of one JPEG picture.
        max_scans: u32 = "100",
        /// Streams in the container.
        max_streams: u32 = "64",
        /// Images in one archive.
        max_frames: u64 = "1000000",
        /// Bytes of one archive.
        max_output_bytes: ByteSize = "256GiB",
        /// Wall time of one extraction.
        max_wall: Duration = "12h",
        /// Packets in a row from which the decoder makes no picture.
        max_idle_packets: u32 = "2000",
        /// Threads of one extraction for decoding, and as many again for encoding; 0 is one
        /// for each core.
        threads: u32 = "0",
        /// Whether an NVIDIA GPU decodes, where there is one and it wins.
        hardware: HardwareUse = "auto",
    }
}

section! {
    /// Logging: JSON lines on standard error.
    Log as "log" {
        /// What is logged.
        level: Directives = "info",
    }
}
