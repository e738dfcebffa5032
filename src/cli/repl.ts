/** `xmpp-chat repl`: an actor in your hands. Its history is folded in memory, and nothing can be written. */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { messageOf } from '../errors.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import { createSession, HELP, type Session } from './repl/session.ts';

const PROMPT = 'xmpp-chat> ';

/**
 * Carries out lines until the input ends, or says `exit`.
 * @param isScript an error ends it
 * @returns false if a line of a script failed
 */
export async function runLines(
  lines: AsyncIterable<string>,
  session: Session,
  { screen, signal }: Pick<Reading, 'screen' | 'signal'>,
  isScript: boolean,
  onReady: () => void = () => {},
): Promise<boolean> {
  onReady();
  for await (const line of lines) {
    signal.throwIfAborted();
    const text = line.trim();
    if (text === 'exit' || text === 'quit') return true;
    try {
      if (text !== '' && !text.startsWith('#')) {
        for (const each of await session.run(text)) screen.line(each);
      }
    } catch (error) {
      screen.note(messageOf(error));
      if (isScript) return false;
    }
    onReady();
  }
  return true;
}

async function interact(stream: string | undefined, reading: Reading): Promise<void> {
  const { stdin, stdout } = process;
  const isScript = !stdin.isTTY;
  const session = createSession(reading);
  if (stream !== undefined) {
    for (const line of await session.run(`load ${stream}`)) reading.screen.line(line);
  }
  const input = createInterface({
    input: stdin,
    ...(isScript
      ? {}
      : {
          output: stdout,
          prompt: PROMPT,
          completer: (line: string): [string[], string] => [session.complete(line), line],
        }),
  });
  // Of this session alone: what is typed may hold personal data, and no file keeps it.
  input.on('SIGINT', () => input.close());
  if (!isScript) reading.screen.note('help lists what can be said; exit or Ctrl-D ends it');
  const prompt = (): void => {
    if (!isScript) input.prompt();
  };
  if (!(await runLines(input, session, reading, isScript, prompt))) process.exitCode = 1;
  input.close();
}

export function replCommand(): Command {
  return withSourceOptions(new Command('repl'))
    .description('Step through a history, and try what would happen: nothing is written')
    .argument('[stream]', 'to begin with')
    .addHelpText(
      'after',
      `\n${HELP}\nA script comes on standard input, a line for each; it ends at the first error.`,
    )
    .action((stream: string | undefined, _options: object, command: Command) =>
      withSource(command, (reading) => interact(stream, reading)),
    );
}
