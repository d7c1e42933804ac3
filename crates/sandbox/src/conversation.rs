//! The parent's side of one job: turns a child's messages into an archive, progress and an outcome, or an
//! error.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use framelift_domain::{Checksum, Failure, FailureCode, Options};
use framelift_media::{
    Archive, Control, EngineLimits, ExtractError, Image, Member, MemorySource, Names, Numbered,
    OTHER_MEMBERS, Output, Progress, Request, Source, Stage, VideoInfo, add_member, unsupported,
};
use framelift_plugin_host::{Compiled, Metering, PluginRun, Rejected};

use crate::crash::{Crash, Kind as CrashKind};
use crate::framing::{self, Frames};
use crate::limits::{self, Limits};
use crate::messages::{
    self, CheckJob, Done, ExtractJob, Extracted, Job, Kind, MemberId, MemberStart, PluginJob,
};
use crate::plugins::{CompileError, CompileLimits};
use crate::pool::{Running, Sandbox, StartError};
use crate::reads::{self, Activity, ReadsEnd, Reason};
use crate::watchdog::Watchdog;

/// How often the caller is asked whether to continue while no message comes.
const TICK: Duration = Duration::from_millis(100);
/// How long a child may leave an answer unread.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer the parent waits than the engine's own limit on time.
const ENGINE_GRACE: Duration = Duration::from_secs(60);

/// Why a job in a child has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The child crashed.
    #[error("{}", .0.reason)]
    Crashed(Crash),
    /// No child could be started; not the video's fault.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Ignores that a child has closed its socket: its exit status tells why.
fn ignore_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            Ok(())
        }
        written => written,
    }
}

/// Why a conversation ended early.
enum End {
    Error(ExtractError),
    /// The child has closed its socket.
    Gone,
    Crashed(Crash),
}

impl From<ExtractError> for End {
    fn from(error: ExtractError) -> Self {
        Self::Error(error)
    }
}

fn protocol_error(rule: impl std::fmt::Display) -> End {
    End::Crashed(Crash::new(CrashKind::Protocol, format!("the decoder sent {rule}")))
}

impl From<messages::Malformed> for End {
    fn from(error: messages::Malformed) -> Self {
        protocol_error(error)
    }
}

impl Sandbox {
    /// Runs [`framelift_media::extract`] in a child; pictures pass through plugins in order.
    pub fn extract(&self, request: Request<'_>, plugins: &[PluginRun]) -> Result<Extracted, RunError> {
        let Request { source, file_name, options, limits, output, control } = request;
        let Output { archive, names } = output;
        if let Some(pointer) = unsupported(options, plugins.len()).first() {
            return Err(ExtractError::Unsupported(pointer).into());
        }
        // A child cannot see how many processors a container may use.
        let limits = EngineLimits { threads: limits.thread_count(), ..limits.clone() };
        let size = source.size();
        let job = ExtractJob::new(file_name.clone(), size, options, limits.clone(), names.is_some());
        let mut job =
            job.ok_or_else(|| failed(FailureCode::Internal, "the options have no form to be sent in"))?;
        job.plugins = plugins.iter().map(PluginJob::of).collect();
        let beside = limits::plugins_space(job.plugins.iter().map(|plugin| plugin.bytes));
        let members = Members {
            options,
            names: names.unwrap_or(&Numbered),
            max_bytes: limits.max_output_bytes,
            images: 0,
            others: Vec::new(),
        };
        let begin = |child: &Running| {
            framing::write_json(&mut &child.events, Kind::Job, &Job::Extract(Box::new(job)))?;
            let mut codes = plugins.iter().map(|plugin| &plugin.compiled.code);
            codes.try_for_each(|code| ignore_closed(framing::write_code(&mut &child.events, code)))
        };
        let bounds = self.bounds(&limits, size, beside);
        self.run(begin, source, bounds, control, |conversation| {
            let Done::Extract(mut extracted) = conversation.extract(archive, members)? else {
                return Err(protocol_error("the result of another job"));
            };
            let outcome = &mut extracted.outcome;
            outcome.source.file_name = file_name;
            outcome.source.size_bytes = size;
            Ok(*extracted)
        })
    }

    /// Compiles and checks a plugin in a child. Exceeding the child's limits is the plugin's fault; to be killed, or
    /// to be slow on a busy machine, is not. `control` is asked
    /// several times a second whether to go on.
    pub fn compile(
        &self,
        name: &str,
        component: &[u8],
        limits: &CompileLimits,
        metering: Metering,
        control: &dyn Control,
    ) -> Result<Compiled, CompileError> {
        let bytes = component.len() as u64;
        let fuel = metering == Metering::TimeAndFuel;
        let job = Job::Check(CheckJob { name: name.to_owned(), bytes, fuel });
        let begin = |child: &Running| {
            framing::write_json(&mut &child.events, Kind::Job, &job)?;
            ignore_closed(framing::write_code(&mut &child.events, component))
        };
        // A busy machine gives it only a part of a processor.
        let deadline = limits.processor_time.saturating_mul(4).saturating_add(ENGINE_GRACE);
        let none = Box::new(MemorySource(Vec::new().into()));
        let bounds = Bounds { limits: Limits::of_compiling(limits), inactivity_timeout: deadline, deadline };
        let result = self.run(begin, none, bounds, control, |conversation| {
            let mut code = Vec::new();
            loop {
                match conversation.next()? {
                    Message::Progress => {}
                    Message::Code => {
                        code.extend_from_slice(conversation.frames.borrow().body());
                        if code.len() as u64 > messages::MAX_CODE {
                            return Err(protocol_error("more code than a plugin can have"));
                        }
                    }
                    Message::Done(Done::Check(checked)) => return Ok(Ok((code, *checked))),
                    Message::Done(Done::Rejected(words)) => return Ok(Err(Rejected::new(words))),
                    _ => return Err(protocol_error("a message that belongs to another job")),
                }
            }
        });
        let CompileLimits { processor_time, memory_bytes } = limits;
        let (code, checked) = match result {
            Ok(said) => said?,
            Err(RunError::Start(error)) => return Err(error.into()),
            Err(RunError::Crashed(crash)) => {
                let words = match crash.kind {
                    CrashKind::Time => {
                        format!("takes more than {} s of processor time to compile", processor_time.as_secs())
                    }
                    CrashKind::Memory => {
                        format!("takes more than {} MiB of memory to compile", memory_bytes >> 20)
                    }
                    CrashKind::Killed | CrashKind::Late => {
                        return Err(CompileError::Interrupted(crash.reason));
                    }
                    _ => format!("ended the process that compiled it: {}", crash.reason),
                };
                return Err(Rejected::new(words).into());
            }
            Err(RunError::Extract(ExtractError::Cancelled)) => return Err(CompileError::Cancelled),
            // There is no archive and there are no names.
            Err(RunError::Extract(error)) => return Err(Rejected::new(error.to_string()).into()),
        };
        Ok(Compiled { sha256: Checksum::of(component), code, metering, checked })
    }

    /// Runs [`framelift_media::probe`] in a child.
    pub fn probe(&self, source: Box<dyn Source>) -> Result<VideoInfo, RunError> {
        let (limits, size) = (EngineLimits::default(), source.size());
        let begin = |child: &Running| framing::write_json(&mut &child.events, Kind::Job, &Job::Probe(size));
        let bounds = self.bounds(&limits, size, 0);
        self.run(begin, source, bounds, &(), |conversation| {
            loop {
                match conversation.next()? {
                    Message::Done(Done::Probe(info)) => return Ok(*info),
                    Message::Progress => {}
                    _ => return Err(protocol_error("a message that belongs to another job")),
                }
            }
        })
    }

    /// The bounds of a job on a video of `size` bytes, with `beside` bytes for its plugins.
    fn bounds(&self, limits: &EngineLimits, size: u64, beside: u64) -> Bounds {
        Bounds {
            limits: Limits::of_job(limits, size, beside),
            inactivity_timeout: self.settings.inactivity_timeout,
            deadline: limits.max_wall.saturating_add(ENGINE_GRACE),
        }
    }

    fn run<T>(
        &self,
        begin: impl FnOnce(&Running) -> io::Result<()>,
        source: Box<dyn Source>,
        bounds: Bounds,
        control: &dyn Control,
        work: impl FnOnce(&Conversation<'_>) -> Result<T, End>,
    ) -> Result<T, RunError> {
        let mut child = self.take()?;
        let begun = child.limit(bounds.limits, self.settings.memory).and_then(|watchdog| {
            child.events.set_read_timeout(Some(TICK))?;
            child.events.set_write_timeout(Some(bounds.inactivity_timeout.min(ANSWER_TIMEOUT)))?;
            begin(&child)?;
            Ok(watchdog)
        });
        let watchdog = begun.map_err(|error| StartError::Process(error.to_string()))?;
        let (activity, reads_end) = (Activity::new(), ReadsEnd::default());
        let (events, reads) = (child.events.try_clone(), child.reads.try_clone());
        let (events, reads) = events
            .and_then(|events| Ok((events, reads?)))
            .map_err(|error| StartError::Process(error.to_string()))?;
        let opening = Progress {
            stage: Stage::Opening,
            percent: 0.0,
            frames_done: 0,
            frames_expected: None,
            bytes_read: 0,
            decoded_ms: 0,
        };
        let conversation = Conversation {
            socket: &events,
            frames: RefCell::new(Frames::new(&events)),
            last: RefCell::new(opening),
            control,
            activity: &activity,
            reads_end: &reads_end,
            bounds,
            watchdog,
            ticked: Cell::new(Instant::now()),
        };
        std::thread::scope(|scope| {
            let serving = std::thread::Builder::new().name("sandbox reads".to_owned());
            let serving = serving.spawn_scoped(scope, || reads::serve(&reads, source, &activity, &reads_end));
            serving.map_err(|error| StartError::Process(error.to_string()))?;
            let result = work(&conversation).map_err(|end| run_error(end, &mut child));
            // Its remaining work is useless; killing it also ends its reads.
            child.end();
            result
        })
    }
}

fn failed(code: FailureCode, message: &str) -> ExtractError {
    ExtractError::Failed(Failure::new(code, message))
}

/// Returns the error for an early end, from the child's exit status if needed.
fn run_error(end: End, child: &mut Running) -> RunError {
    match end {
        End::Error(error) => error.into(),
        End::Crashed(crash) => RunError::Crashed(crash),
        End::Gone => RunError::Crashed(match child.ended() {
            Some((status, stderr)) => Crash::of(status, stderr),
            None => Crash::new(CrashKind::Protocol, "the decoder closed its connection"),
        }),
    }
}

/// A checked message of a child.
enum Message {
    /// The caller knows already.
    Progress,
    AskName(MemberId),
    Member(MemberStart),
    /// Its bytes stay in [`Frames`].
    Piece,
    /// Its bytes stay in [`Frames`].
    Code,
    Done(Done),
}

/// The parent's side of a job.
struct Conversation<'a> {
    socket: &'a UnixStream,
    frames: RefCell<Frames<&'a UnixStream>>,
    last: RefCell<Progress>,
    control: &'a dyn Control,
    activity: &'a Activity,
    reads_end: &'a ReadsEnd,
    bounds: Bounds,
    /// Where the kernel does not limit memory.
    watchdog: Option<Watchdog>,
    /// When the last tick was.
    ticked: Cell<Instant>,
}

/// What a child may use, and how long it is waited for.
struct Bounds {
    limits: Limits,
    /// Without a message or read.
    inactivity_timeout: Duration,
    /// In all.
    deadline: Duration,
}

impl Conversation<'_> {
    /// Waits for the next message, and asks the caller meanwhile whether to go on.
    fn next(&self) -> Result<Message, End> {
        let mut frames = self.frames.borrow_mut();
        let kind = loop {
            match frames.fill() {
                Ok(kind) => break kind,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.tick()?,
                    io::ErrorKind::InvalidData => return Err(protocol_error(error)),
                    _ => return Err(End::Gone),
                },
            }
        };
        self.activity.note();
        // One that sends message after message is watched, too.
        if self.ticked.get().elapsed() > TICK {
            self.tick()?;
        }
        let body = frames.body();
        Ok(match kind {
            Kind::Progress => {
                *self.last.borrow_mut() = messages::decode_progress(body)?;
                self.tick()?;
                Message::Progress
            }
            Kind::AskName => Message::AskName(MemberId::decode(body)?),
            Kind::Member => Message::Member(MemberStart::decode(body)?),
            Kind::Piece => Message::Piece,
            Kind::Code => Message::Code,
            Kind::Done => Message::Done(messages::json(body)?),
            Kind::Failed => return Err(ExtractError::Failed(messages::failure(body)?).into()),
            Kind::SourceFailed => {
                return Err(match self.reads_end.take() {
                    Some(Reason::Source(error)) => ExtractError::Source(error).into(),
                    Some(Reason::Rules(rule)) => protocol_error(rule),
                    None => protocol_error("word of a read that has not failed"),
                });
            }
            _ => return Err(protocol_error("a message that only its parent sends")),
        })
    }

    /// Fails if the caller cancels, the child has timed out, or uses too much memory.
    fn tick(&self) -> Result<(), End> {
        self.ticked.set(Instant::now());
        if !self.control.progress(&self.last.borrow()) {
            return Err(ExtractError::Cancelled.into());
        }
        if let Some(rule) = self.reads_end.broken_rule() {
            return Err(protocol_error(rule));
        }
        let late = |what: String| Err(End::Crashed(Crash::new(CrashKind::Late, what)));
        if self.activity.silence() > self.bounds.inactivity_timeout {
            return late(format!(
                "the decoder gave no sign of life for {} s",
                self.bounds.inactivity_timeout.as_secs()
            ));
        }
        if self.activity.age() > self.bounds.deadline {
            return late(format!("the decoder was not done within {} s", self.bounds.deadline.as_secs()));
        }
        if self.watchdog.as_ref().is_some_and(Watchdog::is_exceeded) {
            return Err(End::Crashed(Crash::too_much_memory()));
        }
        Ok(())
    }

    /// Receives an extraction and writes its archive.
    fn extract<'a>(&self, mut archive: Box<dyn Archive + 'a>, mut members: Members<'a>) -> Result<Done, End> {
        let max_bytes = members.max_bytes;
        loop {
            match self.next()? {
                Message::Progress => {}
                Message::AskName(id) => {
                    let name = members.name(&id)?;
                    let sent = framing::write(&mut { self.socket }, Kind::Name, name.as_bytes());
                    sent.map_err(|error| match error.kind() {
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                            End::Crashed(Crash::new(CrashKind::Late, "the decoder read no answer"))
                        }
                        _ => End::Gone,
                    })?;
                }
                Message::Member(start) => {
                    let name = members.begin(&start.id)?;
                    let image = match start.id {
                        MemberId::Image { time, .. } => {
                            Some(Image { time, size: start.pixels, keyframe: start.keyframe })
                        }
                        MemberId::Other(_) => None,
                    };
                    let member = Member { name: &name, size: start.size, crc: start.crc, image };
                    let ended = RefCell::new(None);
                    let content = |out: &mut dyn io::Write| self.pieces(start.size, out, &ended);
                    let added = add_member(&mut *archive, member, &content, max_bytes);
                    if let Some(end) = ended.take() {
                        return Err(end);
                    }
                    added?;
                }
                Message::Piece | Message::Code => return Err(protocol_error("bytes of no member")),
                Message::Done(Done::Extract(mut extracted)) => {
                    let outcome = &mut extracted.outcome;
                    if outcome.frames != members.images {
                        return Err(protocol_error("another number of images than it says"));
                    }
                    let finished = archive.finish().map_err(ExtractError::Sink)?;
                    outcome.archive_bytes = finished.bytes;
                    outcome.archive_sha256 = finished.sha256;
                    return Ok(Done::Extract(extracted));
                }
                Message::Done(done) => return Ok(done),
            }
        }
    }

    /// Copies a member's bytes. The reason for an early end is stored in `ended`.
    fn pieces(&self, size: u64, out: &mut dyn io::Write, ended: &RefCell<Option<End>>) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let end = match self.next() {
                Ok(Message::Progress) => continue,
                Ok(Message::Piece) => {
                    let frames = self.frames.borrow();
                    let bytes = frames.body();
                    if (1..=left).contains(&(bytes.len() as u64)) {
                        out.write_all(bytes)?;
                        left -= bytes.len() as u64;
                        continue;
                    }
                    protocol_error("another number of bytes than it says")
                }
                Ok(_) => protocol_error("something else than the bytes of the member that it has begun"),
                Err(end) => end,
            };
            *ended.borrow_mut() = Some(end);
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The members that are allowed, and their names; the child cannot choose either.
struct Members<'a> {
    options: &'a Options,
    names: &'a dyn Names,
    max_bytes: u64,
    images: u64,
    others: Vec<String>,
}

impl Members<'_> {
    /// Returns the name of an allowed member.
    fn name(&self, id: &MemberId) -> Result<String, End> {
        let name = match id {
            MemberId::Image { number, time, extension } if extension == self.options.format.extension() => {
                self.names.image(*number, *time, extension)
            }
            MemberId::Other(name) if OTHER_MEMBERS.contains(&name.as_str()) => self.names.other(name),
            _ => return Err(protocol_error("a member that was not asked for")),
        };
        // The user's template may make it too long.
        if name.len() > messages::MAX_NAME {
            return Err(failed(FailureCode::Internal, "an image's name is too long").into());
        }
        Ok(name)
    }

    /// Returns the name of the member that begins: it must be the next image, or another member that was not
    /// written yet.
    fn begin(&mut self, id: &MemberId) -> Result<String, End> {
        let name = self.name(id)?;
        match id {
            MemberId::Image { number, .. } if *number == self.images + 1 => self.images += 1,
            MemberId::Other(other) if !self.others.contains(other) => self.others.push(other.clone()),
            _ => return Err(protocol_error("a member out of its turn")),
        }
        Ok(name)
    }
}
