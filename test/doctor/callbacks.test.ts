/** The doctor's callback `doctor.ping`, and the meaning of LHC's answer. */
import { afterAll, expect, it } from 'vitest';
import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { callbackCheck } from '../../src/doctor/callbacks.ts';
import { judgePing } from '../../src/lhc/callback-test.ts';
import { startLhc } from '../support/lhc.ts';
import { waitFor } from '../support/wait.ts';

const SECRET = `whsec_${Buffer.from('a secret of this very test').toString('base64')}`;
const lhc = await startLhc({ secret: SECRET });
afterAll(() => lhc.close());

const ask = async (settings: Record<string, unknown> = {}) => {
  const tenant = TenantSettings.parse({
    id: 'acme',
    host: 'xmpp.test',
    apiKey: 'a-key-of-16-or-more',
    callbackUrl: lhc.url,
    callbackSecret: SECRET,
    ...settings,
  });
  const found = await callbackCheck(tenant).run(new AbortController().signal);
  return found
    .map(({ status, message, advice }) => `${status}: ${message} -> ${advice}`)
    .join('\n');
};

it('sends a signed ping without data', async () => {
  expect(await ask()).toMatch(/^ok: LHC takes callbacks/);
  const { callback, signed } = lhc.requests.at(-1) ?? {};
  expect(signed).toBe(true);
  expect(callback).toEqual({
    id: expect.any(String),
    type: 'doctor.ping',
    tenant: 'acme',
    data: {},
    at: expect.any(String),
  });
});

it('asks an LHC with the xmppservice extension in its form, and asks for no secret', async () => {
  const old = await startLhc();
  const settings = { callbackFlavour: 'xmppservice', callbackSecret: undefined };
  const there = await ask({ ...settings, callbackUrl: old.url.replace('/callback', '') });
  old.behave({ kind: 'status', status: 301 });
  const without = await ask({ ...settings, callbackUrl: old.url.replace('/callback', '') });
  await old.close();
  expect(there).toMatch(/^ok: LHC takes callbacks/);
  expect(there).not.toContain('Secret');
  expect(old.requests[0]?.path).toBe('/xmppservice/operatorstatus');
  expect(without).toMatch(/answered 301 -> .*LHC also redirects while its extension is off/);
});

it.each([
  [401, /answered 401 -> .*does not accept the signature/],
  [403, /answered 403 -> .*a proxy before it/],
  [404, /answered 404 -> there is nothing at that path/],
  [405, /answered 405 -> that path takes no POST/],
  [410, /answered 410 -> LHC wants no callbacks/],
  [422, /answered 422 -> a receiver has to answer 2xx/],
  [302, /answered 302 -> redirects are not followed/],
  [500, /answered 500 -> look at LHC's log/],
])('says what the answer %d means', async (status, expected) => {
  lhc.behave({ kind: 'status', status });
  expect(await ask()).toMatch(expected);
});

it('distinguishes a wrong secret from a missing one', async () => {
  lhc.behave({ kind: 'status', status: 200 });
  const other = `whsec_${Buffer.from('another secret than that of LHC').toString('base64')}`;
  expect(await ask({ callbackSecret: other })).toMatch(/problem: LHC answered 401/);
  const unsigned = await ask({ callbackSecret: undefined });
  expect(unsigned).toMatch(/warning: there is no callbackSecret.* -> set callbackSecret to whsec_/);
});

it.each([
  ['http://no.such.host.invalid/', /DNS does not know/],
  ['http://127.0.0.1:9999/', /nothing listens there|is LHC up/],
  ['https://{lhc}/', /does that port speak https/],
])('says what to do about a connection that fails: %s', async (url, advice) => {
  const callbackUrl = url.replace('{lhc}', new URL(lhc.url).host);
  expect(await ask({ callbackUrl })).toMatch(advice);
});

it('says that LHC is silent, away or slow', async () => {
  lhc.behave({ kind: 'hang' });
  expect(await ask()).toMatch(/problem: LHC does not answer: no answer in time/);
  lhc.behave({ kind: 'close' });
  expect(await ask()).toMatch(/problem: LHC does not answer: /);
  await lhc.stop();
  // A kept connection may end under the first request.
  await waitFor(async () => /problem: LHC does not answer: .*REFUSED/.test(await ask()));
  await lhc.start();
  const outcome = { outcome: 'accepted' } as const;
  const slow = { outcome, status: 200, clockOffset: null, tookMs: 3000 };
  expect(judgePing(slow)).toMatchObject({ status: 'warning' });
  expect(await ask({ callbackUrl: undefined })).toMatch(/warning: there is no callbackUrl/);
});

it('compares the clocks by the Date header', async () => {
  const dated = async (offset: number) => {
    const date = new Date(Date.now() + offset * 1000).toUTCString();
    lhc.behave({ kind: 'status', status: 200, headers: { date } });
    return ask();
  };
  expect(await dated(5)).toMatch(/ok: the clock/);
  expect(await dated(100)).toMatch(
    /warning: the clock of this tenant's LHC is \d+ s ahead of ours.* -> run NTP/,
  );
  expect(await dated(-290)).toMatch(/problem: the clock of this tenant's LHC is \d+ s behind/);
});
