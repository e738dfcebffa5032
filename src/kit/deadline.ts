/**
 * Waits for work, but not for longer than a deadline. Behind it the work goes on, and nobody hears how it ends.
 * @param late makes the error for the deadline
 */
export async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
