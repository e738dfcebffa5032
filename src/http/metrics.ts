/** Prometheus metrics of this process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HttpDeps, MetricsNumber } from './deps.ts';
import type { RequestMetrics } from './frame/deps.ts';
import { BOUNDS, type OverBounds } from './frame/over-bounds.ts';
import type { WebhookReceipts } from './webhook/receipts.ts';

export interface HttpMetrics extends RequestMetrics {
  /**
   * The text format of Prometheus.
   * @param admin whether customers and their hosts are named. Everybody else gets one series for all hosts, and callers within
   *   {@link METRICS_EVERY_MS} share one answer
   */
  text(admin: boolean): Promise<MetricsText>;
}

interface MetricsText {
  readonly type: string;
  readonly text: string;
}

/** The numbers are collected at most this often for callers without the admin token: everybody may ask. */
export const METRICS_EVERY_MS = 1_000;

/** Bounds of the histogram of request durations, in seconds. */
export const REQUEST_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** Requests of one route and status that wait in memory at most before they are counted together. */
export const REQUESTS_PER_COUNT = 1_000;

const STREAM_COUNTERS = {
  sent: ['xmpp_chat_stream_events_total', 'Events sent on live connections'],
  cut: ['xmpp_chat_stream_cut_total', 'Live connections cut because their reader was too slow'],
  resets: ['xmpp_chat_stream_resets_total', 'Live connections whose reader had to query anew'],
} as const;

/**
 * @param webhooks what mod_lhc's webhook has received
 * @param overBounds requests of tenants over their bounds
 */
export function createMetrics(
  deps: Pick<HttpDeps, 'tenants' | 'numbers' | 'tenantNumbers' | 'readModels' | 'stream' | 'now'>,
  webhooks: WebhookReceipts['view'],
  overBounds: OverBounds,
): HttpMetrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const commands = new Counter({
    name: 'xmpp_chat_commands_total',
    help: 'Commands over HTTP by outcome',
    labelNames: ['command', 'outcome'] as const,
    registers: [register],
  });
  const requests = requestDurations(register);
  readModelMetrics(register, deps);
  streamMetrics(register, deps);
  webhookMetrics(register, webhooks);
  const acceptedAt = webhookTimes(webhooks, deps, deps.now());
  const refused = overBoundCounts(overBounds, deps);
  for (const [name, number] of Object.entries(deps.numbers)) addNumber(register, name, number);

  const ofTenants = tenantRegistry(deps.tenantNumbers ?? {});

  const collect = async (admin: boolean): Promise<MetricsText> => {
    requests.flush();
    const registers = [register, acceptedAt(admin), refused(admin), ...(admin ? [ofTenants] : [])];
    const texts = await Promise.all(registers.map((each) => each.metrics()));
    return { type: register.contentType, text: texts.join('\n') };
  };
  let shared: { readonly text: Promise<MetricsText>; readonly at: number } | undefined;
  return {
    route: requests.route,
    command: (command, outcome) => commands.inc({ command, outcome }),
    text(admin) {
      if (admin) return collect(true);
      const at = performance.now();
      if (!shared || at - shared.at > METRICS_EVERY_MS) shared = { text: collect(false), at };
      return shared.text;
    },
  };
}

/** Numbers with the names of customers. */
function tenantRegistry(numbers: NonNullable<HttpDeps['tenantNumbers']>): Registry {
  const register = new Registry();
  for (const [name, { help, values }] of Object.entries(numbers)) {
    new Gauge({
      name,
      help,
      labelNames: ['tenant'] as const,
      registers: [register],
      collect() {
        this.reset();
        for (const [tenant, value] of values()) this.set({ tenant }, value);
      },
    });
  }
  return register;
}

/** A counter, which only grows while the process lives, if the name ends as Prometheus wants it. Otherwise a gauge. */
function addNumber(register: Registry, name: string, { help, value }: MetricsNumber): void {
  const registers = [register];
  if (!name.endsWith('_total')) {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await value());
      },
    });
    return;
  }
  new Counter({
    name,
    help,
    registers,
    async collect() {
      const now = await value();
      this.reset();
      this.inc(now);
    },
  });
}

/**
 * At each call prom-client sorts and joins the labels to find a series. On the busiest path that is done once for many
 * requests.
 */
function requestDurations(register: Registry) {
  const requests = new Histogram({
    name: 'xmpp_chat_http_request_duration_seconds',
    help: 'HTTP requests by route and status',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: REQUEST_BUCKETS_S,
    registers: [register],
  });
  const routes: (() => void)[] = [];
  return {
    flush: () => {
      for (const observe of routes) observe();
    },
    route: (method: string, route: string) => {
      const byStatus = new Map<number, number[]>();
      const observe = () => {
        for (const [status, times] of byStatus) {
          const labels = { method, route, status: String(status) };
          for (const ms of times) requests.observe(labels, ms / 1000);
          times.length = 0;
        }
      };
      routes.push(observe);
      return (status: number, ms: number) => {
        const times = byStatus.get(status);
        if (!times) byStatus.set(status, [ms]);
        else if (times.push(ms) >= REQUESTS_PER_COUNT) observe();
      };
    },
  };
}

function readModelMetrics(register: Registry, { readModels }: Pick<HttpDeps, 'readModels'>) {
  new Gauge({
    name: 'xmpp_chat_projection_lag_seconds',
    help: 'How old the last event of the read models is while they catch up; 0 when live',
    registers: [register],
    async collect() {
      this.set((await readModels.lag()) / 1000);
    },
  });
}

function streamMetrics(register: Registry, { stream }: Pick<HttpDeps, 'stream'>) {
  new Gauge({
    name: 'xmpp_chat_stream_connections',
    help: 'Live connections (server-sent events)',
    registers: [register],
    collect() {
      this.set(stream.stats().connections);
    },
  });
  for (const [key, [name, help]] of Object.entries(STREAM_COUNTERS)) {
    new Counter({
      name,
      help,
      registers: [register],
      collect() {
        this.reset();
        this.inc(stream.stats()[key as keyof typeof STREAM_COUNTERS]); // a key of that object
      },
    });
  }
}

/**
 * When mod_lhc's last batch was accepted: of each host for the administrator, of all hosts for everybody else. A host of
 * ours whose mod_lhc never came shows too.
 * @param startedAt when this process started, in ms since 1970: it stands for a batch that did not come yet
 */
function webhookTimes(
  view: WebhookReceipts['view'],
  { tenants }: Pick<HttpDeps, 'tenants'>,
  startedAt: number,
): (admin: boolean) => Registry {
  const hosts = () => tenants.all().map(({ host }) => host);
  const name = 'xmpp_chat_webhook_accepted_timestamp_seconds';
  const help =
    "When the last batch of this host's mod_lhc was accepted; at first, the process's start";
  const timeOf = (host: string): number => (view().hosts[host]?.acceptedAt ?? startedAt) / 1000;
  const named = new Registry();
  new Gauge({
    name,
    help,
    labelNames: ['host'] as const,
    registers: [named],
    collect() {
      for (const host of hosts()) this.set({ host }, timeOf(host));
    },
  });
  const all = new Registry();
  new Gauge({
    name,
    help: `${help}. The newest of all hosts: with the admin token there is one of each`,
    registers: [all],
    collect() {
      this.set(Math.max(startedAt / 1000, ...hosts().map(timeOf)));
    },
  });
  return (admin) => (admin ? named : all);
}

/** Requests over a tenant's bounds: of each tenant for the administrator, of all tenants for everybody else. */
function overBoundCounts(
  { count }: OverBounds,
  { tenants }: Pick<HttpDeps, 'tenants'>,
): (admin: boolean) => Registry {
  const name = 'xmpp_chat_over_bound_total';
  const help = 'Requests that were answered with 429, by the bound that their tenant had reached';
  const named = new Registry();
  new Counter({
    name,
    help,
    labelNames: ['tenant', 'bound'] as const,
    registers: [named],
    collect() {
      this.reset();
      for (const { id: tenant } of tenants.all()) {
        for (const bound of BOUNDS) this.inc({ tenant, bound }, count(tenant, bound));
      }
    },
  });
  const all = new Registry();
  new Counter({
    name,
    help,
    labelNames: ['bound'] as const,
    registers: [all],
    collect() {
      this.reset();
      for (const bound of BOUNDS) {
        this.inc(
          { bound },
          tenants.all().reduce((sum, { id }) => sum + count(id, bound), 0),
        );
      }
    },
  });
  return (admin) => (admin ? named : all);
}

function webhookMetrics(register: Registry, view: WebhookReceipts['view']) {
  new Counter({
    name: 'xmpp_chat_webhooks_refused_total',
    help: 'Batches with a wrong or stale signature',
    registers: [register],
    collect() {
      this.reset();
      this.inc(view().refused.count);
    },
  });
  new Counter({
    name: 'xmpp_chat_webhooks_failed_total',
    help: 'Batches that could not be stored; mod_lhc sends them again',
    registers: [register],
    collect() {
      this.reset();
      this.inc(view().failed.count);
    },
  });
}
