// A frame plugin that keeps every frame and looks at none: what is left is the price of calling it.

export function configSchema() {
  return "{}";
}

export function configure(_config) {}

export function process(_frame) {
  return { tag: "keep" };
}

export function finish() {
  return undefined;
}
