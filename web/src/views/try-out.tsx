// Tries the chosen plugins on one frame of a video. That takes a run, which is deleted once its frame is loaded.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Options, type Video } from "../api";
import { idempotency } from "../fingerprint";
import { Frames } from "../frames";
import { type Messages, t } from "../i18n";
import { place } from "../options";
import { Button, Field, ServiceText, Trouble, useAction } from "../ui";
import { deleteVideo, runAgain } from "../videos";

const ENDED: readonly Video["status"][] = ["completed", "failed", "canceled", "expired"];

type Outcome = { picture: string } | { failure: NonNullable<Video["failure"]> } | "dropped";

export function TryOut({ id, options, wrong }: { id: string; options: Options; wrong: boolean }) {
  const [at, setAt] = useState("50%");
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const left = useRef(false);
  const once = useRef(idempotency());
  const read = place(at);
  useEffect(
    () => () => {
      left.current = true;
    },
    [],
  );
  const [run, busy, error] = useAction(async () => {
    if (read === undefined) return;
    setOutcome(undefined);
    const { range: _, storyboard: __, ...rest } = options;
    const trial = await runAgain(id, { ...rest, select: { at: [read] } }, once.current);
    once.current = idempotency();
    try {
      const ended = await untilEnded(trial);
      if (!left.current) setOutcome(await outcomeOf(ended));
    } finally {
      await deleteVideo(trial).catch(() => {});
    }
  });

  async function untilEnded(trial: string): Promise<Video> {
    for (;;) {
      const video = await call("get", "/videos/{id}", { path: { id: trial } });
      if (left.current || ENDED.includes(video.status)) return video;
      await new Promise((passed) => setTimeout(passed, 500));
    }
  }

  async function outcomeOf(video: Video): Promise<Outcome> {
    if (video.failure) return { failure: video.failure };
    if (video.result?.frames !== 1) return "dropped";
    const picture = new Image();
    picture.src = (await Frames.open(video.id, 1)).url(0);
    // Loaded now, because the run is deleted before the frame is shown.
    await picture.decode();
    return { picture: picture.src };
  }

  return (
    <section class="try-out" aria-label={t().tryTitle}>
      <div class="try-form">
        <Field
          label={t().tryAt}
          value={at}
          onInput={setAt}
          fault={read === undefined ? t().fault_place : undefined}
        />
        <Button icon="play" busy={busy} disabled={wrong || read === undefined} onClick={run}>
          {t().tryGo}
        </Button>
      </div>
      <p class="help" role="status">
        {busy ? t().tryRuns : t().tryHelp}
      </p>
      <Trouble error={error} />
      {outcome === "dropped" ? (
        <p class="why" role="status">
          {t().tryDropped}
        </p>
      ) : outcome === undefined ? null : "picture" in outcome ? (
        <div class="viewer">
          <img src={outcome.picture} alt={t().tryPicture} />
        </div>
      ) : (
        <div role="status">
          <p class="why">{t()[`fail_${outcome.failure.code}` as keyof Messages] as string | undefined}</p>
          <p class="help">
            <ServiceText text={outcome.failure.message} />
          </p>
        </div>
      )}
    </section>
  );
}
