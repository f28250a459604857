// Values as JSON, which is how the host keeps them: in letters that are one byte each, for the
// engine has no TextEncoder.

export function toBytes(name, value) {
  const json = JSON.stringify(value, (_, it) => {
    // JSON would make null of the first; it says of the second that it is forbidden, and not where.
    const isNone = typeof it === "number" && !Number.isFinite(it);
    if (isNone || typeof it === "bigint") throw unkept(name, it);
    return it;
  });
  if (json === undefined) throw unkept(name, typeof value);
  return Uint8Array.from(
    json.replace(/[^\x00-\x7f]/g, (it) => "\\u" + it.charCodeAt(0).toString(16).padStart(4, "0")),
    (it) => it.charCodeAt(0),
  );
}

export const fromBytes = (bytes) =>
  JSON.parse(Array.from(bytes, (it) => String.fromCharCode(it)).join(""));

const unkept = (name, what) => new Error(`${name} cannot be kept: JSON has no ${what}`);
