//! The size of the load.

/// What is asked for on the command line, as `NAME VALUE` pairs.
pub(crate) struct Size {
    pub uploads: usize,
    pub users: usize,
    pub workers: u16,
    /// Files that pass through the edge at the end, and bytes of each.
    pub streams: usize,
    pub stream_bytes: usize,
}

impl Size {
    pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut size = Self { uploads: 2000, users: 50, workers: 2, streams: 100, stream_bytes: 50 << 20 };
        let mut args = args;
        while let Some(name) = args.next() {
            let value = args.next().and_then(|value| value.parse::<usize>().ok());
            let value = value.ok_or_else(|| format!("{name} needs a number"))?;
            match name.as_str() {
                "--uploads" => size.uploads = value,
                "--users" => size.users = value.max(1),
                "--workers" => size.workers = u16::try_from(value).unwrap_or(u16::MAX),
                "--streams" => size.streams = value,
                "--stream-mib" => size.stream_bytes = value << 20,
                _ => return Err(format!("there is no {name}")),
            }
        }
        Ok(size)
    }
}
