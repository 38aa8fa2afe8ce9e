/** Whether a user agent says that it is no person. */
import { isbot } from 'isbot';
import { LRUCache } from 'lru-cache';

const AGENTS_MAX = 1000;
/** Longer ones are cut: the pattern is long, and callers choose the text. */
const AGENT_CHARS_MAX = 512;

/** Remembers its answers: there are few agents, and looking at one costs some microseconds. */
export function createBotCheck(): (userAgent: string) => boolean {
  const known = new LRUCache<string, boolean>({ max: AGENTS_MAX });
  return (userAgent) => {
    if (userAgent === '') return false;
    const agent = userAgent.slice(0, AGENT_CHARS_MAX);
    const before = known.get(agent);
    if (before !== undefined) return before;
    const found = isbot(agent);
    known.set(agent, found);
    return found;
  };
}
