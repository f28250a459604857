// What a policy has the host keep for good: over crashes, reloads and restarts.

/** What was remembered under `name`; undefined = nothing. */
export function recall(name: string): any;

/** Has the host keep `value`, which must be one that JSON has: NaN and infinite numbers are none.
 * Throws if it is not, if the grant `state` has no room for it, or outside of handlers. */
export function remember(name: string, value: any): void;

/** Has the host forget what it keeps under `name`. */
export function forget(name: string): void;
