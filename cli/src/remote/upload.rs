//! `framelift upload`: files to the service, and on demand their frames back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use framelift_contract::options::OptionsBody;
use framelift_contract::video::{AcceptedResponse, CreateVideoRequest, CreateVideoResponse, Status, Upload};

use super::download::{self, OutputArgs};
use super::select::JobArgs;
use super::transfer::Transfer;
use super::uploads::{Kept, LocalFile, Place};
use super::video::Video;
use super::wait::{self, completed, until_ended};
use crate::outcome::{Done, Failed, Printer, Summary};
use crate::service::{Call, Service, ServiceArgs, ServiceError, interrupts};

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

/// What is done with the result.
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

    /// What there is to tell of a video that the service has taken, after waiting for it where that is asked for.
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
    match Uploading::prepare(args) {
        Ok(uploading) => uploading.run(printer),
        Err(failed) => printer.report(Err(failed)),
    }
}

struct Uploading<'a> {
    args: &'a UploadArgs,
    options: OptionsBody,
    service: Service,
}

impl<'a> Uploading<'a> {
    fn prepare(args: &'a UploadArgs) -> Result<Self, Failed> {
        let one_file = args.result.output.as_ref().is_some_and(|output| {
            output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) && !output.is_dir()
        });
        if one_file && args.files.len() > 1 {
            return Err(Failed::Values(vec!["--output: several videos need a folder".to_owned()]));
        }
        let options = args.job.body()?;
        interrupts::end_with("the same command goes on where it stopped")?;
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
            // All are on their way before the first is waited for.
            let sent: Vec<_> = self.args.files.iter().map(|file| self.send(file)).collect();
            self.args.files.iter().zip(sent).for_each(|(file, sent)| tell(file, sent));
        } else {
            self.args.files.iter().for_each(|file| tell(file, self.send(file)));
        }
        printer.all(summary, self.args.files.len(), None)
    }

    /// Uploads a file, or what is missing of it; the video's id.
    fn send(&self, path: &Path) -> Result<String, Failed> {
        let file = LocalFile::open(path)?;
        let place = Place::of(&self.service, &file, &self.options)?;
        let mut kept = place.read_or_begin()?;
        let sent = self.send_kept(&file, &place, &mut kept);
        match &sent {
            Ok(_) => place.forget(),
            // The service will not take this upload any more, or never did.
            Err(ServiceError::Refused(refusal))
                if refusal.status < 500 && refusal.status != 401 && refusal.status != 429 =>
            {
                place.forget();
            }
            Err(ServiceError::Local(_)) if file.check_unchanged().is_err() => place.forget(),
            Err(_) => {}
        }
        Ok(sent?)
    }

    fn send_kept(&self, file: &LocalFile, place: &Place, kept: &mut Kept) -> Result<String, ServiceError> {
        if let Some(id) = kept.id.clone() {
            match Video::fetch(&self.service, &id) {
                Ok(video) if video.status == Status::AwaitingUpload.as_str() => {}
                // It was handed over before; only the answer did not come.
                Ok(video) if !matches!(&*video.status, "canceled" | "expired") => return Ok(id),
                Ok(_) => self.begin_again(place, kept)?,
                Err(error) if matches!(error.code(), "video-not-found" | "video-not-owned") => {
                    self.begin_again(place, kept)?;
                }
                Err(error) => return Err(error),
            }
        }
        let bar = wait::bar(self.args.service.quiet, wait::BYTES, file.size)?;
        bar.set_message(super::videos::printable(&file.name));
        let transfer = Transfer { service: &self.service, file, bar: &bar };
        let handed_over =
            self.send_bytes(&transfer, place, kept).and_then(|id| self.hand_over(&transfer, &id));
        bar.finish_and_clear();
        handed_over
    }

    /// Sends what has not arrived; the video's id.
    fn send_bytes(
        &self,
        transfer: &Transfer<'_>,
        place: &Place,
        kept: &mut Kept,
    ) -> Result<String, ServiceError> {
        let Some(id) = kept.id.clone() else { return self.create_and_send(transfer, place, kept) };
        match transfer.parts(&id) {
            Ok(()) => Ok(id),
            // A file that goes in one piece starts anew, under the same key.
            Err(error) if error.code() == "not-found" => self.create_and_send(transfer, place, kept),
            Err(error) => Err(error),
        }
    }

    fn begin_again(&self, place: &Place, kept: &mut Kept) -> Result<(), ServiceError> {
        place.forget();
        *kept = place.read_or_begin()?;
        Ok(())
    }

    /// Announces the file and sends it.
    fn create_and_send(
        &self,
        transfer: &Transfer<'_>,
        place: &Place,
        kept: &mut Kept,
    ) -> Result<String, ServiceError> {
        let created = self.create(transfer.file, kept)?;
        let id = created.id.to_string();
        kept.id = Some(id.clone());
        place.keep(kept)?;
        match created.upload {
            Upload::Multipart(_) => transfer.parts(&id)?,
            Upload::Put(put) => transfer.whole(put, || match self.create(transfer.file, kept)?.upload {
                Upload::Put(put) => Ok(put),
                Upload::Multipart(_) => Err(self.strange("another way to upload than before")),
            })?,
        }
        Ok(id)
    }

    /// The same key asks for the same video, and gives fresh URLs.
    fn create(&self, file: &LocalFile, kept: &Kept) -> Result<CreateVideoResponse, ServiceError> {
        let body = CreateVideoRequest {
            file_name: file.name.clone(),
            size_bytes: i64::try_from(file.size).unwrap_or(i64::MAX),
            content_type: None,
            options: Some(self.options.clone()),
        };
        self.service.send(&Call::post("/videos").json(&body)?.once(&kept.idempotency_key))?.json()
    }

    /// Hands the video over, after sending again what has not arrived.
    fn hand_over(&self, transfer: &Transfer<'_>, id: &str) -> Result<String, ServiceError> {
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

    fn strange(&self, answer: &str) -> ServiceError {
        ServiceError::Strange { server: self.service.server().to_owned(), answer: answer.to_owned() }
    }
}
