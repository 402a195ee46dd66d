import { freshPath, type Group } from "./path.ts";

/*
 * main.ts <group>...: prints the PATH of a fresh system on which setup/packages.sh installed these groups.
 */

const { path, asItWas } = freshPath({ groups: process.argv.slice(2) as Group[] });
if (asItWas !== undefined) console.error(`the PATH stays as it is: ${asItWas}`);
console.log(path);
