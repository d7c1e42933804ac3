//! The plugins that come with the product: components built from `plugins/` by `cargo xtask plugins`.

const BUILT_IN: [(&str, &[u8]); 5] = [
    ("dedupe", include_bytes!("../../../plugins/built/dedupe.wasm")),
    ("grayscale", include_bytes!("../../../plugins/built/grayscale.wasm")),
    ("redact", include_bytes!("../../../plugins/built/redact.wasm")),
    ("sharpest", include_bytes!("../../../plugins/built/sharpest.wasm")),
    ("watermark", include_bytes!("../../../plugins/built/watermark.wasm")),
];

/// The component of that name.
pub fn built_in(name: &str) -> Option<&'static [u8]> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, component)| *component)
}
