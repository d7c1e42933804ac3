//! The programs of the stack: their arguments and their environments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use framelift_edge_host::Values;

use crate::children::{Program, which};
use crate::data::{DataDir, Secrets};
use crate::options::UpOptions;
use crate::services::Addresses;
use crate::{clients, environment};

/// How many requests one instance of a component serves. Under Spin an instance has 256 swaps in its life, and
/// a request of ours needs up to 8, more when writers conflict.
const REQUESTS_PER_INSTANCE: &str = "16";

/// What programs are started from.
#[derive(Clone, Copy)]
pub(crate) struct Programs<'a> {
    pub(crate) options: &'a UpOptions,
    pub(crate) manifest: &'a Path,
    pub(crate) data: &'a DataDir,
    pub(crate) secrets: &'a Secrets,
}

impl Programs<'_> {
    /// The edge.
    pub(crate) fn edge(&self, addresses: &Addresses) -> anyhow::Result<Program> {
        let Self { options, manifest, data, .. } = self;
        let env = self.edge_variables(addresses)?;
        let listen = format!("127.0.0.1:{}", options.port);
        let manifest_arg = manifest.to_string_lossy().into_owned();
        let log = data.folder("logs")?.join("edge.log");
        let overrides = self.edge_overrides();
        if options.spin {
            let named = std::env::var_os("FRAMELIFT_SPIN").map(PathBuf::from);
            let path = named.or_else(|| which("spin")).context("there is no `spin` on the PATH")?;
            let state = data.folder("spin")?;
            let runtime = spin_stores(&state)?;
            let args = [
                "up",
                "--from",
                &manifest_arg,
                "--listen",
                &listen,
                "--runtime-config-file",
                &runtime.to_string_lossy(),
                "--state-dir",
                &state.to_string_lossy(),
                "--max-instance-reuse-count",
                REQUESTS_PER_INSTANCE,
            ];
            let args = args.map(str::to_owned).to_vec();
            return Ok(Program {
                name: "spin".into(),
                path,
                args,
                env,
                overrides,
                log,
                liveness: None,
                forks: true,
            });
        }
        let cache = match &options.cache {
            Some(cache) => cache.clone(),
            None => data.folder("cache")?,
        };
        let mut args = vec![
            "--manifest".to_owned(),
            manifest_arg,
            "--listen".to_owned(),
            listen,
            "--data".to_owned(),
            data.folder("kv")?.to_string_lossy().into_owned(),
            "--cache".to_owned(),
            cache.to_string_lossy().into_owned(),
            "--max-instance-reuse-count".to_owned(),
            REQUESTS_PER_INSTANCE.to_owned(),
        ];
        if let Some(quirks) = &options.quirks {
            args.extend(["--quirks".to_owned(), quirks.clone()]);
        }
        let path = program_beside_this("framelift-edge-host")?;
        Ok(Program { name: "edge".into(), path, args, env, overrides, log, liveness: None, forks: false })
    }

    /// The app's variables, as the environment gives them to Spin and to our host alike. What is set
    /// in the stack's own environment wins, so that a script can change limits.
    fn edge_variables(&self, addresses: &Addresses) -> anyhow::Result<BTreeMap<String, String>> {
        let secrets = self.secrets;
        let signer = framelift_edge::token::Signer::from_text(&secrets.signing_key)
            .context("the signing key in secrets.json is damaged")?;
        let variables = [
            ("signing_key", secrets.signing_key.clone()),
            ("public_keys", signer.jwks()),
            ("worker_token", secrets.worker_token.clone()),
            ("email_key", secrets.email_key.clone()),
            ("refresh_keys", secrets.refresh_keys.clone()),
            ("frames_key", secrets.frames_key.clone()),
            ("aws_access_key_id", secrets.access_key_id.clone()),
            ("aws_secret_access_key", secrets.secret_access_key.clone()),
            ("aws_region", clients::REGION.to_owned()),
            ("s3_endpoint", addresses.s3_url.clone()),
            ("s3_bucket", clients::BUCKET.to_owned()),
            ("sqs_queue_url", addresses.queues.jobs.clone()),
            ("sqs_short_queue_url", addresses.queues.short.clone()),
            ("sqs_endpoint", addresses.sqs_url.clone()),
            ("allow_private_webhooks", "true".to_owned()),
            // Tests and benches make all their requests as one user and from one address, so these limits are off.
            ("max_requests_per_minute", "0".to_owned()),
            ("max_failed_logins_per_network", "0".to_owned()),
            ("max_sign_ups_per_network", "0".to_owned()),
        ];
        let named = variables.map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value));
        Ok(named.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect())
    }

    /// Variables of the edge that are read at each of its starts.
    fn edge_overrides(&self) -> PathBuf {
        self.data.path().join("edge.env")
    }

    /// The values that the app's variables have at the next start of the edge.
    pub(crate) fn edge_values(&self, addresses: &Addresses) -> anyhow::Result<Values> {
        let given = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let overrides = environment::read_if_there(&self.edge_overrides())?;
        Ok(Values::from_environment(given.chain(self.edge_variables(addresses)?).chain(overrides)))
    }

    /// A worker that takes its jobs from the edge at that URL.
    pub(crate) fn worker(&self, number: u16, api: &str, addresses: &Addresses) -> anyhow::Result<Program> {
        let Self { options, data, secrets, .. } = self;
        let smtp = options.smtp.unwrap_or(addresses.smtp);
        let settings = [
            ("FRAMELIFT_CONTROL_URL", api.to_owned()),
            ("FRAMELIFT_CONTROL_TOKEN", secrets.worker_token.clone()),
            ("FRAMELIFT_WORKER_CONCURRENCY", options.concurrency.to_string()),
            ("FRAMELIFT_QUEUE_URL", addresses.queues.jobs.clone()),
            ("FRAMELIFT_QUEUE_SHORT_URL", addresses.queues.short.clone()),
            ("FRAMELIFT_QUEUE_DEAD_LETTER_URL", addresses.queues.dead.clone()),
            ("FRAMELIFT_QUEUE_ENDPOINT", addresses.sqs_url.clone()),
            ("FRAMELIFT_STORE_BUCKET", clients::BUCKET.to_owned()),
            ("FRAMELIFT_STORE_ENDPOINT", addresses.s3_url.clone()),
            ("FRAMELIFT_STORE_PATH_STYLE", "true".to_owned()),
            ("FRAMELIFT_SMTP_HOST", smtp.ip().to_string()),
            ("FRAMELIFT_SMTP_PORT", smtp.port().to_string()),
            ("FRAMELIFT_SMTP_TLS", "none".to_owned()),
            ("FRAMELIFT_SMTP_FROM", "Framelift <framelift@localhost>".to_owned()),
            ("FRAMELIFT_WEBHOOKS_ALLOW_PRIVATE", "true".to_owned()),
            ("FRAMELIFT_LINKS_PUBLIC_URL", api.to_owned()),
            ("FRAMELIFT_HEALTH_LISTEN", "127.0.0.1:0".to_owned()),
            ("AWS_ACCESS_KEY_ID", secrets.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", secrets.secret_access_key.clone()),
            ("AWS_REGION", clients::REGION.to_owned()),
        ];
        let mut env: BTreeMap<_, _> =
            settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // A development machine may lack kernel features; the worker's log names them.
        let sandbox = "FRAMELIFT_WORKER_SANDBOX";
        if std::env::var_os(sandbox).is_none() {
            env.insert(sandbox.to_owned(), "best-effort".to_owned());
        }
        Ok(Program {
            name: format!("worker {number}"),
            path: program_beside_this("framelift-worker")?,
            args: Vec::new(),
            env,
            overrides: data.path().join("worker.env"),
            log: data.folder("logs")?.join(format!("worker-{number}.log")),
            liveness: Some("/health/live"),
            forks: false,
        })
    }
}

/// A program beside this one.
fn program_beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}

/// Spin's stores of this stack alone. Spin takes relative paths from where the runtime configuration
/// lies, so it lies in the data folder and its paths are whole.
fn spin_stores(folder: &Path) -> anyhow::Result<PathBuf> {
    let store = |label: &str| {
        let path = toml_text(&folder.join(format!("{label}.db")).to_string_lossy());
        format!("[key_value_store.{label}]\ntype = \"spin\"\npath = {path}\n")
    };
    let file = folder.join("runtime-config.toml");
    std::fs::write(&file, [store("accounts"), store("videos")].join("\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// A basic string of TOML.
fn toml_text(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_of_spin_lie_in_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a \"quoted\\ folder");
        std::fs::create_dir(&odd).unwrap();
        let file = spin_stores(&odd).unwrap();
        assert_eq!(file, odd.join("runtime-config.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let accounts = odd.join("accounts.db").to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        assert!(
            text.contains(&format!("[key_value_store.accounts]\ntype = \"spin\"\npath = \"{accounts}\"\n")),
            "{text}"
        );
        assert!(
            text.contains("[key_value_store.videos]") && text.matches("type = \"spin\"").count() == 2,
            "{text}"
        );
    }
}
