/** A screen without a monitor (Xvfb), with a session bus, for clients with windows. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import { needProgram, type Program, run, startProgram } from './processes.ts';

const START_DEADLINE_MS = 60_000;

export interface Display {
  /** What a program needs to know to appear there, with a home of its own. */
  readonly env: NodeJS.ProcessEnv;
  /** xdotool, which presses keys and moves windows. @returns what it printed */
  xdotool(...args: readonly string[]): Promise<string>;
  /** Types a text as a person does, into the window that has the focus. */
  type(text: string): Promise<void>;
  screenshot(path: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param folder the home of the programs
 * @throws {Missing} naming the package that is missing
 */
export async function startDisplay(folder: string, size = '900x600'): Promise<Display> {
  for (const [program, debianPackage] of [
    ['Xvfb', 'xvfb'],
    ['xdotool', 'xdotool'],
    ['import', 'imagemagick'],
    ['openbox', 'openbox'],
    ['dbus-daemon', 'dbus'],
  ] as const) {
    needProgram(program, debianPackage);
  }
  const started: Program[] = [];
  const home = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_RUNTIME_DIR: folder,
  };
  try {
    const screen = startProgram(
      'Xvfb',
      ['-displayfd', '1', '-screen', '0', `${size}x24`, '-nolisten', 'tcp'],
      home,
    );
    started.push(screen);
    const number = await waitFor(() => /^(\d+)\n/m.exec(screen.output())?.[1], {
      deadlineMs: START_DEADLINE_MS,
      what: () => `Xvfb: ${screen.output()}`,
    });
    const bus = startProgram('dbus-daemon', ['--session', '--nofork', '--print-address'], home);
    started.push(bus);
    const address = await waitFor(() => /^(unix:\S+)\n/m.exec(bus.output())?.[1], {
      deadlineMs: START_DEADLINE_MS,
      what: () => `the session bus: ${bus.output()}`,
    });
    const env = { ...home, DISPLAY: `:${number}`, DBUS_SESSION_BUS_ADDRESS: address };
    started.push(startProgram('openbox', [], env));
    const xdotool = (...args: readonly string[]) => run('xdotool', args, env);
    return {
      env,
      xdotool,
      async type(text) {
        await xdotool('type', '--delay', '20', '--', text);
      },
      async screenshot(path) {
        await delay(1_000); // windows are still painting
        await run(
          'import',
          ['-window', 'root', '+dither', '-colors', '128', '-strip', `png8:${path}`],
          env,
        );
      },
      async close() {
        for (const program of started.toReversed()) await program.kill();
      },
    };
  } catch (error) {
    for (const program of started.toReversed()) await program.kill();
    throw error;
  }
}
