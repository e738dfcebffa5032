/**
 * How long to wait before a try: exponential, with full jitter over its upper half, capped.
 * @param attempt 1 for the first repeat
 */
export function backoff(
  attempt: number,
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
  random: () => number,
): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return ceiling * (0.5 + random() / 2);
}
