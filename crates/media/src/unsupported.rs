//! Which options this engine does not do yet.

use framelift_domain::Options;

/// JSON pointers, relative to the options, of everything asked that the engine cannot give;
/// empty means that the job can run.
pub fn unsupported(options: &Options) -> Vec<&'static str> {
    if options.plugins.is_empty() { Vec::new() } else { vec!["/plugins"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_done_is_named() {
        let mut options = Options { storyboard: true, ..Options::default() };
        assert!(unsupported(&options).is_empty());
        options.plugins = vec![framelift_domain::PluginRef::new("p", "{}")];
        assert_eq!(unsupported(&options), ["/plugins"]);
    }
}
