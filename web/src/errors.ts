// Errors in plain words of the reader's language.
import { ApiError, NetworkError } from "./api";
import { duration } from "./format";
import { type Messages, t } from "./i18n";
import { OtherFile } from "./other-file";

export interface Description {
  text: string;
  details: string[];
  /** For support, where the fault may be ours. */
  reference: string | undefined;
}

export function describe(error: unknown): Description {
  const plain = (text: string): Description => ({ text, details: [], reference: undefined });
  if (error instanceof NetworkError) return plain(t().errorNetwork);
  if (error instanceof OtherFile) return plain(t().otherFile);
  if (error instanceof ApiError) {
    const known = t()[`problem_${error.code}` as keyof Messages] as string | undefined;
    const wait =
      error.status === 429 && error.retryAfter ? ` ${t().retryIn(duration(error.retryAfter))}` : "";
    return {
      text: (known ?? (error.message || t().errorUnknown)) + wait,
      details: error.errors.map((it) =>
        it.pointer === "" ? it.detail : `${it.pointer.slice(1)}: ${it.detail}`,
      ),
      reference: error.status >= 500 ? error.correlationId : undefined,
    };
  }
  return plain(t().uploadLost);
}

/** What the service says is wrong with one field of the body, by its pointer. */
export function faultAt(error: unknown, pointer: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return error.errors.find((it) => it.pointer === pointer)?.detail;
}
