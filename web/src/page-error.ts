// Faults that the page itself finds; each has a text `page_KIND`.

export type Kind = "other-file" | "unreadable-file" | "upload-lost" | "upload-refused" | "new-version";

export class PageError extends Error {
  override name = "PageError";
  readonly kind: Kind;

  constructor(kind: Kind) {
    super(kind);
    this.kind = kind;
  }
}
