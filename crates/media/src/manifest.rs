//! The records that become `manifest.json`, kept small: about 100 bytes for each image.

use std::io::{self, Write};
use std::sync::Arc;

use framelift_contract::manifest::{Frame, Labels, Manifest, Plan, Plugin, Repeats, Source, VERSION};
use framelift_contract::options::OptionsBody;
use framelift_domain::{Checksum, Options, Rational};
use serde::{Serialize, Serializer};

use crate::archive::Names;

/// The record of one image.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) requested: Option<Rational>,
    pub(crate) time: Rational,
    pub(crate) pts: i64,
    pub(crate) keyframe: bool,
    pub(crate) size: (u32, u32),
    /// The image's length.
    pub(crate) bytes: u32,
    pub(crate) sha256: Checksum,
    /// The filters' labels as JSON, which takes a tenth of the maps' memory; shared by its copies.
    pub(crate) labels: Option<Arc<str>>,
    /// How many further requests the image answers, and the last of them.
    pub(crate) repeats: Option<(u64, Option<Rational>)>,
}

/// The manifest apart from the records.
pub(crate) struct Header<'a> {
    pub(crate) source: &'a Source,
    pub(crate) options: &'a Options,
    pub(crate) plan: &'a Plan,
    pub(crate) plugins: &'a [Plugin],
    pub(crate) warnings: &'a [String],
    pub(crate) names: &'a dyn Names,
}

struct Frames<'a> {
    records: &'a [Record],
    names: &'a dyn Names,
    extension: &'static str,
}

/// A record's labels.
pub(crate) fn packed(labels: &Labels) -> Option<Arc<str>> {
    (!labels.is_empty()).then(|| serde_json::json!(labels).to_string().into())
}

fn labels(packed: &str) -> Labels {
    serde_json::from_str(packed).unwrap_or_default()
}

impl Serialize for Frames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((1..).zip(self.records).map(|(number, record)| {
            Frame {
                file: self.names.image(number, record.time, self.extension),
                requested: record.requested.map(|time| time.to_string()),
                time: record.time.to_string(),
                time_seconds: record.time.to_f64(),
                pts: record.pts,
                keyframe: record.keyframe,
                width: record.size.0,
                height: record.size.1,
                bytes: record.bytes.into(),
                sha256: record.sha256,
                labels: record.labels.as_deref().map_or_else(Labels::new, labels),
                repeats: record
                    .repeats
                    .map(|(count, until)| Repeats { count, until: until.map(|time| time.to_string()) }),
            }
        }))
    }
}

/// Writes the manifest; the same arguments give the same bytes.
pub(crate) fn write(out: &mut dyn Write, header: &Header<'_>, records: &[Record]) -> io::Result<()> {
    let manifest = Manifest {
        version: VERSION,
        engine: framelift_contract::ENGINE.to_owned(),
        source: header.source.clone(),
        options: OptionsBody::spelled_out(header.options),
        plan: header.plan.clone(),
        plugins: header.plugins.to_vec(),
        frames: Frames { records, names: header.names, extension: header.options.format.extension() },
        warnings: header.warnings.to_vec(),
    };
    let mut out = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, &manifest)?;
    out.write_all(b"\n")?;
    out.flush()
}
