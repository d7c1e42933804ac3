//! Which options this engine does not do yet.

use framelift_domain::{Format, Options, Select};

/// JSON pointers, relative to the options, of everything asked that the engine cannot give;
/// empty means that the job can run.
pub fn unsupported(options: &Options) -> Vec<&'static str> {
    let mut pointers = Vec::new();
    if matches!(options.select, Select::Scenes { .. }) {
        pointers.push("/select/scenes");
    }
    if matches!(options.format, Format::Webp | Format::Avif) {
        pointers.push("/format");
    }
    if options.storyboard {
        pointers.push("/storyboard");
    }
    if !options.plugins.is_empty() {
        pointers.push("/plugins");
    }
    pointers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_done_is_named() {
        assert!(unsupported(&Options::default()).is_empty());
        let options = Options {
            select: Select::Scenes { threshold: 0.3, max: 10 },
            format: Format::Avif,
            storyboard: true,
            plugins: vec![framelift_domain::PluginRef { name: "p".into(), config: "{}".into() }],
            ..Options::default()
        };
        assert_eq!(unsupported(&options), ["/select/scenes", "/format", "/storyboard", "/plugins"]);
    }
}
