// The first view: the drop zone, the uploads of this tab, and the list of videos.
import { useEffect, useRef, useState } from "preact/hooks";
import { EXTENSIONS } from "../../generated/extensions";
import { ApiError, type Video } from "../api";
import { ago, bytes, duration, number } from "../format";
import { type Messages, t } from "../i18n";
import { type Form, formOf, lastForm, read, refusalOf, rememberForm } from "../options";
import { Bar, Button, Confirm, Heading, Icon, Notice, ServiceText, Trouble, useAction } from "../ui";
import { abandon, addFile, pause, resume, retry, type Upload, unpause, uploads } from "../uploads";
import { cancel, deleteVideo, download, isActive, loaded, loadOlder, older, videos } from "../videos";
import { OptionsForm, summary } from "./options-form";
import { ProcessingBar, StatusBadge } from "./status";

const ACCEPT = ["video/*", ...EXTENSIONS.map((it) => `.${it}`)].join(",");
const isTaken = (name: string) => EXTENSIONS.includes(name.split(".").pop()?.toLowerCase() ?? "");

export function VideosView() {
  return (
    <div class="column">
      <Heading>{t().videos}</Heading>
      <Add />
      <List />
    </div>
  );
}

// ---- Adding videos -------------------------------------------------------------------------

/** The service's errors in these options, if it has refused them for an upload. */
function refusalOfUploads(form: Form) {
  const asked = JSON.stringify(read(form).options);
  const refused = uploads.value.find((it) => it.refused === asked)?.error;
  return refused instanceof ApiError ? refusalOf(refused.errors) : undefined;
}

function Add() {
  const [form, setForm] = useState<Form>(lastForm);
  const [open, setOpen] = useState(false);
  const [over, setOver] = useState(false);
  const [complaint, complain] = useState<string | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const { options, faults } = read(form);
  const wrong = Object.keys(faults).length > 0;

  function change(next: Form) {
    setForm(next);
    if (Object.keys(read(next).faults).length === 0) rememberForm(next);
  }

  function take(files: readonly File[]) {
    if (wrong) {
      setOpen(true);
      complain(t().optionsWrong);
      return;
    }
    const refused = files.filter((file) => !isTaken(file.name));
    const empty = files.filter((file) => isTaken(file.name) && file.size === 0);
    const names = (list: readonly File[]) => list.map((file) => file.name).join(", ");
    complain(
      files.length === 0
        ? t().noFiles
        : refused.length > 0
          ? t().notTaken(names(refused))
          : empty.length > 0
            ? t().emptyFile(names(empty))
            : undefined,
    );
    for (const file of files) if (isTaken(file.name) && file.size > 0) void addFile(file, options);
  }

  // Files may be dropped anywhere: beside the drop zone, the browser would open them in place of the page.
  useEffect(() => {
    let depth = 0;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (files(event)) setOver(++depth > 0);
    };
    const leave = (event: DragEvent) => {
      if (files(event)) setOver(--depth > 0);
    };
    const hover = (event: DragEvent) => {
      if (files(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      take([...(event.dataTransfer?.files ?? [])]);
    };
    const pairs = { dragenter: enter, dragleave: leave, dragover: hover, drop } as const;
    for (const [name, listener] of Object.entries(pairs)) addEventListener(name as "drop", listener);
    return () => {
      for (const [name, listener] of Object.entries(pairs)) removeEventListener(name as "drop", listener);
    };
  });

  return (
    <section class="card add" aria-label={t().dropTitle}>
      <div class={over ? "drop over" : "drop"}>
        <Icon name="upload" />
        <p class="drop-title">{over ? t().dropNow : t().dropTitle}</p>
        <p class="help">{t().dropHelp}</p>
        <Button kind="primary" onClick={() => input.current?.click()}>
          {t().choose}
        </Button>
        <input
          ref={input}
          class="unseen"
          type="file"
          multiple
          accept={ACCEPT}
          tabIndex={-1}
          aria-label={t().choose}
          onChange={(event) => {
            const chosen = [...(event.currentTarget.files ?? [])];
            event.currentTarget.value = "";
            if (chosen.length > 0) take(chosen);
          }}
        />
      </div>
      {complaint && (
        <div class="notice bad" role="alert">
          <Icon name="alert" />
          <p>{complaint}</p>
        </div>
      )}
      <details
        class="fold"
        open={open || wrong}
        onToggle={(event) => {
          const { currentTarget } = event;
          setOpen(currentTarget.open);
        }}
      >
        <summary>
          <Icon name="sliders" />
          <span class="fold-title">{t().optionsTitle}</span>
          <span class="fold-value">{wrong ? t().optionsWrong : summary(form)}</span>
        </summary>
        <OptionsForm form={form} faults={faults} refusal={refusalOfUploads(form)} onChange={change} />
        <p class="help">{t().optionsApply}</p>
      </details>
    </section>
  );
}

// ---- The list ------------------------------------------------------------------------------

function List() {
  const sent = new Set(uploads.value.map((upload) => upload.id));
  const rest = videos.value.filter((video) => !sent.has(video.id));
  const [more, busy, error] = useAction(loadOlder);
  return (
    <section aria-labelledby="your-videos">
      <h2 id="your-videos">{t().yourVideos}</h2>
      {!loaded.value ? (
        <Skeleton />
      ) : rest.length === 0 && uploads.value.length === 0 ? (
        <div class="empty">
          <Icon name="film" />
          <p class="empty-title">{t().emptyTitle}</p>
          <p>{t().emptyText}</p>
        </div>
      ) : (
        <ul class="rows">
          {[...uploads.value].reverse().map((upload) => (
            <UploadRow key={upload.key} upload={upload} />
          ))}
          {rest.map((video) => (
            <VideoRow key={video.id} video={video} />
          ))}
        </ul>
      )}
      <Trouble error={error} />
      {older.value !== null && (
        <div class="older">
          <Button onClick={more} busy={busy}>
            {t().olderVideos}
          </Button>
        </div>
      )}
    </section>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" role="status">
      <span class="unseen">{t().loading}</span>
      <div />
      <div />
      <div />
    </div>
  );
}

function UploadRow({ upload }: { upload: Upload }) {
  const { key, name, size, sent, speed, state } = upload;
  const percent = size > 0 ? (sent * 100) / size : 0;
  const left = speed > 0 && sent < size ? t().left(duration((size - sent) / speed)) : "";
  const facts = [
    t().uploadProgress(bytes(sent), bytes(size)),
    state === "sending" && speed > 0 ? t().speed(bytes(speed)) : "",
    state === "sending" ? left : "",
  ];
  return (
    <li class="row" data-upload={state}>
      <div class="row-head">
        <p class="row-name">{name}</p>
        <span class={`badge upload ${state === "failed" ? "failed" : ""}`}>
          <Icon name={state === "failed" ? "alert" : state === "paused" ? "pause" : "upload"} />
          {t()[`upload_${state}` as keyof Messages] as string}
        </span>
      </div>
      {state === "failed" ? (
        <Trouble error={upload.error} />
      ) : (
        <div class="progress">
          <Bar
            label={`${name}: ${t().uploading}`}
            percent={state === "starting" ? undefined : percent}
            paused={state === "paused"}
          />
          <p class="help">{facts.filter(Boolean).join(" · ")}</p>
        </div>
      )}
      <div class="row-actions">
        {state === "sending" && (
          <Button kind="quiet" icon="pause" of={name} onClick={() => void pause(key)}>
            {t().pause}
          </Button>
        )}
        {state === "paused" && (
          <Button kind="quiet" icon="play" of={name} onClick={() => void unpause(key)}>
            {t().resume}
          </Button>
        )}
        {state === "failed" && (
          <Button kind="quiet" icon="retry" of={name} onClick={() => void retry(key)}>
            {t().tryAgain}
          </Button>
        )}
        {state !== "finishing" && (
          <Button kind="quiet" icon="cross" of={name} onClick={() => void abandon(key).catch(() => {})}>
            {t().cancel}
          </Button>
        )}
      </div>
    </li>
  );
}

function VideoRow({ video }: { video: Video }) {
  const { id, file_name, result, failure } = video;
  const [asked, ask] = useState<"cancel" | "remove" | undefined>(undefined);
  const close = () => ask(undefined);
  const [save, saving, error] = useAction(() => download(id));
  const facts = [
    bytes(video.size_bytes),
    summary(formOf(video.options)),
    result ? t().frames(result.frames, number(result.frames)) : "",
    ago(video.created_at),
  ];
  const why = failure && (t()[`fail_${failure.code}` as keyof Messages] as string | undefined);
  return (
    <li class="row" data-status={video.status}>
      <div class="row-head">
        <p class="row-name">
          <a href={`#/videos/${id}`}>{file_name}</a>
        </p>
        <StatusBadge video={video} />
      </div>
      <p class="help">{facts.filter(Boolean).join(" · ")}</p>
      <ProcessingBar video={video} />
      {failure && <p class="why">{why ?? <ServiceText text={failure.message} />}</p>}
      {result && result.warnings.length > 0 && <p class="why mild">{t().warnings(result.warnings.length)}</p>}
      {video.status === "awaiting_upload" && <Interrupted video={video} />}
      <Trouble error={error} />
      <div class="row-actions">
        {result && (
          <Button kind="quiet" icon="download" of={file_name} onClick={save} busy={saving}>
            {t().download}
          </Button>
        )}
        {isActive(video) && (
          <Button kind="quiet" icon="cross" of={file_name} onClick={() => ask("cancel")}>
            {t().cancel}
          </Button>
        )}
        <Button kind="quiet" icon="trash" of={file_name} onClick={() => ask("remove")}>
          {t().remove}
        </Button>
      </div>
      {asked === "cancel" && (
        <Confirm
          title={t().cancelTitle}
          text={t().cancelText}
          go={t().cancelGo}
          action={() => cancel(id)}
          onClose={close}
        >
          <p class="row-name">{file_name}</p>
        </Confirm>
      )}
      {asked === "remove" && (
        <Confirm
          title={t().removeTitle}
          text={t().removeText}
          go={t().remove}
          action={() => deleteVideo(id)}
          onClose={close}
        >
          <p class="row-name">{file_name}</p>
        </Confirm>
      )}
    </li>
  );
}

/** An interrupted upload, which is resumed when the file is chosen again. */
export function Interrupted({ video }: { video: Video }) {
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | undefined>(undefined);
  const [run, busy, error] = useAction(async () => {
    if (file !== undefined) await resume(video.id, file);
  });
  useEffect(() => {
    if (file !== undefined) run();
  }, [file]);
  return (
    <>
      <Notice kind="warn">{t().interrupted}</Notice>
      <Trouble error={error} />
      <div class="again">
        <Button icon="upload" busy={busy} of={video.file_name} onClick={() => input.current?.click()}>
          {t().chooseAgain}
        </Button>
        <input
          ref={input}
          class="unseen"
          type="file"
          accept={ACCEPT}
          tabIndex={-1}
          aria-label={`${t().chooseAgain} ${video.file_name}`}
          onChange={(event) => {
            setFile(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </div>
    </>
  );
}
