//! The options of a job for the service: the flags of `extract`, and plugins of the service by name.

use clap::{ArgGroup, Args};
use framelift_contract::options::{OptionsBody, PluginBody};

use crate::args::{ImageArgs, SelectArgs};
use crate::options::options;
use crate::outcome::Failed;

#[derive(Debug, Default, Args)]
#[command(group(ArgGroup::new("select").args(["every", "fps", "count", "at", "keyframes", "scenes", "all"])))]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    /// Pass the frames through a plugin of the service, after a colon its configuration in JSON
    /// (watermark:{"text":"draft"}). May be given several times
    #[arg(long, value_name = "NAME[:CONFIG]", help_heading = "Images")]
    pub(crate) plugin: Vec<String>,
}

impl JobArgs {
    /// The options as the API takes them, checked by the API's rules.
    pub(crate) fn body(&self) -> Result<OptionsBody, Failed> {
        let options = options(&self.select, &self.images, None).map_err(Failed::Values)?;
        let plugins: Result<Vec<_>, String> = self.plugin.iter().map(|text| plugin(text)).collect();
        let plugins = plugins.map_err(|message| Failed::Values(vec![message]))?;
        Ok(OptionsBody { plugins: Some(plugins), ..OptionsBody::spelled_out(&options) })
    }
}

/// `NAME` or `NAME:{…}`.
fn plugin(text: &str) -> Result<PluginBody, String> {
    let (name, config) = match text.split_once(':') {
        Some((name, config)) => (name, config),
        None => (text, "{}"),
    };
    let config = serde_json::from_str(config)
        .map_err(|error| format!("--plugin: the configuration of {name} is no JSON object: {error}"))?;
    Ok(PluginBody { name: name.to_owned(), config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_what_the_api_takes() {
        let args = JobArgs {
            select: SelectArgs { fps: Some("1/3".into()), ..SelectArgs::default() },
            images: ImageArgs { size: Some("640x".into()), ..ImageArgs::default() },
            plugin: vec!["grayscale".into(), r#"watermark:{"text":"a:b"}"#.into()],
        };
        let body = serde_json::to_value(args.body().unwrap()).unwrap();
        assert_eq!(body["select"], serde_json::json!({"every": "3s"}));
        assert_eq!(body["resize"]["width"], 640);
        let plugins = serde_json::json!([
            {"name": "grayscale", "config": {}},
            {"name": "watermark", "config": {"text": "a:b"}},
        ]);
        assert_eq!(body["plugins"], plugins);
    }

    #[test]
    fn a_configuration_that_is_no_object_is_refused() {
        for bad in ["watermark:", "watermark:[1]", "watermark:text"] {
            assert!(
                plugin(bad).unwrap_err().starts_with("--plugin: the configuration of watermark"),
                "{bad}"
            );
        }
    }
}
