/** Half of what makes a timer or a probe visibly late, with room for one piece that is itself long. */
const STRETCH_MS = 10;

const waiting: (() => void)[] = [];
let turnBeganAtMs = performance.now();

/**
 * Asked for between the pieces of long work: undefined while the present turn of the event loop has been short, otherwise
 * a promise of a later one. Of all who wait each turn takes one, so that ten long works are not one long turn.
 */
export function nextTurn(): Promise<void> | undefined {
  if (waiting.length === 0 && performance.now() - turnBeganAtMs < STRETCH_MS) return undefined;
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(takeOne);
  });
}

function takeOne(): void {
  turnBeganAtMs = performance.now();
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(takeOne);
}

/** Does work that is written as steps, with turns of the event loop between them. */
export async function inTurns<T>(steps: Generator<unknown, T>): Promise<T> {
  for (;;) {
    await nextTurn();
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
