/** The chosen file is not the one of the interrupted upload. */
export class OtherFile extends Error {
  override name = "OtherFile";
}
