// The frames of a result: a grid that holds many thousands, and one large, stepped through by the arrow keys.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Archive, type Frame } from "../archive";
import { number } from "../format";
import { t } from "../i18n";
import { go } from "../router";
import { Button, Dialog, Trouble } from "../ui";

/** The narrowest cell, and the space between two, in CSS pixels. */
const CELL = 150;
const GAP = 8;
/** Rows beyond the screen that are there already. */
const BEYOND = 2;

interface Props {
  id: string;
  /** The video's name without its extension. */
  stem: string;
  /** The frame that is shown large, from 1. */
  shown: number | undefined;
}

export function Frames({ id, stem, shown }: Props) {
  const [archive, setArchive] = useState<Archive | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  useEffect(() => {
    let opened: Archive | undefined;
    let ended = false;
    Archive.open(id).then((it) => {
      opened = it;
      if (ended) it.close();
      else setArchive(it);
    }, setError);
    return () => {
      ended = true;
      opened?.close();
    };
  }, [id]);
  const frame = shown === undefined ? undefined : archive?.frames[shown - 1];
  return (
    <section class="card" aria-labelledby="frames">
      <h2 id="frames">{t().framesTitle}</h2>
      {error !== undefined && <p class="help">{t().framesUnreadable}</p>}
      {archive === undefined && error === undefined && <p role="status">{t().loading}</p>}
      {archive !== undefined && archive.frames.length > 0 && (
        <Grid archive={archive} onShow={(n) => go(`/videos/${id}/${n + 1}`)} />
      )}
      {archive !== undefined && frame !== undefined && shown !== undefined && (
        <Viewer
          archive={archive}
          n={shown - 1}
          stem={stem}
          onShow={(n) => history.replaceState(null, "", `#/videos/${id}/${n + 1}`)}
          onClose={() => go(`/videos/${id}`)}
        />
      )}
    </section>
  );
}

const timeOf = ({ time }: Frame) => (time === undefined ? "" : `${number(time, 3)} s`);
const label = (frame: Frame, n: number) => t().frameLabel(number(n + 1), timeOf(frame));

function Grid({ archive, onShow }: { archive: Archive; onShow: (n: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [top, setTop] = useState(0);
  const { frames } = archive;
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
  const first = frames[0];
  const ratio = Math.min(2, Math.max(0.5, first === undefined ? 16 / 9 : first.width / first.height));
  const row = cell / ratio + GAP;
  const rows = Math.ceil(frames.length / columns);
  const height = Math.min(rows * row - GAP, 480);
  const from = Math.max(0, Math.floor(top / row) - BEYOND);
  const to = Math.min(rows, Math.ceil((top + height) / row) + BEYOND);
  const visible = width === 0 ? [] : frames.slice(from * columns, to * columns);
  // Sizes are set as properties: the page's policy forbids style attributes.
  return (
    <div ref={box} class="frames" style={{ height: `${height}px` }}>
      <div style={{ height: `${rows * row - GAP}px` }}>
        {visible.map((frame, index) => {
          const n = from * columns + index;
          const place = {
            width: `${cell}px`,
            height: `${row - GAP}px`,
            left: `${(n % columns) * (cell + GAP)}px`,
            top: `${Math.floor(n / columns) * row}px`,
          };
          return (
            <button key={n} type="button" class="frame" style={place} onClick={() => onShow(n)}>
              <Picture archive={archive} n={n} alt={label(frame, n)} />
            </button>
          );
        })}
      </div>
    </div>
  );
}

function Picture({ archive, n, alt }: { archive: Archive; n: number; alt: string }) {
  const [url, setUrl] = useState<string | undefined>(undefined);
  const [failed, setFailed] = useState<unknown>(undefined);
  useEffect(() => {
    let gone = false;
    setFailed(undefined);
    // What only flies by is not fetched.
    const timer = setTimeout(() => {
      archive.picture(n).then(
        (it) => !gone && setUrl(it),
        (error) => !gone && setFailed(error),
      );
    }, 60);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [archive, n]);
  if (failed !== undefined) return <span class="help">{alt}</span>;
  return url === undefined ? (
    <span class="unseen">{alt}</span>
  ) : (
    <img src={url} alt={alt} draggable={false} />
  );
}

interface ViewerProps {
  archive: Archive;
  n: number;
  stem: string;
  onShow: (n: number) => void;
  onClose: () => void;
}

function Viewer({ archive, n: opened, stem, onShow, onClose }: ViewerProps) {
  const [n, setN] = useState(opened);
  const [copied, setCopied] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const last = archive.frames.length - 1;
  const frame = archive.frames[n];
  const step = useMemo(
    () => (by: number) => {
      setCopied(false);
      setN((now) => Math.min(last, Math.max(0, now + by)));
    },
    [last],
  );
  useEffect(() => {
    onShow(n);
    // The next ones are there when they are stepped to.
    for (const beside of [n + 1, n - 1])
      if (archive.frames[beside] !== undefined) archive.picture(beside).catch(() => {});
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
  if (frame === undefined) return null;
  const save = async () => {
    try {
      const link = document.createElement("a");
      link.href = await archive.picture(n);
      link.download = `${stem}-${frame.name}`;
      link.click();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={label(frame, n)} onClose={onClose} wide>
      <div class="viewer">
        <Picture key={n} archive={archive} n={n} alt={label(frame, n)} />
      </div>
      <p class="help">{t().viewerHelp}</p>
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
            navigator.clipboard?.writeText(location.href).then(() => setCopied(true), setError);
          }}
        >
          {copied ? t().copied : t().copyLink}
        </Button>
        <Button kind="primary" icon="download" onClick={() => void save()}>
          {t().saveFrame}
        </Button>
      </footer>
    </Dialog>
  );
}
