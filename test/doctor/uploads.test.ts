/** Whether the doctor finds where operators upload, and whether the settings of tenants know that address. */
import xml, { type Element } from '@xmpp/xml';
import { expect, it } from 'vitest';
import { FileSettings } from '../../src/actors/tenant/file-settings.ts';
import { createUploadProbe, judgeUploads, UPLOADS_DEADLINE_MS } from '../../src/doctor/uploads.ts';

const UPLOAD = 'urn:xmpp:http:upload:0';
const LINK = 'https://files.test/up/a1/b2/doctor.txt';
const tenantWith = (files: object) => ({
  id: 'acme',
  host: 'xmpp.test',
  files: FileSettings.parse(files),
});

/** A server with a service of rooms, and one for files whose features these are. It answers each question at once. */
function probeOf(features: readonly string[], answers = true) {
  const asked: string[] = [];
  const probe = createUploadProbe((stanza) => {
    const { id, to } = stanza.attrs;
    const [question] = stanza.getChildElements();
    asked.push(`${to} ${question?.name} ${question?.attrs.xmlns?.split('#').at(-1)}`);
    const items = ['conference.xmpp.test', 'upload.xmpp.test'].map((jid) => xml('item', { jid }));
    const own = to === 'upload.xmpp.test' ? features : ['http://jabber.org/protocol/muc'];
    const slot = xml('slot', UPLOAD, xml('put', { url: LINK }), xml('get', { url: LINK }));
    let answer: Element | undefined = slot;
    if (question?.is('query')) {
      const children =
        to === 'xmpp.test' ? items : own.map((name) => xml('feature', { var: name }));
      answer = xml('query', question.attrs.xmlns ?? '', ...children);
    }
    probe.stanza(stanza); // a question with the same id is no answer
    if (answers) probe.stanza(xml('iq', { type: 'result', id, from: to }, answer));
  });
  return { probe, asked };
}

it('asks the service that takes files for an address, and compares it with the settings', async () => {
  const { probe, asked } = probeOf([UPLOAD]);
  const tenants = [tenantWith({ uploads: ['https://files.test/up/'] }), tenantWith({})];
  expect(await probe.judge('xmpp.test', tenants)).toMatchObject([
    { status: 'ok', message: expect.stringContaining('uploaded to https://files.test/up/') },
    {
      status: 'warning',
      message: expect.stringContaining('links that nobody has looked at'),
      advice: expect.stringContaining('files.uploads of this tenant to ["https://files.test/up/"]'),
    },
  ]);
  expect(asked).toEqual([
    'xmpp.test query items',
    'conference.xmpp.test query info',
    'upload.xmpp.test query info',
    'upload.xmpp.test request urn:xmpp:http:upload:0',
  ]);
});

it('has nothing to say where no files are taken', async () => {
  expect(await probeOf([]).probe.judge('xmpp.test', [tenantWith({})])).toEqual([]);
  expect(judgeUploads(tenantWith({ enabled: false }), LINK)).toEqual([]);
});

it('does not wait for ever', { timeout: UPLOADS_DEADLINE_MS + 5_000 }, async () => {
  expect(await probeOf([UPLOAD], false).probe.judge('xmpp.test', [tenantWith({})])).toEqual([]);
});
