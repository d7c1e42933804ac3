// The frames of a result: a grid that holds many thousands, and one large, stepped through by the arrow keys.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Frame } from "../api";
import { number, when } from "../format";
import { Frames } from "../frames";
import { t } from "../i18n";
import { go } from "../router";
import { Button, Copyable, copyText, Dialog, Icon } from "../ui";

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
  /** The frame that the keyboard is at, or was last. */
  const [active, setActive] = useState(0);
  const viewed = shown !== undefined && shown >= 1 && shown <= count;
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
      {frames !== undefined && (
        <Grid
          frames={frames}
          active={active}
          viewed={viewed}
          onActive={setActive}
          onShow={(n) => go(`/videos/${id}/${n + 1}`)}
        />
      )}
      {frames !== undefined && viewed && (
        <Viewer
          frames={frames}
          n={shown - 1}
          // The same name as the service sends: browsers differ in which of the two they prefer.
          name={(n) => `${stem}-${String(n + 1).padStart(6, "0")}.${extension}`}
          onShow={(n) => {
            history.replaceState(null, "", `#/videos/${id}/${n + 1}`);
            setActive(n);
          }}
          onClose={() => go(`/videos/${id}`)}
        />
      )}
    </section>
  );
}

const timeOf = (frame: Frame | undefined) =>
  frame === undefined ? "" : `${number(frame.time_seconds, 3)} s`;
const label = (frame: Frame | undefined, n: number) => t().frameLabel(number(n + 1), timeOf(frame));

interface GridProps {
  frames: Frames;
  /** The frame that the Tab key leads to; the arrow keys move from it. */
  active: number;
  /** Whether a frame is shown large. */
  viewed: boolean;
  onActive: (n: number) => void;
  onShow: (n: number) => void;
}

function Grid({ frames, active, viewed, onActive, onShow }: GridProps) {
  const help = useId();
  const box = useRef<HTMLDivElement>(null);
  const moved = useRef(false);
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
  // The active frame stays when it is scrolled out of sight: a button that is removed loses the focus.
  const numbers = Array.from({ length: end - begin }, (_, index) => begin + index);
  if (width > 0 && active < begin) numbers.unshift(active);
  else if (width > 0 && active >= end) numbers.push(active);

  function focusActive() {
    const element = box.current;
    if (element === null || width === 0) return;
    const at = Math.floor(active / columns) * row;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + row - GAP > element.scrollTop + height) element.scrollTop = at + row - GAP - height;
    element.querySelector<HTMLElement>(`[data-n="${active}"]`)?.focus({ preventScroll: true });
  }
  useLayoutEffect(() => {
    if (moved.current) focusActive();
    moved.current = false;
  });
  const before = useRef(viewed);
  useEffect(() => {
    // Back from the frame that was shown large, maybe another one than it was opened at.
    if (before.current && !viewed) focusActive();
    before.current = viewed;
  }, [viewed]);

  function pressed(event: KeyboardEvent) {
    const visible = columns * Math.max(1, Math.floor(height / row));
    const to = target(event, active, frames.count, { left: 1, up: columns, page: visible });
    if (to === undefined) return;
    event.preventDefault();
    moved.current = to !== active;
    onActive(to);
  }

  // Sizes are set as properties: the page's policy forbids style attributes.
  return (
    <div ref={box} class="frames" style={{ height: `${height}px` }}>
      <p class="unseen" id={help}>
        {t().gridHelp}
      </p>
      <ul
        aria-labelledby="frames"
        aria-describedby={help}
        style={{ height: `${rows * row - GAP}px` }}
        onKeyDown={pressed}
      >
        {numbers.map((n) => {
          const place = {
            width: `${cell}px`,
            height: `${row - GAP}px`,
            left: `${(n % columns) * (cell + GAP)}px`,
            top: `${Math.floor(n / columns) * row}px`,
          };
          return (
            <li key={n} class="cell" aria-posinset={n + 1} aria-setsize={frames.count} style={place}>
              <button
                type="button"
                class="frame"
                data-n={n}
                tabIndex={n === active ? 0 : -1}
                onFocus={() => onActive(n)}
                onClick={() => onShow(n)}
              >
                <Picture frames={frames} n={n} alt={label(frames.frame(n), n)} />
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

interface Steps {
  left: number;
  up: number;
  page: number;
}

/** The frame that a key leads to from the frame `n`; none for other keys. */
function target(
  event: KeyboardEvent,
  n: number,
  count: number,
  { left, up, page }: Steps,
): number | undefined {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return undefined;
  // In a text, these keys move the cursor.
  if (event.target instanceof HTMLInputElement) return undefined;
  const steps: Record<string, number> = {
    ArrowLeft: -left,
    ArrowRight: left,
    ArrowUp: -up,
    ArrowDown: up,
    PageUp: -page,
    PageDown: page,
    Home: -n,
    End: count - 1 - n,
  };
  const by = steps[event.key];
  return by === undefined || by === 0 ? undefined : Math.min(count - 1, Math.max(0, n + by));
}

/** Loads the records of these frames once scrolling has stopped. */
function useKnown(frames: Frames, begin: number, end: number) {
  frames.news.value;
  useEffect(() => {
    const timer = setTimeout(() => void frames.need(begin, end).catch(() => {}), STILL_MS);
    return () => clearTimeout(timer);
  }, [frames, begin, end]);
}

interface PictureProps {
  frames: Frames;
  n: number;
  alt: string;
  /** Whether it is shown at once, and not only after scrolling has stopped. */
  immediate?: boolean;
}

function Picture({ frames, n, alt, immediate = false }: PictureProps) {
  const [still, setStill] = useState(immediate);
  const [failed, setFailed] = useState(0);
  useEffect(() => {
    if (immediate) return;
    // Not fetched while it is scrolled past.
    const timer = setTimeout(() => setStill(true), STILL_MS);
    return () => clearTimeout(timer);
  }, []);
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
    <img
      key={failed}
      src={frames.url(n)}
      alt={alt}
      draggable={false}
      decoding={immediate ? "sync" : "async"}
      onError={renew}
    />
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
  const [copy, setCopy] = useState<"done" | "denied" | undefined>(undefined);
  const last = frames.count - 1;
  const frame = frames.frame(n);
  useKnown(frames, Math.max(0, n - 1), n + 2);
  const step = useMemo(
    () => (by: number) => {
      setCopy(undefined);
      setN((now) => Math.min(last, Math.max(0, now + by)));
    },
    [last],
  );
  const link = new URL(frames.url(n), location.href).href;
  useEffect(() => {
    onShow(n);
    // Preloads the next images.
    for (const beside of [n + 1, n - 1])
      if (beside >= 0 && beside <= last) new Image().src = frames.url(beside);
  }, [n]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const to = target(event, n, frames.count, { left: 1, up: 0, page: 10 });
      if (to === undefined) return;
      event.preventDefault();
      step(to - n);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [step, n]);
  return (
    <Dialog title={label(frame, n)} onClose={onClose} wide>
      <div class="viewer">
        <Picture key={n} frames={frames} n={n} alt={label(frame, n)} immediate />
      </div>
      <p class="unseen" aria-live="polite">
        {label(frame, n)}
      </p>
      <p class="help">
        <span class="keys">{t().viewerHelp} </span>
        {t().linkHelp(when(frames.until))}
      </p>
      {copy === "denied" && <Copyable label={t().frameLink} text={link} denied />}
      <footer>
        <Button disabled={n === 0} icon="back" onClick={() => step(-1)}>
          {t().previous}
        </Button>
        <Button disabled={n === last} icon="forth" onClick={() => step(1)}>
          {t().next}
        </Button>
        <Button onClick={async () => setCopy((await copyText(link)) ? "done" : "denied")}>
          {copy === "done" ? t().copied : t().copyLink}
        </Button>
        <a class="button primary" href={frames.url(n)} download={name(n)}>
          <Icon name="download" />
          <span>{t().saveFrame}</span>
        </a>
      </footer>
    </Dialog>
  );
}
