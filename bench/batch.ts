/** A batch of 100 requests, compared with the same requests one by one on one connection, as one sender of LHC has it. */
import { openConnection } from './raw-http.ts';
import { startRig } from './rig.ts';
import { mediansOf, type Round, type Row } from './row.ts';

const REQUESTS = 100;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 5;
/** For the visitors' logins. */
const SETTLE_DEADLINE_MS = 40_000;

interface Request {
  readonly id: string;
  readonly path: string;
  readonly body: object;
}

/** A batch of page views, and one of messages: how long it takes, in ms. */
export async function benchBatch(execArgv: readonly string[]): Promise<Row[]> {
  const rig = await startRig(execArgv);
  const { port, tenant, apiKey } = rig;
  const connection = openConnection(port);
  try {
    let sent = 0;

    const post = async (path: string, status: number, body: object, key?: string) => {
      const text = JSON.stringify(body);
      const head = [
        `POST /v1/${tenant}/${path} HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        `Authorization: Bearer ${apiKey}`,
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(text)}`,
        ...(key === undefined ? [] : [`Idempotency-Key: ${key}`]),
      ];
      const answer = await connection.ask(`${head.join('\r\n')}\r\n\r\n${text}`);
      if (!answer.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`${path}: ${answer}`);
      return answer;
    };
    const inBatch = async (requests: readonly Request[]): Promise<void> => {
      const all = requests.map((request) => ({ method: 'POST', ...request }));
      const answer = await post('batch', 200, { requests: all });
      if (answer.split('"status":202').length - 1 !== requests.length) throw new Error(answer);
    };
    const oneByOne = async (requests: readonly Request[]): Promise<void> => {
      for (const { id, path, body } of requests) await post(path, 202, body, id);
    };
    const timed = async (send: typeof inBatch, make: () => readonly Request[]): Promise<number> => {
      const requests = make();
      const startedAt = performance.now();
      await send(requests);
      return performance.now() - startedAt;
    };
    const requests = (make: (visitor: number, n: number) => Omit<Request, 'id'>) => () =>
      Array.from({ length: REQUESTS }, (_, visitor): Request => {
        sent += 1;
        return { id: `bench-${sent}`, ...make(visitor, sent) };
      });

    const views = requests((visitor, n) => ({
      path: `visitors/batch-${visitor}/page-views`,
      body: {
        page: `https://shop.example/catalogue/page-${n}`,
        title: 'Running shoes for every day – Shoes – Shop',
        nick: `Visitor ${visitor}`,
        country: 'Germany',
        timezone: 'Europe/Berlin',
      },
    }));
    const messages = requests((visitor, n) => ({
      path: `visitors/batch-${visitor}/messages`,
      body: { id: `message-${n}`, body: 'Do you have these in 43?' },
    }));
    const measure = async (name: string, make: () => readonly Request[]): Promise<Row> => {
      const rounds: Round[] = [];
      for (let i = 0; i < WARM_UP_ROUNDS + ROUNDS; i++) {
        const value = await timed(inBatch, make);
        const reference = await timed(oneByOne, make);
        if (i >= WARM_UP_ROUNDS) rounds.push({ value, reference });
      }
      return { name, unit: 'ms', ...mediansOf(rounds), aim: 0.5, better: 'lower' };
    };

    await inBatch(views());
    await rig.settled(SETTLE_DEADLINE_MS);
    const rows = [await measure(`a batch of ${REQUESTS} page views`, views)];
    await inBatch(
      requests((visitor) => ({
        path: `visitors/batch-${visitor}/chats`,
        body: { chatId: `chat-${visitor}` },
      }))(),
    );
    rows.push(await measure(`a batch of ${REQUESTS} messages`, messages));
    return rows;
  } finally {
    connection.close();
    await rig.close();
  }
}
