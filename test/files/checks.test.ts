/** The verdict about a file: its type, the scanner, and the bounds of a tenant. */
import { afterEach, describe, expect, it } from 'vitest';
import { FileSettings } from '../../src/actors/tenant/file-settings.ts';
import { createFileChecks, type FileChecks, type Verdict } from '../../src/files/checks.ts';
import { nameFault, typeOf } from '../../src/files/forms.ts';
import { createScanner, type Scanner } from '../../src/files/scanner.ts';
import { waitFor } from '../support/wait.ts';
import { PNG, startClamd, startFileServer } from './servers.ts';

let checks: FileChecks | undefined;
afterEach(() => checks?.stop());

const SIGNAL = new AbortController().signal;
const QUICK = { firstMs: 20, mostMs: 40 };

function started(
  scan: Scanner | null = null,
  given: Partial<Parameters<typeof createFileChecks>[0]> = {},
): FileChecks {
  checks = createFileChecks({
    scan,
    monotonic: () => performance.now(),
    random: () => 0,
    retry: QUICK,
    giveUpMs: 300,
    ...given,
  });
  return checks;
}

const question = (url: string, more: object = {}) => ({
  tenant: 'acme',
  id: url,
  url,
  name: 'a.png',
  settings: FileSettings.parse({}),
  fetch: globalThis.fetch,
  mayBeAt: () => true,
  ...more,
});

const verdictOf = (of: FileChecks, asked: ReturnType<typeof question>): Promise<Verdict> =>
  waitFor(() => {
    const verdict = of.verdict(asked);
    return verdict === 'pending' ? undefined : verdict;
  });

describe('a file', () => {
  it('passes with its type, size and hash, and is fetched once', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    const asked = question(`${server.url}/a.png`);
    const of = started();
    expect(of.verdict(asked)).toBe('pending');
    expect(await verdictOf(of, asked)).toEqual({
      kind: 'passed',
      type: 'image/png',
      size: PNG.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(of.verdict(asked)).toMatchObject({ kind: 'passed' });
    expect(server.asked).toHaveLength(1);
  });

  it('whose content is not what its name says is refused', async () => {
    await using server = await startFileServer((_, response) =>
      response.end('MZ this is a program'),
    );
    expect(await verdictOf(started(), question(`${server.url}/a.png`))).toEqual({
      kind: 'refused',
      reason: 'its content is not what its name says',
    });
  });

  it('whose name says enough is not even fetched', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    const of = started();
    const program = question(`${server.url}/a.exe`, { name: 'a.exe' });
    expect(of.verdict(program)).toEqual({
      kind: 'refused',
      reason: 'files of the type .exe are not passed on',
    });
    const settings = FileSettings.parse({ types: ['pdf'] });
    expect(of.verdict(question(`${server.url}/a.png`, { settings }))).toMatchObject({
      kind: 'refused',
    });
    expect(server.asked).toEqual([]);
  });

  it('is tried again while its server is away, and refused in the end', async () => {
    let tries = 0;
    await using server = await startFileServer((_, response) => {
      tries += 1;
      response.writeHead(tries < 3 ? 503 : 200).end(PNG);
    });
    expect(await verdictOf(started(), question(`${server.url}/a.png`))).toMatchObject({
      kind: 'passed',
    });
    expect(tries).toBe(3);
    await using away = await startFileServer((_, response) => response.writeHead(503).end());
    expect(await verdictOf(started(), question(`${away.url}/a.png`))).toEqual({
      kind: 'refused',
      reason: 'the server that has it answered 503',
    });
  });

  it('of a slow server holds up no other tenant', async () => {
    await using slow = await startFileServer(() => undefined);
    await using server = await startFileServer((_, response) => response.end(PNG));
    const of = started(null, { fetchDeadlineMs: 60_000 });
    for (let n = 0; n < 40; n++) of.verdict(question(`${slow.url}/${n}.png`));
    await waitFor(() => slow.asked.length > 0);
    const other = question(`${server.url}/a.png`, { tenant: 'other' });
    expect(await verdictOf(of, other)).toMatchObject({ kind: 'passed' });
    expect(slow.asked).toHaveLength(4);
  });

  it('past the files of a minute is refused', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    const settings = FileSettings.parse({ perMinute: 1 });
    const of = started();
    expect(await verdictOf(of, question(`${server.url}/1.png`, { settings }))).toMatchObject({
      kind: 'passed',
    });
    expect(await verdictOf(of, question(`${server.url}/2.png`, { settings }))).toEqual({
      kind: 'refused',
      reason: 'too many files of this team are on their way',
    });
    expect(server.asked).toEqual(['/1.png']);
  });
});

describe('the form of a file', () => {
  it.each([
    ['a.png', PNG, 'image/png'],
    ['A.PNG', PNG, 'image/png'],
    ['a.jpg', PNG, null],
    ['a.jpg', Buffer.from('ffd8ffe000104a464946', 'hex'), 'image/jpeg'],
    ['a.gif', Buffer.from('GIF89a'), 'image/gif'],
    ['a.webp', Buffer.from('RIFF....WEBPVP8 '), 'image/webp'],
    ['a.wav', Buffer.from('RIFF....WEBPVP8 '), null],
    ['a.wav', Buffer.from('RIFF....WAVEfmt '), 'audio/wav'],
    ['a.pdf', Buffer.from('%PDF-1.7'), 'application/pdf'],
    ['a.txt', Buffer.from('Grüße\n'), 'text/plain'],
    ['a.txt', Buffer.from([0x47, 0xfc, 0x0a]), null],
    ['a.txt', Buffer.from('a\0b'), null],
    ['a.mp3', Buffer.from('ID3\x04'), 'audio/mpeg'],
    ['a.mp3', Buffer.from('fffb9064', 'hex'), 'audio/mpeg'],
    ['a.ogg', Buffer.from('OggS'), 'audio/ogg'],
    ['a.m4a', Buffer.from('....ftypmp42'), 'audio/mp4'],
    ['a.mp4', Buffer.from('....ftypmp42'), 'video/mp4'],
    ['a.webm', Buffer.from('1a45dfa3', 'hex'), 'video/webm'],
    ['a.svg', Buffer.from('<svg/>'), null],
    ['a.html', Buffer.from('<html>'), null],
    ['png', PNG, null],
  ])('%s', (name, bytes, type) => {
    expect(typeOf(name, bytes)).toBe(type);
  });

  it.each(['a.svg', 'a.html', 'a.png.exe', 'a', '', 'a.', 'a.\u202egnp'])('%s is none', (name) => {
    expect(nameFault(name, ['picture', 'text'])).not.toBeNull();
  });
});

describe('the scanner', () => {
  it('clamd: clean, found, and every byte of a large file', async () => {
    await using clamd = await startClamd();
    const scan = createScanner(`clamd://127.0.0.1:${clamd.port}`);
    const large = Buffer.alloc(1_000_000, 'x');
    expect(await scan(large, SIGNAL)).toEqual({ outcome: 'clean' });
    expect(clamd.scanned[0]?.equals(large)).toBe(true);
    expect(await scan(Buffer.from('xEICARx'), SIGNAL)).toEqual({
      outcome: 'found',
      reason: 'the virus scanner does not let it through: Test.EICAR',
    });
  });

  it.each([['stream: OK and more'], ['COMMAND READ TIMED OUT'], [''], ['x'.repeat(5_000)]])(
    'clamd: any other answer is none',
    async (answer) => {
      await using clamd = await startClamd({ answer });
      const scan = createScanner(`clamd://127.0.0.1:${clamd.port}`);
      expect(await scan(PNG, SIGNAL)).toMatchObject({ outcome: 'away' });
    },
  );

  it('clamd: a file that is too large for it does not pass', async () => {
    await using clamd = await startClamd({ most: 100_000 });
    const scan = createScanner(`clamd://127.0.0.1:${clamd.port}`);
    expect(await scan(Buffer.alloc(5_000_000), SIGNAL)).toMatchObject({ outcome: 'found' });
  });

  it.each<[number, string, 'clean' | 'found' | 'away']>([
    [200, '', 'clean'],
    [204, '', 'clean'],
    [400, 'Eicar', 'found'],
    [422, '', 'found'],
    [401, '', 'away'],
    [404, '', 'away'],
    [302, '', 'away'],
    [429, '', 'away'],
    [500, '', 'away'],
  ])('HTTP: %d is %s', async (status, words, outcome) => {
    const got: Buffer[] = [];
    await using server = await startFileServer((request, response) => {
      request.on('data', (part) => got.push(part));
      request.on('end', () => response.writeHead(status, { location: '/x' }).end(words));
    });
    expect(await createScanner(`${server.url}/scan`)(PNG, SIGNAL)).toMatchObject({ outcome });
    expect(Buffer.concat(got).equals(PNG)).toBe(true);
  });

  it('that is away lets nothing through, and what waited for it when it is back', async () => {
    await using server = await startFileServer((_, response) => response.end(PNG));
    const gone = await startClamd();
    await gone[Symbol.asyncDispose]();
    const scan = createScanner(`clamd://127.0.0.1:${gone.port}`);
    const told: string[] = [];
    const onAway = (tenant: string, reason: string) => told.push(`${tenant}: ${reason}`);
    const refused = await verdictOf(started(scan, { onAway }), question(`${server.url}/a.png`));
    expect(told[0]).toBe('acme: the virus scanner does not answer');
    expect(refused).toEqual({ kind: 'refused', reason: 'the virus scanner does not answer' });
    const patient = started(scan, { giveUpMs: 60_000 });
    const asked = question(`${server.url}/a.png`);
    patient.verdict(asked);
    await waitFor(() => server.asked.length > 5);
    expect(patient.verdict(asked)).toBe('pending');
    await using _back = await startClamd({ port: gone.port });
    expect(await verdictOf(patient, asked)).toMatchObject({ kind: 'passed' });
  });

  it('that hangs is given up with the service', async () => {
    await using clamd = await startClamd({ answer: null });
    const stop = new AbortController();
    const scan = createScanner(`clamd://127.0.0.1:${clamd.port}`)(PNG, stop.signal);
    await waitFor(() => clamd.scanned.length === 1);
    stop.abort();
    expect(await scan).toMatchObject({ outcome: 'away' });
  });
});
