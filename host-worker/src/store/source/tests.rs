//! The source against a small server: what is asked of the store, and what is counted.

use std::convert::Infallible;
use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

const SIZE: u64 = 8 << 20;

fn byte(offset: u64) -> u8 {
    (offset * 31 + offset / 251) as u8
}

/// The ranges that a server was asked for.
type Asked = Arc<Mutex<Vec<Range<u64>>>>;

/// Serves ranges of one object; every other request is refused with 503 at first.
async fn server() -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let (shared, refused) = (asked.clone(), Arc::new(Mutex::new(false)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (asked, refused) = (shared.clone(), refused.clone());
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let (asked, refused) = (asked.clone(), refused.clone());
                async move {
                    let mut refused = refused.lock().unwrap();
                    *refused = !*refused;
                    let range = request.headers()["range"].to_str().unwrap().to_owned();
                    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap();
                    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
                    let (status, body): (u16, Bytes) = if *refused {
                        (503, Bytes::new())
                    } else {
                        asked.lock().unwrap().push(from..to + 1);
                        (206, (from..=to).map(byte).collect())
                    };
                    let answer = http::Response::builder().status(status).header("etag", "\"1\"");
                    Ok::<_, Infallible>(answer.body(Full::new(body)).unwrap())
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    (endpoint, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_ranges_are_all_that_is_fetched_and_counted() {
    let (endpoint, asked) = server().await;
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(Credentials::for_tests())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .build(),
    );
    let object = Opened { key: "video".into(), size: SIZE, etag: "\"1\"".into() };
    let (metrics, came) = (Arc::new(Metrics::new("w-1")), Arc::<AtomicU64>::default());
    let store = ObjectStore::new(client, "bucket");
    let (handle, cancel) = (Handle::current(), CancellationToken::new());
    let mut source = S3Source::new(store, object, 16 << 20, metrics.clone(), came.clone(), handle, cancel);

    // A group of pictures now and then.
    let groups: Vec<Range<u64>> = (0..20).map(|i| i * 400_000..i * 400_000 + 15_000).collect();
    let expected = groups.clone();
    tokio::task::spawn_blocking(move || {
        source.prefetch(&groups);
        let mut buf = vec![0; 16 << 10];
        for group in groups {
            let mut at = group.start;
            while at < group.end {
                // A demuxer's buffer asks for more than is wanted, and takes what there is.
                let n = source.read_at(at, &mut buf).unwrap() as u64;
                assert!(buf[..n as usize].iter().copied().eq((at..at + n).map(byte)));
                at += n;
            }
            assert_eq!(at, group.end);
        }
    })
    .await
    .unwrap();

    let mut asked = asked.lock().unwrap().clone();
    // Several are asked for at once, so they may arrive in another order.
    asked.sort_by_key(|range| range.start);
    assert_eq!(asked, expected);
    let bytes = 20 * 15_000;
    assert!(bytes < SIZE / 20, "less than 5 % of the object");
    assert_eq!((came.load(Relaxed), metrics.bytes_read.get()), (bytes, bytes));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_does_not_go_on() {
    let mut throughput = Throughput::new();
    for _ in 0..40 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(throughput.is_enough_after(MIN_BYTES / 20));
    }
    for _ in 0..19 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(throughput.is_enough_after(1000));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!throughput.is_enough_after(1000));
}
