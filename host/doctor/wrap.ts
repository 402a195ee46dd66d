/* Text in lines of a terminal. What comes from a bundle may hold anything: control characters would steer the terminal. */

/** Without control characters and what turns the direction of text around. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");

/** `text` in lines of at most `width` characters, the first behind `first`, the others indented as far. Words are not cut. */
export function wrap(text: string, first: string, width: number): string[] {
  const indent = " ".repeat(first.length);
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of printable(text).split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
