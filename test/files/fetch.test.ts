/** Fetching a file from real servers: bounds, and where it may come from. */
import { describe, expect, it } from 'vitest';
import { FETCH_MAX_REDIRECTS, fetchFile } from '../../src/files/fetch.ts';
import { createCallbackGuard, NOTHING_ALLOWED } from '../../src/lhc/callback-guard.ts';
import { waitFor } from '../support/wait.ts';
import { PNG, startFileServer } from './servers.ts';

const MAX_BYTES = 100_000;

const fetched = (
  url: string,
  given: Partial<Parameters<typeof fetchFile>[1]> = {},
): ReturnType<typeof fetchFile> =>
  fetchFile(url, {
    fetch: globalThis.fetch,
    mayBeAt: (at) => at.startsWith(new URL(url).origin),
    maxBytes: MAX_BYTES,
    signal: new AbortController().signal,
    ...given,
  });

describe('a file is fetched', () => {
  it('with its bytes', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    expect(await fetched(`${server.url}/a.png`)).toEqual({ outcome: 'fetched', bytes: PNG });
  });

  it('behind a redirection of its own server', async () => {
    await using server = await startFileServer(({ url }, response) => {
      if (url === '/a.png') response.writeHead(302, { location: '/b.png' }).end();
      else response.end(PNG);
    });
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'fetched' });
    expect(server.asked).toEqual(['/a.png', '/b.png']);
  });
});

describe('a file is refused', () => {
  it('that leads elsewhere, and nobody there is asked', async () => {
    await using other = await startFileServer((_, response) => response.end(PNG));
    await using server = await startFileServer((_, response) =>
      response.writeHead(302, { location: `${other.url}/a.png` }).end(),
    );
    expect(await fetched(`${server.url}/a.png`)).toEqual({
      outcome: 'refused',
      reason: 'its address is not where files may come from',
    });
    expect(other.asked).toEqual([]);
  });

  it('that leads in a circle', async () => {
    await using server = await startFileServer((_, response) =>
      response.writeHead(302, { location: '/a.png' }).end(),
    );
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'refused' });
    expect(server.asked).toHaveLength(FETCH_MAX_REDIRECTS + 1);
  });

  it('that says it is too large, and its bytes stay there', async () => {
    await using server = await startFileServer((_, response) => {
      response.writeHead(200, { 'content-length': MAX_BYTES + 1 });
      response.write('x');
    });
    expect(await fetched(`${server.url}/a.png`)).toEqual({
      outcome: 'refused',
      reason: 'it is larger than 97.6 kB',
    });
    await waitFor(() => server.open() === 0);
  });

  it('that is too large and does not say so, after so many bytes', async () => {
    let sent = 0;
    await using server = await startFileServer((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000))) sent += 10_000;
      };
      response.on('drain', more);
      more();
    });
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'refused' });
    await waitFor(() => server.open() === 0);
    expect(sent).toBeLessThan(100 * MAX_BYTES);
  });

  it('whose compressed answer would be too large', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(50 * MAX_BYTES));
    expect(bomb.length).toBeLessThan(MAX_BYTES);
    await using server = await startFileServer((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'refused' });
  });

  it('that is empty', async () => {
    await using server = await startFileServer((_, response) => response.end());
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'refused' });
  });

  it.each([404, 403, 410, 304])('at a server that answers %d', async (status) => {
    await using server = await startFileServer((_, response) => response.writeHead(status).end());
    expect(await fetched(`${server.url}/a.png`)).toEqual({
      outcome: 'refused',
      reason: `the server that has it answered ${status}`,
    });
  });
});

describe('a file is tried again', () => {
  it.each([500, 503, 429, 408])('at a server that answers %d', async (status) => {
    await using server = await startFileServer((_, response) => response.writeHead(status).end());
    expect(await fetched(`${server.url}/a.png`)).toMatchObject({ outcome: 'away' });
  });

  it('at a server that sends a byte now and then', async () => {
    const timers: NodeJS.Timeout[] = [];
    await using server = await startFileServer((_, response) => {
      timers.push(setInterval(() => response.write('x'), 20));
    });
    expect(await fetched(`${server.url}/a.png`, { deadlineMs: 200 })).toEqual({
      outcome: 'away',
      reason: 'it did not come in time',
    });
    for (const timer of timers) clearInterval(timer);
    await waitFor(() => server.open() === 0);
  });

  it('at a server that nobody can reach, without its address in the reason', async () => {
    const server = await startFileServer(() => undefined);
    await server[Symbol.asyncDispose]();
    const result = await fetched(`${server.url}/secret-name.png`);
    expect(result).toEqual({
      outcome: 'away',
      reason: 'the server that has it does not answer (ECONNREFUSED)',
    });
  });
});

describe('the guard', () => {
  it('keeps a file out of the own network', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    const guard = createCallbackGuard(NOTHING_ALLOWED);
    const result = await fetched(`${server.url}/a.png`, { fetch: guard.fetch });
    expect(result).toMatchObject({
      outcome: 'away',
      reason: expect.stringContaining('CALLBACK_ALLOW'),
    });
    expect(server.asked).toEqual([]);
    const allowed = createCallbackGuard({ hosts: [], ranges: ['127.0.0.1'] });
    expect(await fetched(`${server.url}/a.png`, { fetch: allowed.fetch })).toMatchObject({
      outcome: 'fetched',
    });
  });
});
