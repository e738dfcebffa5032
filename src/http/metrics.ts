/** Prometheus metrics of this process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HttpDeps } from './deps.ts';
import type { WebhookReceipts } from './webhook/receipts.ts';

export interface HttpMetrics {
  /** Of one route: a function that is told of each of its requests, with how many ms it took. */
  route(method: string, route: string): (status: number, ms: number) => void;
  /** @param outcome `accepted`, `unchanged` (a repeat, or true already) or a problem's code */
  command(command: string, outcome: string): void;
  /**
   * Shows what mod_lhc's webhook has brought.
   * @param hosts all that are ours: one of which nothing ever came has to be seen, too
   */
  webhooks(view: WebhookReceipts['view'], hosts: () => readonly string[]): void;
  /** The text format of Prometheus. */
  text(): Promise<{ readonly type: string; readonly text: string }>;
}

/** Requests of a route and status that are counted at once. */
const BATCH = 1000;

export function createMetrics(
  deps: Pick<HttpDeps, 'gauges' | 'projections' | 'stream' | 'now'>,
): HttpMetrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const requests = new Histogram({
    name: 'xmpp_chat_http_request_duration_seconds',
    help: 'HTTP requests by route and status',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  const commands = new Counter({
    name: 'xmpp_chat_commands_total',
    help: 'Commands over HTTP by outcome',
    labelNames: ['command', 'outcome'] as const,
    registers,
  });
  // prom-client finds a series by sorting and joining its labels, at each call: on the busiest path that is done for
  // many requests at once.
  const waiting: (() => void)[] = [];
  const flush = () => {
    for (const observe of waiting) observe();
  };
  new Gauge({
    name: 'xmpp_chat_projection_lag_seconds',
    help: 'How old the last event of the read models is while they catch up; 0 when live',
    registers,
    collect() {
      this.set(deps.projections.lag() / 1000);
    },
  });
  new Gauge({
    name: 'xmpp_chat_stream_connections',
    help: 'Live connections (server-sent events)',
    registers,
    collect() {
      this.set(deps.stream.stats().connections);
    },
  });
  const streamed = {
    sent: ['xmpp_chat_stream_events_total', 'Events sent on live connections'],
    cut: ['xmpp_chat_stream_cut_total', 'Live connections that were cut: their reader was slow'],
    resets: ['xmpp_chat_stream_resets_total', 'Live connections that had to begin anew'],
  } as const;
  for (const [key, [name, help]] of Object.entries(streamed)) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(deps.stream.stats()[key as keyof typeof streamed]); // of the entries of that object
      },
    });
  }
  for (const [name, { help, value }] of Object.entries(deps.gauges)) {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await value());
      },
    });
  }

  return {
    route: (method, route) => {
      const byStatus = new Map<number, number[]>();
      const observe = () => {
        for (const [status, times] of byStatus) {
          const labels = { method, route, status: String(status) };
          for (const ms of times) requests.observe(labels, ms / 1000);
          times.length = 0;
        }
      };
      waiting.push(observe);
      return (status, ms) => {
        const times = byStatus.get(status);
        if (!times) byStatus.set(status, [ms]);
        else if (times.push(ms) >= BATCH) observe();
      };
    },
    command: (command, outcome) => commands.inc({ command, outcome }),
    webhooks(view, hosts) {
      const startedAt = deps.now();
      const labelNames = ['host'] as const;
      new Gauge({
        name: 'xmpp_chat_webhook_accepted_timestamp_seconds',
        help: 'When mod_lhc last brought a batch of this host; before the first, when this process started',
        labelNames,
        registers,
        collect() {
          const seen = view().hosts;
          for (const host of hosts()) {
            this.set({ host }, (seen[host]?.acceptedAt ?? startedAt) / 1000);
          }
        },
      });
      new Counter({
        name: 'xmpp_chat_webhooks_refused_total',
        help: 'Batches that were not signed with our secret, or too old',
        registers,
        collect() {
          this.reset();
          this.inc(view().refused.count);
        },
      });
      new Counter({
        name: 'xmpp_chat_webhooks_failed_total',
        help: 'Batches that could not be stored, and come again',
        registers,
        collect() {
          this.reset();
          this.inc(view().failed.count);
        },
      });
    },
    text: async () => {
      flush();
      return { type: register.contentType, text: await register.metrics() };
    },
  };
}
