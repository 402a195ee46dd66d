import { expect, test } from "vitest";
import { parseLdd } from "../../../image/libraries.ts";

test("the libraries of ldd's answer, with the loader and without what the kernel brings", () => {
  const text = [
    "\tlinux-vdso.so.1 (0x00007f375e59a000)",
    "\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f375e200000)",
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f375e01e000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f375e59c000)",
  ].join("\n");
  expect(parseLdd(text)).toEqual([
    "/lib/x86_64-linux-gnu/libstdc++.so.6",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
});

test("a library that is not there is named", () => {
  expect(() => parseLdd("\tlibbpf.so.1 => not found\n\tlibelf.so.1 => not found\n")).toThrow(
    /libbpf\.so\.1, libelf\.so\.1/,
  );
});
