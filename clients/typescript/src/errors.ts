// The errors.

import type { FieldError, VideoResponse } from "./schema.js";

/** Any error of this package. */
export class FrameliftError extends Error {
  override name = "FrameliftError";
}

/** There was no answer, even after retries. */
export class Unreachable extends FrameliftError {
  override name = "Unreachable";
}

/** The downloaded archive is damaged. */
export class DamagedResult extends FrameliftError {
  override name = "DamagedResult";
}

/** The API refused the call: a problem document (RFC 9457). */
export class Refused extends FrameliftError {
  override name = "Refused";
  readonly code: string;
  readonly correlationId: string;
  readonly errors: FieldError[];

  constructor(readonly status: number, problem: { code?: string; detail?: string; correlation_id?: string; errors?: FieldError[] }) {
    const errors = problem.errors ?? [];
    const wrong = errors.map((error) => `; ${error.pointer}: ${error.detail}`).join("");
    super(`${problem.code ?? "unknown"}: ${problem.detail ?? `status ${status}`}${wrong}`);
    this.code = problem.code ?? "unknown";
    this.correlationId = problem.correlation_id ?? "";
    this.errors = errors;
  }
}

/** The video ended without a result. */
export class ProcessingFailed extends FrameliftError {
  override name = "ProcessingFailed";
  readonly code: string;

  constructor(readonly video: VideoResponse) {
    const { failure, status } = video;
    super(failure ? `${failure.code}: ${failure.message}` : `the video is ${status}`);
    this.code = failure?.code ?? status;
  }
}
