// The frames of a result: a grid that holds many thousands, and one large, stepped through by the arrow keys.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Frame } from "../api";
import { number, when } from "../format";
import { Frames } from "../frames";
import { t } from "../i18n";
import { go } from "../router";
import { Button, Dialog, Icon, Trouble } from "../ui";

/** The narrowest cell, and the space between two, in CSS pixels. */
const CELL = 150;
const GAP = 8;
/** How long a row must be visible before it is fetched. */
const STILL_MS = 60;
/** Rows beyond the visible ones that are rendered, too. */
const BEYOND = 2;

interface Props {
  id: string;
  count: number;
  /** The video's name without its extension, and that of its images. */
  stem: string;
  extension: string;
  /** The frame that is shown large, from 1. */
  shown: number | undefined;
}

export function FramesCard({ id, count, stem, extension, shown }: Props) {
  const [frames, setFrames] = useState<Frames | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  useEffect(() => {
    let ended = false;
    Frames.open(id, count).then(
      (it) => !ended && setFrames(it),
      (problem) => !ended && setError(problem),
    );
    return () => {
      ended = true;
    };
  }, [id, count]);
  return (
    <section class="card" aria-labelledby="frames">
      <h2 id="frames">{t().framesTitle}</h2>
      {error !== undefined && <p class="help">{t().framesUnreadable}</p>}
      {frames === undefined && error === undefined && <p role="status">{t().loading}</p>}
      {frames !== undefined && <Grid frames={frames} onShow={(n) => go(`/videos/${id}/${n + 1}`)} />}
      {frames !== undefined && shown !== undefined && shown >= 1 && shown <= count && (
        <Viewer
          frames={frames}
          n={shown - 1}
          // The service's file name, because browsers rank the two names differently.
          name={(n) => `${stem}-${String(n + 1).padStart(6, "0")}.${extension}`}
          onShow={(n) => history.replaceState(null, "", `#/videos/${id}/${n + 1}`)}
          onClose={() => go(`/videos/${id}`)}
        />
      )}
    </section>
  );
}

const timeOf = (frame: Frame | undefined) =>
  frame === undefined ? "" : `${number(frame.time_seconds, 3)} s`;
const label = (frame: Frame | undefined, n: number) => t().frameLabel(number(n + 1), timeOf(frame));

function Grid({ frames, onShow }: { frames: Frames; onShow: (n: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [top, setTop] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const sized = new ResizeObserver(() => setWidth(element.clientWidth));
    sized.observe(element);
    const scrolled = () => setTop(element.scrollTop);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      sized.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, []);
  const columns = Math.max(2, Math.floor((width + GAP) / (CELL + GAP)));
  const cell = (width - GAP * (columns - 1)) / columns;
  const first = frames.frame(0);
  const ratio = Math.min(2, Math.max(0.5, first === undefined ? 16 / 9 : first.width / first.height));
  const row = cell / ratio + GAP;
  const rows = Math.ceil(frames.count / columns);
  const height = Math.min(rows * row - GAP, 480);
  const from = Math.max(0, Math.floor(top / row) - BEYOND);
  const to = Math.min(rows, Math.ceil((top + height) / row) + BEYOND);
  const begin = from * columns;
  const end = width === 0 ? begin : Math.min(frames.count, to * columns);
  useKnown(frames, begin, end);
  // Sizes are set as properties: the page's policy forbids style attributes.
  return (
    <div ref={box} class="frames" style={{ height: `${height}px` }}>
      <div style={{ height: `${rows * row - GAP}px` }}>
        {Array.from({ length: end - begin }, (_, index) => {
          const n = begin + index;
          const place = {
            width: `${cell}px`,
            height: `${row - GAP}px`,
            left: `${(n % columns) * (cell + GAP)}px`,
            top: `${Math.floor(n / columns) * row}px`,
          };
          return (
            <button key={n} type="button" class="frame" style={place} onClick={() => onShow(n)}>
              <Picture frames={frames} n={n} alt={label(frames.frame(n), n)} />
            </button>
          );
        })}
      </div>
    </div>
  );
}

/** Loads the records of these frames once scrolling has stopped. */
function useKnown(frames: Frames, begin: number, end: number) {
  frames.news.value;
  useEffect(() => {
    const timer = setTimeout(() => void frames.need(begin, end).catch(() => {}), STILL_MS);
    return () => clearTimeout(timer);
  }, [frames, begin, end]);
}

function Picture({ frames, n, alt }: { frames: Frames; n: number; alt: string }) {
  const [still, setStill] = useState(false);
  const [failed, setFailed] = useState(0);
  useEffect(() => {
    setStill(false);
    setFailed(0);
    // Not fetched while it is scrolled past.
    const timer = setTimeout(() => setStill(true), STILL_MS);
    return () => clearTimeout(timer);
  }, [frames, n]);
  const renew = () => {
    // The link may have expired: retried once with a new one.
    if (failed > 0) return setFailed(2);
    frames.need(n, n + 1).then(
      () => setFailed(1),
      () => setFailed(2),
    );
  };
  if (failed > 1) return <span class="help">{alt}</span>;
  return still ? (
    <img key={failed} src={frames.url(n)} alt={alt} draggable={false} decoding="async" onError={renew} />
  ) : (
    <span class="unseen">{alt}</span>
  );
}

interface ViewerProps {
  frames: Frames;
  n: number;
  name: (n: number) => string;
  onShow: (n: number) => void;
  onClose: () => void;
}

function Viewer({ frames, n: opened, name, onShow, onClose }: ViewerProps) {
  const [n, setN] = useState(opened);
  const [copied, setCopied] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const last = frames.count - 1;
  const frame = frames.frame(n);
  useKnown(frames, Math.max(0, n - 1), n + 2);
  const step = useMemo(
    () => (by: number) => {
      setCopied(false);
      setN((now) => Math.min(last, Math.max(0, now + by)));
    },
    [last],
  );
  useEffect(() => {
    onShow(n);
    // Preloads the next images.
    for (const beside of [n + 1, n - 1])
      if (beside >= 0 && beside <= last) new Image().src = frames.url(beside);
  }, [n]);
  useEffect(() => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    const pressed = (event: KeyboardEvent) => {
      const by = event.key === "Home" ? -last : event.key === "End" ? last : steps[event.key];
      if (by === undefined) return;
      event.preventDefault();
      step(by);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [step, last]);
  return (
    <Dialog title={label(frame, n)} onClose={onClose} wide>
      <div class="viewer">
        <Picture key={n} frames={frames} n={n} alt={label(frame, n)} />
      </div>
      <p class="help">
        <span class="keys">{t().viewerHelp} </span>
        {t().linkHelp(when(frames.until))}
      </p>
      <Trouble error={error} />
      <footer>
        <Button disabled={n === 0} icon="back" onClick={() => step(-1)}>
          {t().previous}
        </Button>
        <Button disabled={n === last} icon="forth" onClick={() => step(1)}>
          {t().next}
        </Button>
        <Button
          onClick={() => {
            navigator.clipboard
              ?.writeText(new URL(frames.url(n), location.href).href)
              .then(() => setCopied(true), setError);
          }}
        >
          {copied ? t().copied : t().copyLink}
        </Button>
        <a class="button primary" href={frames.url(n)} download={name(n)}>
          <Icon name="download" />
          <span>{t().saveFrame}</span>
        </a>
      </footer>
    </Dialog>
  );
}
