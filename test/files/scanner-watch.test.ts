/** Whether the virus scanner answers, for /readyz and the doctor. */
import { expect, it } from 'vitest';
import { scannerCheck } from '../../src/doctor/scanner.ts';
import { createScanner } from '../../src/files/scanner.ts';
import { SCANNER_ASKED_EVERY_MS, watchScanner } from '../../src/files/scanner-watch.ts';
import { startClamd } from './servers.ts';

const { signal } = new AbortController();
const AWAY = 'no file gets through: the virus scanner does not answer';
const scannerAt = (port: number) => createScanner(`clamd://127.0.0.1:${port}`);

it('a scanner is asked by itself, and not more often than it has to be', async () => {
  let now = 0;
  await using clamd = await startClamd();
  const { check } = watchScanner(scannerAt(clamd.port), () => now);
  await Promise.all([check(), check()]);
  await check();
  expect(clamd.scanned).toHaveLength(1);
  now += SCANNER_ASKED_EVERY_MS;
  await check();
  expect(clamd.scanned).toHaveLength(2);
});

it('what the last file told counts: away, and back', async () => {
  const clamd = await startClamd();
  const { scan, check } = watchScanner(scannerAt(clamd.port), () => 0);
  await check();
  await clamd[Symbol.asyncDispose]();
  expect(await scan(Buffer.from('a file'), signal)).toMatchObject({ outcome: 'away' });
  await expect(check()).rejects.toMatchObject({ code: 'unavailable', message: AWAY });
  await using _again = await startClamd({ port: clamd.port });
  // What it finds is an answer as well.
  expect(await scan(Buffer.from('EICAR'), signal)).toMatchObject({ outcome: 'found' });
  await check();
});

it('a look that was ended says nothing about the scanner', async () => {
  await using clamd = await startClamd();
  const { scan, check } = watchScanner(scannerAt(clamd.port), () => 0);
  await check();
  expect(await scan(Buffer.from('a file'), AbortSignal.abort())).toMatchObject({ outcome: 'away' });
  await check();
});

it('a scanner that refuses all is named', async () => {
  await using clamd = await startClamd({ answer: 'stream: Everything FOUND' });
  const { check } = watchScanner(scannerAt(clamd.port), () => 0);
  await expect(check()).rejects.toThrow(
    /^no file gets through: it refuses a harmless text \(.*Everything\)$/,
  );
});

it('the doctor asks it', async () => {
  const clamd = await startClamd();
  const check = scannerCheck(scannerAt(clamd.port));
  expect(await check.run(signal)).toMatchObject([{ status: 'ok' }]);
  await clamd[Symbol.asyncDispose]();
  expect(await check.run(signal)).toMatchObject([
    { status: 'problem', message: expect.stringMatching(/: the virus scanner does not answer$/) },
  ]);
});
