//! Benches of the extraction engine: `cargo bench -p framelift-benches` measures its parts
//! against themselves, `side_by_side.py` measures the whole against other programs.
