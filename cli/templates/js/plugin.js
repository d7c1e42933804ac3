// A frame plugin: labels each frame with its brightness, and drops those that are darker than `darkest`.
// What a plugin can do is described in wit/frame-plugin.wit.

let darkest = 0;
let dropped = 0;

export function configSchema() {
  const number = { type: "integer", minimum: 0, maximum: 255, default: 0 };
  return JSON.stringify({ type: "object", properties: { darkest: number }, additionalProperties: false });
}

export function configure(config) {
  darkest = JSON.parse(config).darkest ?? 0;
  if (!Number.isInteger(darkest)) throw "darkest must be an integer";
}

export function process(frame) {
  // A small copy is enough, and cheap.
  const pixels = frame.thumbnail(32, 32, "gray8");
  const brightness = Math.floor(pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length);
  if (brightness < darkest) {
    dropped += 1;
    return { tag: "drop" };
  }
  return { tag: "keep-with", val: [["brightness", String(brightness)]] };
}

export function finish() {
  return `${dropped} dark frames dropped`;
}
