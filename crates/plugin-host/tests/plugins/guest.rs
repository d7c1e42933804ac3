//! Plugins that are started here, and the frames that they are shown.

use framelift_domain::{Checksum, Layout, Rational};
use framelift_media::Filter as _;
use framelift_media::filter::{Answer, FilterError, Picture, Rgb};
use framelift_plugin_host::{Code, Host, Metering, Plugin, PluginLimits, Rejected};

pub(crate) use crate::component::*;

/// Compiles and loads a component.
pub(crate) fn load(host: &Host, component: &[u8]) -> Result<Code, Rejected> {
    host.load(&host.compile(component)?, Checksum::of(component))
}

pub(crate) fn host(limits: PluginLimits) -> Host {
    Host::new(limits, Metering::Time).unwrap()
}

/// Starts a plugin with the usual bounds.
pub(crate) fn start(guest: Guest<'_>) -> Result<Plugin, FilterError> {
    load(&host(PluginLimits::default()), &guest.build()).unwrap().start("it", "1", "{}")
}

/// A picture whose pixels are all different.
pub(crate) fn picture(index: u64) -> Picture {
    let pixels = (0..64_u8).flat_map(|y| (0..96_u8).flat_map(move |x| [x, y, 200]));
    let rgb = Rgb { width: 96, height: 64, bytes: pixels.collect() };
    Picture::of_rgb(&rgb, Layout::Rgb, index, Rational::ZERO).unwrap()
}

/// What the plugin says of one frame.
pub(crate) fn process(guest: Guest<'_>) -> Result<Answer, FilterError> {
    start(guest)?.process(picture(0))
}
