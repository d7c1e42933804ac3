// One video: its progress, its result, or why it failed and what to do.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, type Video } from "../api";
import { idempotency } from "../fingerprint";
import { bytes, duration, number, when } from "../format";
import { type Messages, t } from "../i18n";
import { lazy } from "../lazy";
import { type Form, formOf, read, refusalOf } from "../options";
import { go } from "../router";
import { Button, Confirm, Dialog, Heading, Icon, ServiceText, Trouble, useAction } from "../ui";
import { uploadOf } from "../uploads";
import { cancel, deleteVideo, download, isCancelable, isDeleted, runAgain, update, videos } from "../videos";
import { OptionsForm, summary } from "./options-form";
import { ProcessingBar, StatusBadge } from "./status";
import { Interrupted } from "./videos";

const FramesCard = lazy(async () => (await import("./frames")).FramesCard);
const TryOut = lazy(async () => (await import("./try-out")).TryOut);

export function VideoView({ id, frame }: { id: string; frame: number | undefined }) {
  const listed = videos.value.find((video) => video.id === id);
  const [error, setError] = useState<unknown>(undefined);
  // The list may not have it: it is an older one, or the link is that of an e-mail.
  useEffect(() => {
    if (listed !== undefined || isDeleted(id)) return;
    const asking = new AbortController();
    call("get", "/videos/{id}", { path: { id }, signal: asking.signal }).then(update, (problem) => {
      if (!asking.signal.aborted) setError(problem);
    });
    return () => asking.abort();
  }, [id, listed === undefined]);
  const gone = isDeleted(id) || (error instanceof ApiError && (error.status === 404 || error.status === 403));
  return (
    <div class="column">
      <a class="back" href="#/">
        <Icon name="back" />
        {t().backToVideos}
      </a>
      {listed !== undefined ? (
        <Found video={listed} frame={frame} />
      ) : gone ? (
        <div class="empty">
          <Icon name="film" />
          <Heading>{t().gone}</Heading>
          <p>{t().goneText}</p>
        </div>
      ) : error !== undefined ? (
        <Trouble error={error} />
      ) : (
        <p role="status">{t().loading}</p>
      )}
    </div>
  );
}

type Asking = "again" | "cancel" | "remove" | undefined;

function Found({ video, frame }: { video: Video; frame: number | undefined }) {
  const { id, result } = video;
  const [asking, ask] = useState<Asking>(undefined);
  const [save, saving, error] = useAction(() => download(id));
  const close = () => ask(undefined);
  const ended = video.completed_at != null;
  const rerun = ended && video.status !== "expired";
  return (
    <>
      <div class="title">
        <Heading>{video.file_name}</Heading>
        <StatusBadge video={video} />
      </div>
      <div class="card">
        <ProcessingBar video={video} />
        {video.failure && <Failed video={video} />}
        {result && (
          <>
            <p class="count">{t().frames(result.frames, number(result.frames))}</p>
            <p class="help">{t().inTheZip}</p>
          </>
        )}
        {(video.status === "canceled" || video.status === "expired") && (
          <p>{t()[`about_${video.status}` as keyof Messages] as string}</p>
        )}
        {video.status === "awaiting_upload" && uploadOf(id) === undefined && <Interrupted video={video} />}
        <Trouble error={error} />
        <div class="actions">
          {result && (
            <Button kind="primary" icon="download" busy={saving} onClick={save}>
              {t().downloadZip(bytes(result.size_bytes))}
            </Button>
          )}
          {rerun && (
            <Button
              kind={video.failure?.retryable ? "primary" : "plain"}
              icon="retry"
              onClick={() => ask("again")}
            >
              {t().runAgain}
            </Button>
          )}
          {isCancelable(video) && (
            <Button icon="cross" onClick={() => ask("cancel")}>
              {t().cancel}
            </Button>
          )}
          <Button icon="trash" onClick={() => ask("remove")}>
            {t().remove}
          </Button>
        </div>
      </div>
      {result && result.warnings.length > 0 && (
        <section class="card">
          <h2>{t().warnings(result.warnings.length)}</h2>
          <p>{t().warningsHelp}</p>
          <ul class="plain">
            {result.warnings.map((warning) => (
              <li key={warning}>
                <ServiceText text={warning} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {result && result.frames > 0 && (
        <FramesCard
          id={id}
          count={result.frames}
          stem={video.file_name.replace(/\.[^.]*$/, "")}
          extension={video.options.format?.replace("jpeg", "jpg") ?? "jpg"}
          shown={frame}
        />
      )}
      <Facts video={video} />
      {asking === "again" && <RunAgain video={video} onClose={close} />}
      {asking === "cancel" && (
        <Confirm
          title={t().cancelTitle}
          text={t().cancelText}
          go={t().cancelGo}
          action={() => cancel(id)}
          onClose={close}
        />
      )}
      {asking === "remove" && (
        <Confirm
          title={t().removeTitle}
          text={t().removeText}
          go={t().remove}
          action={async () => {
            await deleteVideo(id);
            go("/");
          }}
          onClose={close}
        />
      )}
    </>
  );
}

function Failed({ video }: { video: Video }) {
  const { failure } = video;
  if (failure == null) return null;
  const text = (key: string) => t()[key as keyof Messages] as string | undefined;
  return (
    <div class="failed">
      <h2>{t().whatHappened}</h2>
      <p>{text(`fail_${failure.code}`) ?? <ServiceText text={failure.message} />}</p>
      <h2>{t().whatToDo}</h2>
      <p>{text(`fail_${failure.code}_do`) ?? t().fail_internal_do}</p>
      <details>
        <summary>{t().technical}</summary>
        <p class="mono" lang="en">
          {failure.code}: {failure.message}
        </p>
        <p class="mono">{video.id}</p>
      </details>
    </div>
  );
}

function Facts({ video }: { video: Video }) {
  const { result, started_at, completed_at } = video;
  const seconds =
    started_at && completed_at
      ? (new Date(completed_at).getTime() - new Date(started_at).getTime()) / 1000
      : undefined;
  const took =
    seconds === undefined ? undefined : seconds < 10 ? `${number(seconds, 1)} s` : duration(seconds);
  const rows: [string, string | undefined, boolean?][] = [
    [t().options, summary(formOf(video.options))],
    [t().file, bytes(video.size_bytes)],
    [t().created, when(video.created_at)],
    [t().finished, completed_at ? when(completed_at) : undefined],
    [t().took, took],
    [t().checksum, result?.sha256, true],
  ];
  return (
    <section class="card">
      <h2>{t().details}</h2>
      <dl>
        {rows.map(
          ([name, value, mono]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd class={mono ? "mono" : ""}>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}

function RunAgain({ video, onClose }: { video: Video; onClose: () => void }) {
  const [form, setForm] = useState(() => formOf(video.options));
  const { options, faults } = read(form);
  const wrong = Object.keys(faults).length > 0;
  const [sent, setSent] = useState<Form | undefined>(undefined);
  const [once] = useState(idempotency);
  const [run, busy, error] = useAction(async () => {
    setSent(form);
    const id = await runAgain(video.id, options, once);
    onClose();
    go(`/videos/${id}`);
  });
  const refusal = error instanceof ApiError ? refusalOf(error.errors) : undefined;
  return (
    <Dialog title={t().runAgainTitle} onClose={onClose} wide>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong) run();
        }}
      >
        <p>{t().runAgainText}</p>
        <OptionsForm
          form={form}
          faults={faults}
          refusal={sent === form ? refusal : undefined}
          onChange={setForm}
        />
        {options.plugins !== undefined && <TryOut id={video.id} options={options} wrong={wrong} />}
        {!refusal?.whole && <Trouble error={error} />}
        <footer>
          <Button onClick={onClose}>{t().close}</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={wrong}>
            {t().runAgainGo}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
