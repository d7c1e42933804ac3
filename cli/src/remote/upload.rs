//! `framelift upload`: uploads files, and on request downloads their frames.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use framelift_contract::options::OptionsBody;
use framelift_contract::video::{AcceptedResponse, CreateVideoRequest, CreateVideoResponse, Status, Upload};

use super::download::{self, OutputArgs};
use super::saved_upload::{LocalFile, SavedUpload, SavedUploadFile};
use super::select::JobArgs;
use super::transfer::Transfer;
use super::video::Video;
use super::wait::{self, completed, until_ended};
use crate::interrupts;
use crate::outcome::{Done, Failed, Printer, Summary, printable};
use crate::service::{Call, Service, ServiceArgs, ServiceError};

#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The videos
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// What to do with the result.
#[derive(Debug, Default, Args)]
pub(crate) struct ResultArgs {
    /// Wait until the frames are ready, or until it is clear that there will be none
    #[arg(long, help_heading = "Output")]
    pub(crate) wait: bool,
    /// Wait, and write the archive to a file (frames.zip) or into a folder (frames/)
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(short, long, help_heading = "Output", requires = "output")]
    pub(crate) force: bool,
}

impl ResultArgs {
    fn waits(&self) -> bool {
        self.wait || self.output.is_some()
    }

    /// Waits for a queued video and downloads its frames, if requested. Returns what is printed.
    pub(crate) fn finish(&self, service: &Service, id: &str, quiet: bool) -> Result<Done, Failed> {
        if !self.waits() {
            let video = Video::fetch(service, id)?;
            return Ok(Done {
                text: format!("{id} {}", video.state()),
                json: video.raw,
                warnings: Vec::new(),
            });
        }
        let video = completed(until_ended(service, id, quiet, |_| {})?)?;
        match &self.output {
            None => Ok(wait::done(video)),
            Some(output) => {
                let output = OutputArgs { output: Some(output.clone()), force: self.force };
                download::fetch(service, video, &output, quiet)
            }
        }
    }
}

pub(crate) fn upload(args: &UploadArgs) -> ExitCode {
    let printer = Printer { json: args.service.json, quiet: args.service.quiet, ..Printer::default() };
    match UploadRun::prepare(args) {
        Ok(run) => run.run(printer),
        Err(failed) => printer.report(Err(failed)),
    }
}

struct UploadRun<'a> {
    args: &'a UploadArgs,
    options: OptionsBody,
    service: Service,
}

impl<'a> UploadRun<'a> {
    fn prepare(args: &'a UploadArgs) -> Result<Self, Failed> {
        let one_file = args.result.output.as_ref().is_some_and(|output| {
            output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) && !output.is_dir()
        });
        if one_file && args.files.len() > 1 {
            return Err(Failed::Values(vec!["--output: several videos need a folder".to_owned()]));
        }
        let options = args.job.body()?;
        interrupts::set_hint("the same command goes on where it stopped");
        Ok(Self { args, options, service: Service::open(&args.service)? })
    }

    fn run(&self, printer: Printer) -> ExitCode {
        let quiet = self.args.service.quiet;
        let finish = |sent: Result<String, Failed>| {
            sent.and_then(|id| self.args.result.finish(&self.service, &id, quiet))
        };
        if let [file] = &self.args.files[..] {
            return printer.report(finish(self.send(file)));
        }
        let mut summary = Summary::default();
        let mut tell = |file: &Path, sent| {
            printer.one_of_several(&file.display().to_string(), finish(sent), &mut summary);
        };
        if self.args.result.waits() {
            // All files are uploaded before the first is waited for.
            let sent: Vec<_> = self.args.files.iter().map(|file| self.send(file)).collect();
            self.args.files.iter().zip(sent).for_each(|(file, sent)| tell(file, sent));
        } else {
            self.args.files.iter().for_each(|file| tell(file, self.send(file)));
        }
        printer.all(summary, self.args.files.len(), None)
    }

    /// Uploads a file, or resumes its upload. Returns the video's id.
    fn send(&self, path: &Path) -> Result<String, Failed> {
        let file = LocalFile::open(path)?;
        let saved_file = SavedUploadFile::of(&self.service, &file, &self.options)?;
        let mut saved = saved_file.read_or_create()?;
        let sent = self.resume_or_send(&file, &saved_file, &mut saved);
        match &sent {
            Ok(_) => saved_file.forget(),
            // The service refuses this upload, so it cannot be resumed.
            Err(ServiceError::Refused(refusal))
                if refusal.status < 500 && refusal.status != 401 && refusal.status != 429 =>
            {
                saved_file.forget();
            }
            Err(ServiceError::Local(_)) if file.check_unchanged().is_err() => saved_file.forget(),
            Err(_) => {}
        }
        Ok(sent?)
    }

    fn resume_or_send(
        &self,
        file: &LocalFile,
        saved_file: &SavedUploadFile,
        saved: &mut SavedUpload,
    ) -> Result<String, ServiceError> {
        if let Some(id) = saved.id.clone() {
            match Video::fetch(&self.service, &id) {
                Ok(video) if video.status == Status::AwaitingUpload.as_str() => {}
                // The upload is complete; only the answer was lost.
                Ok(video) if !matches!(&*video.status, "canceled" | "expired") => return Ok(id),
                Ok(_) => self.restart(saved_file, saved)?,
                Err(error) if matches!(error.code(), "video-not-found" | "video-not-owned") => {
                    self.restart(saved_file, saved)?;
                }
                Err(error) => return Err(error),
            }
        }
        let bar = wait::bar(self.args.service.quiet, wait::BYTES, file.size)?;
        bar.set_message(printable(&file.name));
        let transfer = Transfer { service: &self.service, file, bar: &bar };
        let completed_upload =
            self.send_bytes(&transfer, saved_file, saved).and_then(|id| self.complete(&transfer, &id));
        bar.finish_and_clear();
        completed_upload
    }

    /// Sends the bytes that have not arrived. Returns the video's id.
    fn send_bytes(
        &self,
        transfer: &Transfer<'_>,
        saved_file: &SavedUploadFile,
        saved: &mut SavedUpload,
    ) -> Result<String, ServiceError> {
        let Some(id) = saved.id.clone() else { return self.create_and_send(transfer, saved_file, saved) };
        match transfer.parts(&id) {
            Ok(()) => Ok(id),
            // An upload in one request starts again, with the same key.
            Err(error) if error.code() == "not-found" => self.create_and_send(transfer, saved_file, saved),
            Err(error) => Err(error),
        }
    }

    fn restart(&self, saved_file: &SavedUploadFile, saved: &mut SavedUpload) -> Result<(), ServiceError> {
        saved_file.forget();
        *saved = saved_file.read_or_create()?;
        Ok(())
    }

    /// Creates the video and sends the file.
    fn create_and_send(
        &self,
        transfer: &Transfer<'_>,
        saved_file: &SavedUploadFile,
        saved: &mut SavedUpload,
    ) -> Result<String, ServiceError> {
        let created = self.create(transfer.file, saved)?;
        let id = created.id.to_string();
        saved.id = Some(id.clone());
        saved_file.write(saved)?;
        match created.upload {
            Upload::Multipart(_) => transfer.parts(&id)?,
            Upload::Put(put) => transfer.whole(put, || match self.create(transfer.file, saved)?.upload {
                Upload::Put(put) => Ok(put),
                Upload::Multipart(_) => Err(self.unexpected("a different upload method than before")),
            })?,
        }
        Ok(id)
    }

    /// Creates the video. A call with the same key returns the same video with new URLs.
    fn create(&self, file: &LocalFile, saved: &SavedUpload) -> Result<CreateVideoResponse, ServiceError> {
        let body = CreateVideoRequest {
            file_name: file.name.clone(),
            size_bytes: i64::try_from(file.size).unwrap_or(i64::MAX),
            content_type: None,
            options: Some(self.options.clone()),
        };
        self.service.send(&Call::post("/videos").json(&body)?.once(&saved.idempotency_key))?.json()
    }

    /// Completes the upload. Sends parts again that have not arrived.
    fn complete(&self, transfer: &Transfer<'_>, id: &str) -> Result<String, ServiceError> {
        let complete = || -> Result<AcceptedResponse, ServiceError> {
            self.service.send(&Call::post(format!("/videos/{id}/complete")).repeatable())?.json()
        };
        let accepted = match complete() {
            Err(error) if error.code() == "upload-incomplete" => {
                transfer.parts(id).map_err(|_| error)?;
                complete()?
            }
            other => other?,
        };
        Ok(accepted.id.to_string())
    }

    fn unexpected(&self, answer: &str) -> ServiceError {
        ServiceError::UnexpectedAnswer { server: self.service.server().to_owned(), answer: answer.to_owned() }
    }
}
