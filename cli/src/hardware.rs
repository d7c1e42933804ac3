//! `framelift hardware`.

use anyhow::Context as _;

use crate::outcome::{Done, Failed};

pub(crate) fn run() -> Result<Done, Failed> {
    let info = framelift_media::hardware();
    let json = serde_json::to_value(info).context("cannot serialize the description")?;
    let text = match &info.problem {
        Some(problem) => format!("the CPU decodes everything: {problem}"),
        None => {
            let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
            let codecs = info.codecs.iter().map(|codec| {
                let problem = codec.problem.as_ref().map(|problem| format!("no: {problem}"));
                format!(
                    "\n  {:<10} {:>2} bits  {}",
                    codec.codec,
                    codec.bits,
                    problem.as_deref().unwrap_or("yes")
                )
            });
            let codecs: String = codecs.collect();
            format!("{}, driver {}{codecs}", unknown(&info.device), unknown(&info.driver))
        }
    };
    Ok(Done { text, json, warnings: Vec::new() })
}
