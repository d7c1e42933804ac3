//! The sample, the documentation, and everything that must be refused.

use secrecy::ExposeSecret as _;

use super::*;

const SAMPLE: &str = include_str!("../../../docs/samples/worker.toml");
const PAGE: &str = include_str!("../../../docs/configuration.md");

const LEAST: &str = r#"
[control]
url = "http://127.0.0.1:3000"
token = "worker-secret-1"
[queue]
url = "http://127.0.0.1:4566/jobs"
dead_letter_url = "http://127.0.0.1:4566/dead"
[store]
bucket = "framelift"
"#;

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn problems(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    Config::parse(text, &environment(pairs)).unwrap_err().problems
}

#[test]
fn the_sample_decodes_and_names_every_key() {
    Config::parse(SAMPLE, &none()).unwrap();
    // With every comment sign before a key removed, all of them are read.
    let all: String = SAMPLE
        .lines()
        .map(|line| line.strip_prefix("#:").map_or(line, str::trim_start).to_owned() + "\n")
        .collect();
    let table: toml::Table = all.parse().unwrap();
    for section in sections() {
        let written = table[section.name].as_table().unwrap();
        for key in section.keys {
            assert!(written.contains_key(key.name), "[{}] {} is not in the sample", section.name, key.name);
        }
    }
    Config::parse(&all, &none()).unwrap();
}

#[test]
fn the_page_is_the_types_own() {
    let (worker, _) = PAGE.split_once("\n# Configuration of the edge\n").expect("the edge's part follows");
    assert_eq!(worker, markdown(), "stale: put in what `framelift-worker --print-config-docs` prints");
}

#[test]
fn defaults_are_values() {
    let config = Config::parse(LEAST, &none()).unwrap();
    assert_eq!(config.queue.visibility.as_secs(), 60);
    assert_eq!(config.worker.concurrency, 2);
    assert_eq!(config.store.part_size, ByteSize(8 << 20));
    assert_eq!(config.limits.max_pixels, 8192 * 8192);
    assert_eq!(config.smtp.host, None);
    assert_eq!(config.health.listen.to_string(), "127.0.0.1:0");
}

#[test]
fn the_environment_alone_will_do_and_wins() {
    let pairs = [
        ("FRAMELIFT_CONTROL_URL", "https://api.example.com"),
        ("FRAMELIFT_CONTROL_TOKEN", "another-secret"),
        ("FRAMELIFT_QUEUE_URL", "https://sqs.example.com/1/jobs"),
        ("FRAMELIFT_QUEUE_DEAD_LETTER_URL", "https://sqs.example.com/1/dead"),
        ("FRAMELIFT_STORE_BUCKET", "b"),
        ("FRAMELIFT_WORKER_CONCURRENCY", "7"),
        ("FRAMELIFT_STORE_PATH_STYLE", "true"),
        ("PATH", "/bin"),
    ];
    for text in ["", LEAST] {
        let config = Config::parse(text, &environment(&pairs)).unwrap();
        assert_eq!(config.control.token.expose_secret(), "another-secret");
        assert_eq!((config.worker.concurrency, config.store.path_style), (7, true));
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = r#"
top = 1
[control]
url = "ftp://x"
tokn = "typing error"
[worker]
concurrency = "many"
grace_period = "soon"
[nowhere]
x = 1
[smtp]
tls = "maybe"
"#;
    let told = problems(
        text,
        &[
            ("FRAMELIFT_QUEUE_VISIBILTY", "60s"),
            ("FRAMELIFT_LOG_LEVEL", "=!="),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ],
    )
    .join("\n");
    for part in [
        "top: unknown key",
        "[control] url: expected an http or https URL",
        "[control] tokn: unknown key",
        "[control] token is missing",
        "[queue] url is missing (or FRAMELIFT_QUEUE_URL in the environment)",
        "[queue] dead_letter_url is missing",
        "[store] bucket is missing",
        "[worker] concurrency: expected a number",
        "[worker] grace_period: expected a duration",
        "[nowhere]: unknown section",
        "[smtp] tls: expected",
        "FRAMELIFT_QUEUE_VISIBILTY: no such setting",
        "FRAMELIFT_LOG_LEVEL: expected a log level",
        "OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn keys_must_fit_together() {
    for (more, part) in [
        ("[smtp]\nhost = \"mail\"", "[smtp] from"),
        ("[smtp]\nusername = \"u\"", "[smtp] username and password"),
        ("[smtp]\nusername = \"u\"\npassword = \"p\"\ntls = \"none\"", "[smtp] password: refused"),
        ("[worker]\nconcurrency = 0", "[worker] concurrency"),
        ("[limits]\nmax_output_bytes = \"5TiB\"", "[limits] max_output_bytes"),
    ] {
        let told = problems(&format!("{LEAST}{more}"), &[]).join("\n");
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let told =
        problems(LEAST, &[("FRAMELIFT_QUEUE_HEARTBEAT", "50s"), ("FRAMELIFT_STORE_PART_SIZE", "1MiB")]);
    assert_eq!(told.len(), 3, "{told:?}");
    let told = problems(LEAST, &[("FRAMELIFT_QUEUE_DEAD_LETTER_URL", "http://127.0.0.1:4566/jobs")]);
    assert_eq!(told.len(), 1, "{told:?}");
    let told = problems(LEAST, &[("FRAMELIFT_QUEUE_SHORT_URL", "http://127.0.0.1:4566/dead")]);
    assert_eq!(told, ["[queue] short_url: must be neither the job queue nor the dead-letter queue"]);
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-a-file\n").unwrap();
    let path = path.to_str().unwrap();
    let text = LEAST.replace("token = \"worker-secret-1\"", &format!("token_file = \"{path}\""));
    let config = Config::parse(&text, &none()).unwrap();
    assert_eq!(config.control.token.expose_secret(), "from-a-file");
    assert!(!format!("{config:?}").contains("from-a-file"));

    let both = text.replace("token_file", "token = \"x\"\ntoken_file");
    assert!(problems(&both, &[]).join("\n").contains("not both"));
    let config = Config::parse(LEAST, &environment(&[("FRAMELIFT_CONTROL_TOKEN_FILE", path)])).unwrap();
    assert_eq!(config.control.token.expose_secret(), "from-a-file");

    for (text, line) in [
        (LEAST.replace("token = \"worker-secret-1\"", "token = \"worker-secret-1"), "line 4"),
        (
            LEAST.replace("token = \"worker-secret-1\"", "token = \"worker-secret-1\\u0001\""),
            "[control] token",
        ),
        (LEAST.replace("[queue]", "token = \"worker-secret-1\"\n[queue]"), "line"),
    ] {
        let told = problems(&text, &[]).join("\n");
        assert!(told.contains(line) && !told.contains("worker-secret"), "{told}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/worker.toml")), &none()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/worker.toml"), "{error}");
}
