// The status and progress of a video, as icon, text and bar.
import type { Video } from "../api";
import { number } from "../format";
import { type Messages, t } from "../i18n";
import { Bar, Icon, type IconName } from "../ui";
import { isActive } from "../videos";

const ICONS: Record<Video["status"], IconName> = {
  awaiting_upload: "upload",
  queued: "clock",
  pending: "clock",
  processing: "play",
  completed: "check",
  failed: "alert",
  canceled: "cross",
  expired: "clock",
};

export const statusText = (video: Video) => t()[`status_${video.status}`];

export function StatusBadge({ video }: { video: Video }) {
  return (
    <span class={`badge ${video.status}`}>
      <Icon name={ICONS[video.status]} />
      {statusText(video)}
    </span>
  );
}

/** The stage and progress of an unfinished video, in words. */
export function progressText(video: Video): string {
  const { progress } = video;
  if (video.status === "queued" && video.queue_position) return t().queuePosition(video.queue_position);
  if (video.status !== "processing") return (t()[`about_${video.status}` as keyof Messages] as string) ?? "";
  const stage = (t()[`stage_${progress.stage}` as keyof Messages] as string | undefined) ?? "";
  const expected = progress.frames_expected;
  const frames =
    expected != null
      ? t().framesDone(number(progress.frames_done), number(expected))
      : progress.frames_done > 0
        ? t().frames(progress.frames_done, number(progress.frames_done))
        : "";
  const attempt = video.attempt > 1 ? t().attempt(video.attempt) : "";
  return [stage, frames, attempt].filter(Boolean).join(" · ");
}

export function ProcessingBar({ video }: { video: Video }) {
  if (!isActive(video)) return null;
  const moving = video.status === "processing";
  return (
    <div class="progress">
      {moving && <Bar label={`${video.file_name}: ${statusText(video)}`} percent={video.progress.percent} />}
      <p class="help">{progressText(video)}</p>
    </div>
  );
}
