//! The plugins that come with the product: components built from `plugins/` by `cargo xtask plugins`.
//!
//! A job runs the component that it was pinned to when it was created, so those of the release before come along.

use framelift_domain::Checksum;

const BUILT_IN: [(&str, &[u8]); 5] = [
    ("dedupe", include_bytes!("../../../plugins/built/dedupe.wasm")),
    ("grayscale", include_bytes!("../../../plugins/built/grayscale.wasm")),
    ("redact", include_bytes!("../../../plugins/built/redact.wasm")),
    ("sharpest", include_bytes!("../../../plugins/built/sharpest.wasm")),
    ("watermark", include_bytes!("../../../plugins/built/watermark.wasm")),
];

/// Those of the release before, where they differ.
const EARLIER: [(&str, &[u8]); 5] = [
    ("dedupe", include_bytes!("../../../plugins/built/earlier/dedupe.wasm")),
    ("grayscale", include_bytes!("../../../plugins/built/earlier/grayscale.wasm")),
    ("redact", include_bytes!("../../../plugins/built/earlier/redact.wasm")),
    ("sharpest", include_bytes!("../../../plugins/built/earlier/sharpest.wasm")),
    ("watermark", include_bytes!("../../../plugins/built/earlier/watermark.wasm")),
];

/// The component of that name with this SHA-256, of this release or the one before.
pub fn pinned_built_in(name: &str, sha256: Checksum) -> Option<&'static [u8]> {
    let mut named = BUILT_IN.iter().chain(&EARLIER).filter(|(known, _)| *known == name);
    named.find(|(_, component)| Checksum::of(component) == sha256).map(|(_, component)| *component)
}

/// The component of that name.
pub fn built_in(name: &str) -> Option<&'static [u8]> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, component)| *component)
}
