/** Names of variables that were probably meant to be settings of this service, and are none. */
import { editDistance } from '../kit/edit-distance.ts';

/** Names of this project begin so, or are named one by one in the schema. */
const OURS = /^(EJABBERD|XMPP_CHAT)_/i;

/** Variables of ejabberd and of its container (docker/ejabberd), which often share an environment with this service. */
const OF_EJABBERD =
  /^EJABBERD_(API_FROM|BIN|BYPASS_WARNINGS|CERTFILE|CONFIG_PATH|CONFIG|DB|DOCS|EBIN_PATH|HOME|HOSTS|INCLUDE_PATH|LOG_LEVEL|LOG_PATH|MACRO_.*|MSGS_PATH|OPTS|PID_PATH|PRIV_PATH|ROOT|SQL_PATH|VERSION|WEBHOOK_URL)$|^XMPP_CHAT_(HTTP_PORT|RUN|TEMPLATES)$/;

/** So many changes make another name of it: `DATADIR` is DATA_DIR, `LISTEN_FDS` of systemd is not LISTEN. */
const MOST_CHANGES = 2;
/** No name is longer, and a longer one is not compared. */
const NAME_MAX_CHARACTERS = 64;

/**
 * @param names of variables that are set
 * @param known all settings
 * @returns a sentence for each name that is none of them and looks like one
 */
export function unknownNames(names: Iterable<string>, known: readonly string[]): string[] {
  const all = new Set(known);
  return [...names].flatMap((name) => {
    if (all.has(name) || OF_EJABBERD.test(name) || name.length > NAME_MAX_CHARACTERS) return [];
    const near = nearest(name.toUpperCase(), known);
    if (!near && !OURS.test(name)) return [];
    return [
      `${visible(name)}: there is no such setting${near ? `; ${near} is meant, perhaps` : ''}`,
    ];
  });
}

/** A name with characters that look like nothing, or like others, as its escapes. */
const visible = (name: string): string =>
  name.replace(/[^!-~]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

/** The most similar setting; null if none is similar. With our prefix, a third of the name may differ. */
function nearest(name: string, known: readonly string[]): string | null {
  const most = OURS.test(name) ? Math.max(MOST_CHANGES, name.length / 3) : MOST_CHANGES;
  const [best] = known
    .map((each) => ({ each, distance: editDistance(name, each) }))
    .filter(({ distance }) => distance <= most)
    .toSorted((a, b) => a.distance - b.distance);
  return best?.each ?? null;
}
