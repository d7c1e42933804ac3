//! The archive's `manifest.json`.
