import { InputError } from "./input_error.ts";

/** Largest UDP payload over IPv4. */
const MAX_OCTETS = 65_507;

/**
 * Octets from hexadecimal digits, between which spaces, colons and line ends may stand. Throws InputError with the place
 * of what is no digit. `what` names the value in messages.
 */
export function parseHex(text: string, what: string): Uint8Array {
  const digits = text.replace(/^\s*0x/i, "").replace(/[\s:]/g, "");
  const wrong = /[^0-9a-f]/i.exec(digits);
  if (wrong) {
    const shown = JSON.stringify(wrong[0]);
    throw new InputError(`${what}: ${shown} at digit ${wrong.index + 1} is not hexadecimal; allowed: 0-9 and a-f`);
  }
  if (digits.length % 2 === 1) {
    throw new InputError(`${what}: ${digits.length} digits; allowed: two for each octet, that is an even number`);
  }
  if (digits.length > 2 * MAX_OCTETS) {
    throw new InputError(`${what}: ${digits.length / 2} octets; allowed: at most ${MAX_OCTETS}, one UDP payload`);
  }
  return Uint8Array.from(Buffer.from(digits, "hex"));
}
