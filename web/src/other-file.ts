/** The file that was chosen is not the one whose upload broke off. */
export class OtherFile extends Error {
  override name = "OtherFile";
}
