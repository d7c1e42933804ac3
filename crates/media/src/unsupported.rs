//! Finds options that an extraction does not support.

use framelift_domain::Options;

/// Returns JSON pointers, relative to the options, of everything that is not supported with this number of
/// `filters`; empty if the job can run.
pub fn unsupported(options: &Options, filters: usize) -> Vec<&'static str> {
    if options.plugins.len() <= filters { Vec::new() } else { vec!["/plugins"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_without_their_filters_are_named() {
        let mut options = Options { storyboard: true, ..Options::default() };
        assert!(unsupported(&options, 0).is_empty());
        options.plugins = vec![framelift_domain::PluginRef::new("p", "{}")];
        assert_eq!(unsupported(&options, 0), ["/plugins"]);
        assert!(unsupported(&options, 1).is_empty());
    }
}
