/** Members of a JSON object, of which nothing more is known. */
export type Members = Readonly<Record<string, unknown>>;

/** Whether `value` is a JSON object, and no list. */
export const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
