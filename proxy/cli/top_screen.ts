import type { WriteStream } from "node:tty";
import type { ScreenSize } from "./top_view.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_SCREEN_END = "\x1b[J";
const PIPE_WIDTH = 120;
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** Where `top` draws: the alternate screen of a terminal, or plain text one reading after the other. */
export interface Screen {
  readonly size: ScreenSize;
  readonly isTerminal: boolean;
  draw(text: string): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

export function openScreen(stream: NodeJS.WriteStream | WriteStream, { live }: { live: boolean }): Screen {
  const isTerminal = live && stream.isTTY === true;
  if (!isTerminal) {
    return {
      isTerminal,
      size: { width: stream.isTTY ? (stream.columns ?? DEFAULT_SIZE.columns) : PIPE_WIDTH, height: Infinity },
      draw: (text) => void stream.write(`${text}\n`),
      close: () => {},
    };
  }
  stream.write(ENTER);
  return {
    isTerminal,
    get size(): ScreenSize {
      return { width: stream.columns || DEFAULT_SIZE.columns, height: stream.rows || DEFAULT_SIZE.rows };
    },
    // Drawn over, not cleared first: clearing makes the terminal flicker.
    draw: (text) =>
      void stream.write(HOME + text.replaceAll("\n", `${CLEAR_LINE_END}\n`) + CLEAR_LINE_END + CLEAR_SCREEN_END),
    close: () => void stream.write(LEAVE),
  };
}
