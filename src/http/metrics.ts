/** Prometheus metrics of this process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HttpDeps } from './deps.ts';

export interface HttpMetrics {
  /** @param ms how long it took */
  request(method: string, route: string, status: number, ms: number): void;
  /** @param outcome `accepted`, `unchanged` (a repeat, or true already) or a problem's code */
  command(command: string, outcome: string): void;
  /** The text format of Prometheus. */
  text(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createMetrics(deps: Pick<HttpDeps, 'gauges' | 'projections'>): HttpMetrics {
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
  new Gauge({
    name: 'xmpp_chat_projection_lag_seconds',
    help: 'How old the last event of the read models is while they catch up; 0 when live',
    registers,
    collect() {
      this.set(deps.projections.lag() / 1000);
    },
  });
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
    request: (method, route, status, ms) =>
      requests.observe({ method, route, status: String(status) }, ms / 1000),
    command: (command, outcome) => commands.inc({ command, outcome }),
    text: async () => ({ type: register.contentType, text: await register.metrics() }),
  };
}
