//! `framelift list`, `show`, `cancel` and `rm`.

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use framelift_contract::video::Status;
use indicatif::HumanBytes;
use serde_json::{Value, json};
use strum::VariantNames as _;

use super::pages::LimitArgs;
use super::video::{Video, path_segment};
use crate::outcome::{Done, Failed, Printer, Summary, printable};
use crate::service::{Call, Service, ServiceArgs};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// List videos with this status only
    #[arg(long, value_parser = PossibleValuesParser::new(Status::VARIANTS))]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The video's id
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct IdsArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The videos' ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

pub(crate) fn list(args: &ListArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let status = args.status.as_ref().map(|status| format!("?status={status}")).unwrap_or_default();
    let (items, more) = args.limit.fetch(&service, &format!("/videos{status}"))?;
    let videos = items.into_iter().map(|item| Video::read(&service, item)).collect::<Result<Vec<_>, _>>()?;
    let json = json!({"items": videos.iter().map(|video| &video.raw).collect::<Vec<_>>()});
    Ok(Done { text: table(&videos), json, warnings: more.into_iter().collect() })
}

/// A table with one line for each video.
fn table(videos: &[Video]) -> String {
    if videos.is_empty() {
        return "no videos".to_owned();
    }
    let row = |video: &Video| {
        let count = video.result.as_ref().map_or_else(|| "-".to_owned(), |result| result.frames.to_string());
        // RFC 3339 in UTC: date and minute.
        let created = video.created_at.get(..16).unwrap_or(&video.created_at).replace('T', " ");
        let size = HumanBytes(video.size_bytes).to_string();
        [video.id.clone(), video.status.clone(), count, size, created, printable(&video.file_name)]
    };
    let head = ["ID", "STATUS", "FRAMES", "SIZE", "CREATED (UTC)", "FILE"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(videos.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let [id, status, frames, size, created, file] = row;
        let [a, b, c, d, e, _] = widths;
        format!("{id:a$}  {status:b$}  {frames:>c$}  {size:>d$}  {created:e$}  {file}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn show(args: &ShowArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let video = Video::fetch(&service, &args.id)?;
    let mut lines = vec![
        format!("id       {}", video.id),
        format!("file     {} ({})", printable(&video.file_name), HumanBytes(video.size_bytes)),
        format!("status   {}", video.state()),
        format!("options  {}", video.raw["options"]),
        format!("created  {}", video.created_at),
    ];
    lines.extend(video.completed_at.as_ref().map(|time| format!("ended    {time}")));
    lines.extend(video.result.as_ref().map(|result| format!("sha256   {}", result.sha256)));
    let warnings = video.result.as_ref().map(|result| result.warnings.clone()).unwrap_or_default();
    Ok(Done { text: lines.join("\n"), json: video.raw, warnings })
}

/// Applies a command to each video.
pub(crate) fn each(args: &IdsArgs, what: impl Fn(&Service, &str) -> Result<Done, Failed>) -> ExitCode {
    let printer = Printer { json: args.service.json, quiet: args.service.quiet, ..Printer::default() };
    let service = match Service::open(&args.service) {
        Ok(service) => service,
        Err(error) => return printer.report(Err(error.into())),
    };
    if let [id] = &args.ids[..] {
        return printer.report(what(&service, id));
    }
    let mut summary = Summary::default();
    for id in &args.ids {
        printer.one_of_several(id, what(&service, id), &mut summary);
    }
    printer.all(summary, args.ids.len(), None)
}

pub(crate) fn cancel(service: &Service, id: &str) -> Result<Done, Failed> {
    let call = Call::post(format!("/videos/{}/cancel", path_segment(id)?)).repeatable();
    let answer: Value = service.send(&call)?.json()?;
    Ok(done(id, "canceled", answer))
}

pub(crate) fn remove(service: &Service, id: &str) -> Result<Done, Failed> {
    service.send(&Call::delete(format!("/videos/{}", path_segment(id)?)))?;
    Ok(done(id, "removed", json!({"id": id})))
}

fn done(id: &str, what: &str, json: Value) -> Done {
    Done { text: format!("{id} {what}"), json, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceError;

    fn video(name: &str, status: &str, frames: Option<u64>) -> Video {
        serde_json::from_value(json!({
            "id": "01a2", "file_name": name, "size_bytes": 2048, "status": status,
            "progress": {"stage": "reading", "percent": 0, "frames_done": 0, "frames_expected": null},
            "queue_position": null, "failure": null, "created_at": "2026-01-02T03:04:05.678Z",
            "result": frames.map(|frames| json!({"size_bytes": 9, "frames": frames, "sha256": "ab", "warnings": []})),
            "completed_at": null, "of_a_later_version": 1,
        }))
        .unwrap()
    }

    #[test]
    fn columns_are_in_line_and_names_move_no_cursor() {
        let text =
            table(&[video("a.mp4", "completed", Some(31)), video("b\u{1b}[2J.mp4", "awaiting_upload", None)]);
        let expected = "ID    STATUS           FRAMES      SIZE  CREATED (UTC)     FILE\n\
                        01a2  completed            31  2.00 KiB  2026-01-02 03:04  a.mp4\n\
                        01a2  awaiting_upload       -  2.00 KiB  2026-01-02 03:04  b\u{fffd}[2J.mp4";
        assert_eq!(text, expected);
        assert_eq!(table(&[]), "no videos");
    }

    #[test]
    fn ids_do_not_lead_elsewhere() {
        assert!(path_segment("01a20296-524f-7320-9c91-9bb7ca5d2544").is_ok());
        for bad in ["", "..", "a/b", "a?b", "a%2fb", "é"] {
            assert!(matches!(path_segment(bad), Err(ServiceError::Value(_))), "{bad}");
        }
    }
}
