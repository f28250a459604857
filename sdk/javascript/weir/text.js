// Text and bytes, in UTF-8: the engine has no TextEncoder, and no TextDecoder.

export const bytes = (what) =>
  typeof what === "string"
    ? Uint8Array.from(unescape(encodeURIComponent(what)), (it) => it.charCodeAt(0))
    : what;

export function text(bytes) {
  const letters = Array.from(bytes, (it) => String.fromCharCode(it)).join("");
  try {
    return decodeURIComponent(escape(letters));
  } catch {
    return letters;
  }
}
