/** The service does not say whose webhook it refused, so only a host without a batch is judged by it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ServicePort } from '../../src/doctor/service.ts';
import { createWebhookWatch } from '../../src/doctor/webhook.ts';

const source = join(import.meta.dirname, '../../ejabberd/mod_lhc/src/mod_lhc.erl');
const [, ours = ''] = /VERSION, <<"(.*)">>/.exec(readFileSync(source, 'utf8')) ?? [];

interface Seen {
  batches?: number;
  module?: string | null;
  refused?: number;
  failed?: number;
  /** The older modules have reported. */
  older?: boolean;
  /** mod_lhc has never reported. */
  never?: boolean;
}

/** Answers with each view in turn, and then with the last. */
function service(...views: (Seen | null | 'silent')[]): ServicePort {
  let next = 0;
  return {
    url: 'http://here',
    get: async () => {
      const view = views[Math.min(next++, views.length - 1)] ?? null;
      if (view === null || view === 'silent') return view;
      const { batches = 0, module = ours, refused = 0, failed = 0, older, never } = view;
      const host = { batches, clockOffset: 0, module, ejabberd: '23.01' };
      const body = {
        hosts: never ? {} : { 'a.test': host },
        olderModules: {
          hosts: older ? { 'a.test': { at: 1, callbacks: 1, address: '10.0.0.3' } } : {},
          refused: {},
        },
        refused: { count: refused, clockOffset: 0 },
        failed: { count: failed, reason: 'the store is away' },
      };
      return { status: 200, body };
    },
  };
}

async function watch(...views: Parameters<typeof service>): Promise<string> {
  const watchHost = createWebhookWatch(service(...views), { shared: false });
  const reported = await watchHost('a.test');
  const found = await reported();
  return found.map(({ status, message }) => `${status}: ${message}`).join('\n');
}

it('waits for the batch of its host while those of another host are refused or fail', async () => {
  const late = await watch({}, { refused: 1 }, { refused: 2, failed: 1 }, { batches: 1 });
  expect(late).toMatch(/^ok: mod_lhc [.\d]+ on ejabberd 23.01 reported the session of a.test/);
});

it('names a mod_lhc that is older than that of this release', async () => {
  for (const module of ['1.1.0', '0.10.0', '1.1.99']) {
    expect(await watch({}, { batches: 1, module })).toContain(
      `\nwarning: mod_lhc ${module} is older than this service, which comes with ${ours}\n`,
    );
  }
  for (const module of [ours, '1.10.0', '2.0.0', null]) {
    expect(await watch({}, { batches: 1, module })).not.toContain('warning');
  }
});

it('says why no batch came, also where the older modules report', async () => {
  const never = { never: true, older: true };
  const found = await Promise.all([
    watch({}, { refused: 1 }),
    watch({}, { failed: 1 }),
    watch({}, {}),
    watch(never),
    watch({ older: true }),
  ]);
  expect(found[0]).toMatch(/^problem: .*refuses the signature/);
  expect(found[1]).toMatch(/^problem: .*cannot be stored: the store is away/);
  expect(found[2]).toMatch(/^problem: mod_lhc did not report the session of a.test/);
  expect(found[3]).toMatch(/^ok: the older modules of ejabberd report from a.test/);
  expect(found[4]).toMatch(/^problem: mod_lhc did not report/);
});

it('does not try where nobody answers', async () => {
  for (const view of [null, 'silent'] as const) {
    expect(await watch(view)).toBe('warning: mod_lhc was not tried: no service answers at LISTEN');
  }
});
