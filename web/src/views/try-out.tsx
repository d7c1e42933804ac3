// Tries the chosen plugins on one frame of a video before a whole run: by a run of its own, which is deleted when its frame is
// loaded.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Options, type Video } from "../api";
import { Frames } from "../frames";
import { t } from "../i18n";
import { place } from "../options";
import { Button, Field, Trouble, useAction } from "../ui";
import { deleteVideo, runAgain } from "../videos";

const ENDED: readonly Video["status"][] = ["completed", "failed", "canceled", "expired"];

type Outcome = { picture: string } | { words: string };

export function TryOut({ id, options, wrong }: { id: string; options: Options; wrong: boolean }) {
  const [at, setAt] = useState("50%");
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const left = useRef(false);
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
    const trial = await runAgain(id, { ...rest, select: { at: [read] } });
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
    if (video.failure) return { words: video.failure.message };
    if (video.result?.frames !== 1) return { words: t().tryDropped };
    const picture = new Image();
    picture.src = (await Frames.open(video.id, 1)).url(0);
    // The run is deleted from the service before the frame is shown.
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
      {outcome !== undefined &&
        ("picture" in outcome ? (
          <div class="viewer">
            <img src={outcome.picture} alt={t().tryPicture} />
          </div>
        ) : (
          <p class="why" role="status">
            {outcome.words}
          </p>
        ))}
    </section>
  );
}
