//! The parsers of untrusted bytes as functions that can be fuzzed, and what changes their inputs. `cargo xtask fuzz`
//! runs them under libFuzzer; the test here runs them on changed seeds.

pub mod change;
mod contract;
mod edge;
#[cfg(feature = "media")]
mod media;

/// A function over untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the folder with its seeds.
    pub name: &'static str,
    /// Panics where a promise is broken. Returns whether the input was understood.
    pub run: fn(&[u8]) -> bool,
    /// Microseconds that it takes, about.
    pub cost_us: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "media")]
    Target { name: "child", run: media::child, cost_us: 20 },
    #[cfg(feature = "media")]
    Target { name: "claims", run: media::claims, cost_us: 10 },
    #[cfg(feature = "media")]
    Target { name: "containers", run: media::containers, cost_us: 10_000 },
    Target { name: "form", run: edge::form, cost_us: 50 },
    Target { name: "index", run: contract::index, cost_us: 10 },
    Target { name: "link", run: edge::link, cost_us: 50 },
    Target { name: "messages", run: contract::messages, cost_us: 50 },
    #[cfg(feature = "media")]
    Target { name: "names", run: media::names, cost_us: 100 },
    Target { name: "options", run: contract::options, cost_us: 50 },
    #[cfg(feature = "media")]
    Target { name: "pictures", run: media::pictures, cost_us: 10 },
    Target { name: "place", run: edge::place, cost_us: 10 },
    Target { name: "proof", run: edge::proof, cost_us: 50 },
    Target { name: "range", run: edge::range, cost_us: 10 },
    Target { name: "token", run: edge::token, cost_us: 500 },
];

/// Runs the target of that name.
///
/// # Panics
/// If there is none, or the input breaks a promise.
pub fn run(name: &str, input: &[u8]) {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        panic!("there is no target {name}");
    };
    (target.run)(input);
}

/// The text that the input begins with.
fn text(input: &[u8]) -> &str {
    match std::str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&input[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Takes so many bytes off the input's front, or what there is.
fn take<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(length.min(input.len()));
    *input = rest;
    front
}
