/** Collects garbage in another Node process that runs with `--inspect`, so that its resident memory can be compared. */

const ANSWER_DEADLINE_MS = 30_000;
/** The last collections return pages to the system. */
const COLLECTIONS = 5;

/** @param port of the inspector on 127.0.0.1 */
export async function collectGarbage(port: number): Promise<void> {
  const list = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = (await list.json()) as { webSocketDebuggerUrl: string }[]; // As Node's inspector answers.
  if (!target) throw new Error('nothing can be inspected');
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  const answers = new Map<number, () => void>();
  socket.addEventListener('message', ({ data }) => {
    answers.get(JSON.parse(String(data)).id)?.();
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true });
    socket.addEventListener('error', () => reject(new Error('the inspector')), { once: true });
  });
  try {
    for (let id = 1; id <= COLLECTIONS; id++) {
      const answered = Promise.withResolvers<void>();
      answers.set(id, answered.resolve);
      socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
      const late = setTimeout(
        () => answered.reject(new Error('no collection')),
        ANSWER_DEADLINE_MS,
      );
      await answered.promise;
      clearTimeout(late);
    }
  } finally {
    socket.close();
  }
}
