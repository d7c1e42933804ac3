//! The other program: Python processes that decode with PyAV, used again by the next test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use framelift_contract::options::OptionsBody;
use framelift_domain::Rational;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::extracted::Rgb;

/// Processes that wait for work; they end when this one closes their standard input.
static IDLE: Mutex<Vec<Process>> = Mutex::new(Vec::new());

struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A video, decoded by the other program.
pub(crate) struct Reference {
    process: Option<Process>,
    pub(crate) video: Video,
}

/// What it said of the whole.
#[derive(Debug, Deserialize)]
pub(crate) struct Video {
    time_base: [i64; 2],
    duration: [i64; 2],
    pub(crate) frames: Vec<Frame>,
    /// For each of the options: frames by their place in `frames`, with the times asked for.
    cases: Vec<Vec<(usize, Option<[i64; 2]>)>>,
}

/// A shown frame.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    pub(crate) pts: i64,
    time: [i64; 2],
    pub(crate) key: bool,
    /// Whether the decoder knows that something of it is wrong.
    pub(crate) damaged: bool,
    /// Across and down, as shown.
    pub(crate) size: [usize; 2],
    /// FFmpeg's name of the pixel format.
    pub(crate) format: String,
    /// The hash of the stored samples.
    pub(crate) hash: String,
    /// The number that the corpus writes into its pictures, where it can be read.
    pub(crate) number: Option<usize>,
}

fn seconds([num, den]: [i64; 2]) -> Rational {
    Rational::new(num.into(), den.into()).unwrap()
}

impl Frame {
    pub(crate) fn time(&self) -> Rational {
        seconds(self.time)
    }
}

impl Video {
    pub(crate) fn time_base(&self) -> String {
        format!("{}/{}", self.time_base[0], self.time_base[1])
    }

    pub(crate) fn duration(&self) -> Rational {
        seconds(self.duration)
    }

    /// What the options of number `case` mean: a frame's place in `frames`, and the time it was
    /// asked for.
    pub(crate) fn wanted(&self, case: usize) -> Vec<(usize, Option<Rational>)> {
        self.cases[case].iter().map(|(index, time)| (*index, time.map(seconds))).collect()
    }
}

impl Process {
    fn start() -> Self {
        let python = std::env::var_os("FRAMELIFT_TEST_PYTHON").expect(
            "these tests compare with PyAV: run them by `cargo xtask test --test differential`, which \
             installs it, or name a Python that has it in FRAMELIFT_TEST_PYTHON",
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/reference.py");
        let mut child = Command::new(python)
            .arg("-B")
            .arg(script)
            // The tests already keep all cores busy.
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of FRAMELIFT_TEST_PYTHON runs");
        let (requests, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, requests, answers: BufReader::new(answers) }
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> T {
        writeln!(self.requests, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the reference ended: {:?}", self.child.wait());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        if let Some(error) = answer.get("error") {
            panic!("the reference cannot answer: {error}");
        }
        serde_json::from_value(answer).unwrap()
    }
}

impl Reference {
    /// Decodes the whole of `path` and finds what each of the options means.
    pub(crate) fn of(path: &Path, cases: &[OptionsBody]) -> Self {
        let idle = IDLE.lock().unwrap().pop();
        let mut process = idle.unwrap_or_else(Process::start);
        let video = process.ask(&json!({"open": path, "cases": cases}));
        Self { process: Some(process), video }
    }

    /// The picture of frame `index`, as a correct player shows it.
    pub(crate) fn picture(&mut self, index: usize) -> Rgb {
        #[derive(Deserialize)]
        struct Header {
            size: [usize; 2],
        }
        let process = self.process.as_mut().unwrap();
        let Header { size: [width, height] } = process.ask(&json!({"picture": index}));
        let mut pixels = vec![0; width * height * 3];
        process.answers.read_exact(&mut pixels).unwrap();
        Rgb { width, height, pixels }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // After a panic an answer may be half read.
        if !std::thread::panicking() {
            IDLE.lock().unwrap().extend(self.process.take());
        } else if let Some(mut process) = self.process.take() {
            drop(process.requests);
            let _ = process.child.wait();
        }
    }
}
