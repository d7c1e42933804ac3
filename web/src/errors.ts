// Errors in plain words of the reader's language.
import { ApiError, NetworkError } from "./api";
import { duration } from "./format";
import { type Messages, t } from "./i18n";
import { PageError } from "./page-error";

export interface Description {
  text: string;
  /** In the service's own words, which are English. */
  details: string[];
  /** For support, where the fault may be ours. */
  reference?: string;
  /** Whether loading the page again helps. */
  reload?: boolean;
}

export function describe(error: unknown): Description {
  if (error instanceof NetworkError) return { text: t().errorNetwork, details: [] };
  if (error instanceof PageError)
    return { text: t()[`page_${error.kind}`], details: [], reload: error.kind === "new-version" };
  if (error instanceof ApiError) {
    const known = t()[`problem_${error.code}` as keyof Messages] as string | undefined;
    const wait =
      error.status === 429 && error.retryAfter ? ` ${t().retryIn(duration(error.retryAfter))}` : "";
    return {
      text: (known ?? (error.message || t().errorUnknown)) + wait,
      details: error.errors.map((it) =>
        it.pointer === "" ? it.detail : `${it.pointer.slice(1)}: ${it.detail}`,
      ),
      ...(error.status >= 500 && { reference: error.correlationId }),
    };
  }
  return { text: t().errorUnknown, details: [], reload: true };
}

/** The service's error in one field of the request, by its JSON pointer. */
export function faultAt(error: unknown, pointer: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return error.errors.find((it) => it.pointer === pointer)?.detail;
}
