/** Version, trace id, parent id, flags, and what versions to come append (W3C Trace Context 2, section 3.2). */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(-.*)?$/;

/**
 * The trace that a request belongs to: what `traceparent` says if it is valid, else a trace that begins here and is named
 * after the request. A UUID without its hyphens is a valid trace id, and random where the specification wants that.
 * @param requestId a version 4 UUID
 */
export function traceIdOf(traceparent: string | string[] | undefined, requestId: string): string {
  const [, version, traceId, rest] = typeof traceparent === 'string' ? (TRACEPARENT.exec(traceparent) ?? []) : [];
  // Version 00 has exactly four fields.
  const isValid = traceId !== undefined && (version !== '00' || rest === undefined);
  return isValid ? traceId : requestId.replaceAll('-', '');
}
